"""`[chat]`: what people write to one another in rooms."""

from typing import Annotated

from pydantic import Field

from api.settings.section import Section


class ChatSection(Section):
    """What people write to one another in rooms."""

    largest_file: Annotated[int, Field(ge=1_000, le=1_000_000_000)] = 25_000_000
    """Bytes of a file that is sent with a message."""
    all_files: Annotated[int, Field(ge=1_000)] = 20_000_000_000
    """Bytes of all such files together; more are refused."""
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = 365
    """So long those who were in a room may read it when it is over; then it is erased, as are older messages where the room goes on."""
