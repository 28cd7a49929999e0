"""`[log]`: what the program writes of itself."""

from typing import Literal

from api.settings.section import Section


class LogSection(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
    """``auto``: coloured lines in a terminal, JSON elsewhere."""
