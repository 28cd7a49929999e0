"""`[audit]`: the keys and checkpoints of the chain of who did what."""

from pathlib import Path
from typing import Self

from pydantic import SecretStr, model_validator

from api.settings.section import Section
from api.settings.values import check_keys


class AuditSection(Section):
    """The chain of who did what (``centralita audit``). All nodes have the same key."""

    key: SecretStr = SecretStr("")
    """Chains entries and signs checkpoints: 64 hexadecimal digits. Empty: drawn at the first start and kept in the data folder."""
    previous_keys: tuple[SecretStr, ...] = ()
    """Still verify older entries and checkpoints, never used for new ones."""
    checkpoints: Path | None = None
    """Folder of signed checkpoints, better of another machine, where who could change the database changes nothing; None: ``audit`` in the
    data folder. They are in the program's log too."""

    @model_validator(mode="after")
    def _whole_keys(self) -> Self:
        check_keys("a key of the audit", self.key, *self.previous_keys)
        return self
