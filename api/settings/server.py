"""`[server]`: where pages are served, who may come there, and where data lies."""

from pathlib import Path
from typing import Self

from pydantic import model_validator

from api.settings.section import Section
from api.settings.values import Networks, Port, Seconds, check_pem


class ServerSection(Section):
    """Where pages are served. Browsers allow microphones on https and on localhost only, hence the certificate."""

    host: str = "127.0.0.1"
    port: Port = 8080
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    public_url: str = ""
    """How people reach us, where a proxy stands in front: ``https://phone.example``."""
    trusted_proxies: Networks = ()
    """Addresses or networks whose ``X-Forwarded-For`` is believed."""
    metrics_from: Networks = ("127.0.0.0/8", "::1/128")
    """Networks that may read ``/metrics``."""
    drain_s: Seconds = 0.0
    """How long live calls may go on after SIGTERM."""
    data_dir: Path = Path("var")

    @model_validator(mode="after")
    def _whole_certificate(self) -> Self:
        check_pem(self.tls_certificate, self.tls_key)
        return self
