"""The line to one PBX: `[sip]` itself, or each of `[sip.trunks]`."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from api.settings.section import Section, split_text
from api.settings.values import CodecPolicy, Networks, Port, check_pem
from pbx.resolver import split_server


class LineSection(Section):
    """The line to one PBX."""

    server: str = ""
    port: Port = 0
    """0: what the name's SRV records say, else the usual one, 5060, or 5061 with TLS."""
    transport: Literal["udp", "tcp", "tls", "auto"] = "udp"
    """``auto``: what the name's NAPTR or SRV records prefer; UDP where there are none."""
    large_by_tcp: bool = False
    """Over UDP, send requests beyond 1300 bytes by TCP, as RFC 3261 wants it; many a PBX does not listen there."""
    name_servers: Annotated[tuple[str, ...], BeforeValidator(split_text)] = ()
    """Ask these for the PBX's name (``10.0.0.1`` or ``10.0.0.1:5353``) in place of the system's."""
    tls_ca_file: Path | None = None
    """Certificates of the authorities that the PBX's must be signed by, or itself (PEM); none: those that the system trusts."""
    tls_certificate: Path | None = None
    """What we show the PBX, with ``tls_key``; none: one signed by itself, kept in the data folder."""
    tls_key: Path | None = None
    tls_demand_certificate: bool = False
    """Who connects to us must show a certificate for ``server`` or ``domain``."""
    tls_accept_any_certificate: bool = False
    """Check nothing: then anybody on the way to the PBX can listen, dial and read the password's digest."""
    codecs: CodecPolicy = "auto"
    """Codecs that are spoken on this line, the one wanted most first (a 3CX takes the first); ``auto``: as ``media.phone_codecs`` says."""
    comfort_noise: bool = False
    """Ask phones to tell how their room hums in pauses instead of sending it (RFC 3389). Those that do so unasked are understood anyway."""
    srtp: Literal["off", "offered", "required"] = "off"
    """Encrypt audio with keys in the session descriptions (SDES); ``offered``: in clear with who cannot. TLS keeps the keys secret."""
    domain: str = ""
    extension: str = ""
    auth_id: str = ""
    """The name in digest answers where it is not the extension (3CX: always)."""
    password: SecretStr = SecretStr("")
    display_name: str = ""
    mode: Literal["register", "registrar", "address"] = "register"
    """``register``: we register at the PBX. ``registrar``: the PBX registers here, as ``extension`` (what 3CX prefers of a provider), from
    ``server`` or ``trusted`` where those are given, else from anywhere. ``address``: nobody registers, each knows the other's address."""
    digests: Annotated[tuple[Literal["sha-256", "md5"], ...], BeforeValidator(split_text), Field(min_length=1)] = ("md5",)
    """What a PBX that registers here may prove the password with, the preferred one first. 3CX speaks MD5."""
    challenge_calls: bool = False
    """A PBX that registers here has to prove the password with each call too."""
    expires_s: Annotated[int, Field(ge=30, le=86_400)] = 300
    keepalive_s: Annotated[float, Field(ge=0, le=3_600)] = 30.0
    """How often the PBX is asked whether it is there (OPTIONS); 0: never."""
    max_calls: Annotated[int, Field(ge=1, le=10_000)] = 200
    """Calls at once, both ways. At a 3CX: what its licence leaves for this line, so that it need not refuse."""
    calls_per_s: Annotated[float, Field(gt=0, le=10_000)] = 20.0
    """New calls taken each second; who brings more is told to come back in a moment."""
    listen_host: str = "::"
    """An address of this machine; ``::``: all of them, IPv4 too."""
    listen_port: Port = 0
    public_host: str = ""
    trusted: Networks = ()
    """Further addresses or networks whose calls are taken, beside the server's own."""
    refer: bool = True
    """Ask the PBX to transfer calls (REFER) where it knows how; off: every transfer is bridged here."""
    follow_redirects: Annotated[int, Field(ge=0, le=5)] = 0
    """How often a call is dialled anew that the PBX redirects (301, 302), at this PBX and by the rules for who dialled it."""
    identity_header: Literal["auto", "p-asserted", "p-preferred", "remote-party-id", "none"] = "auto"
    """How the PBX is told who calls, beside From; ``auto``: preferred where we register, else asserted (RFC 3325)."""
    trusted_caller: Literal["asserted", "always", "never"] = "asserted"
    """When a caller's number counts as verified: where the PBX asserts it, always (it checks From itself), or never."""

    @field_validator("name_servers")
    @classmethod
    def _are_servers(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        for server in servers:
            split_server(server)
        return servers

    @model_validator(mode="after")
    def _whole_tls(self) -> Self:
        check_pem(self.tls_certificate, self.tls_key, self.tls_ca_file)
        if self.tls_demand_certificate and self.tls_accept_any_certificate:
            raise ValueError("tls_demand_certificate and tls_accept_any_certificate contradict each other: set one of them")
        return self

    @property
    def missing(self) -> list[str]:
        """What a line cannot be opened without."""
        needed = ("extension", "password", "listen_port") if self.mode == "registrar" else ("server", "extension")
        return [name for name in needed if not (self.password.get_secret_value() if name == "password" else getattr(self, name))]


LineName = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[a-z0-9_-]+$")]


class TrunkSection(LineSection):
    """One PBX of several. What is not said here is as in ``sip`` itself."""

    priority: Annotated[int, Field(ge=1, le=100)] = 1
    """A lower one is called first, the next where it is down."""
    weight: Annotated[int, Field(ge=1, le=1_000)] = 1
    """Which part of the calls it takes among those of its priority."""
