"""What every section of the settings tree is: frozen, with known keys only, and silent about values that may be secrets."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def split_text(value: object) -> object:
    """Lists may be written as ``a,b`` where there is only text: in the environment, in secrets and on the command line."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(split_text)]
