"""`[privacy]`: the keys that personal data is sealed under."""

from pathlib import Path
from typing import Self

from pydantic import SecretStr, model_validator

from api.settings.section import Section
from api.settings.values import check_keys


class PrivacySection(Section):
    """Names, numbers and words of customers are sealed under a key per person. The keys lie in a folder of their own, which copies of the
    database are never to hold: so who is erased is gone from them too."""

    key: SecretStr = SecretStr("")
    """Wraps the keys of people: 64 hexadecimal digits. Empty: drawn at the first start and kept in the data folder."""
    previous_keys: tuple[SecretStr, ...] = ()
    """Still open older keys of people, until `centralita privacy rotate` was run."""
    folder: Path | None = None
    """Folder of the keys of people, which all nodes share; None: ``keys`` in the data folder."""
    mirror: Path | None = None
    """A second folder that is written the same way, best on another disk; None: there is none."""

    @model_validator(mode="after")
    def _whole_keys(self) -> Self:
        check_keys("a key of personal data", self.key, *self.previous_keys)
        if self.previous_keys and not self.key.get_secret_value():
            raise ValueError("previous_keys are those before privacy.key, which is not set")
        return self
