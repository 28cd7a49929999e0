"""`[email]`: the server that takes e-mail."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from api.notify.message import is_address
from api.settings.section import Section


class EmailSection(Section):
    """The server that takes e-mail (SMTP, RFC 5321). Without ``host`` nothing is sent, and counted."""

    host: str = ""
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    """``tls``: from the first byte, mostly on port 465. ``none``: only to this machine."""
    ca_file: Path | None = None
    """Who signed its certificate, where that is nobody whom the system trusts."""
    user: str = ""
    password: SecretStr = SecretStr("")
    sender: str = ""
    """The address that e-mail comes from."""
    sender_name: Annotated[str, Field(max_length=128, pattern=r"^[^\r\n]*$")] = ""
    within_s: Annotated[float, Field(ge=1, le=25)] = 10.0
    """So long each step may take."""
    templates: Path | None = None
    """A folder with texts in place of ours: files such as ``voicemail.es.txt``."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.host:
            return self
        if not is_address(self.sender):
            raise ValueError("email.host needs email.sender: the address that e-mail comes from, as in calls@example.com")
        if self.tls == "none" and not _is_here(self.host):
            raise ValueError("email.tls none is for a server on this machine: passwords and letters would be read on their way")
        if bool(self.user) != bool(self.password.get_secret_value()):
            raise ValueError("email.user and email.password go together")
        if self.templates is not None and not self.templates.is_dir():
            raise ValueError(f"{self.templates} is no folder")
        return self


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
