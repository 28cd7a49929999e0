"""What a SIP trunk needs to know, frozen. Defaults are those of a PBX extension on a local network."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pbx.address import default_port
from pbx.identity import IdentityHeader, TrustedCaller
from pbx.sdes import SrtpMode

NOWHERE = "centralita"
"""Stands after the @ where no domain is configured and the PBX's address is not known. Also the realm then."""


class SipTransport(StrEnum):
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"

    @property
    def default_port(self) -> int:
        return default_port(self)


@dataclass(frozen=True, slots=True)
class SipTlsSettings:
    """Whom we believe and what we show. ``ca_file``: PEM certificates of the authorities; None: the system's.

    ``certificate`` (with those between it and its authority) and ``key`` are shown to who connects to us, and to a PBX that asks for one.
    ``demand_certificate``: who connects to us must show one too. ``accept_any_certificate``: nothing is checked, and anybody between us and
    the PBX can listen and dial.
    """

    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    demand_certificate: bool = False
    accept_any_certificate: bool = False


@dataclass(frozen=True, slots=True)
class RegistrarSettings:
    """How the PBX registers here.

    ``digests``: the algorithms of the challenges, the preferred one first. MD5 alone by default: 3CX speaks nothing else, and some phones
    (baresip 1.0) give up where anything else is offered beside it. ``challenge_calls``: its calls have to prove the password too.
    ``shortest_s``/``longest_s``: bounds of a registration; a brief one brings the PBX back soon after a restart of ours. ``nonce_s``: how
    long a challenge may be answered.
    """

    digests: tuple[str, ...] = ("MD5",)
    challenge_calls: bool = False
    shortest_s: int = 60
    longest_s: int = 300
    nonce_s: float = 300.0


@dataclass(frozen=True, slots=True)
class SipTrunkSettings:
    """One line to one PBX.

    ``server``/``port``: where requests go; port 0: what the name's SRV records say, else the usual one, 5060 or 5061 with TLS.
    ``domain``: what stands after the @ in From, To and Request-URI; the server's name by default.
    ``find_transport``: the one that the name's NAPTR or SRV records prefer, UDP where there are none.
    ``large_by_tcp``: over UDP, requests beyond 1300 bytes go by TCP, where we then listen too (RFC 3261, section 18.1.1).
    ``name_servers``: those to ask instead of the system's, such as 10.0.0.1 or 10.0.0.1:5353.
    ``extension`` is our number there, ``auth_id`` the name in digest answers where it differs (3CX: always), ``password`` its secret.
    ``bind_host``: an address of ours; ``::`` is all of them, IPv4 too. ``public_host``: the address that the PBX sees us at, where it is
    not the one we send from (NAT 1:1).
    ``register`` off: a trunk by address, watched with OPTIONS every ``keepalive_s``; 0 there: not watched either.
    ``registrar``: the PBX registers here instead, as ``extension``; ``server`` may be empty then, and it may come from anywhere.
    ``refer`` off: the PBX is never asked to transfer a call; transfers are bridged here.
    ``codecs``: names of those that are spoken, the one wanted most first; empty: as each call wants it.
    ``comfort_noise``: ask phones to tell how their room hums instead of sending it (RFC 3389).
    ``srtp``: whether audio is encrypted, with keys in the session descriptions (SDES).
    ``max_redirects``: how often a call that is redirected is dialled anew.
    ``identity_header``: how the PBX is told who calls. ``trusted_caller``: when the number that it says is calling counts as verified.
    ``max_calls``: at once, both ways; emergency numbers of ``region`` (ISO code) are dialled beyond it.
    ``trusted``: further addresses or networks (CIDR) whose requests are accepted, beside those that ``server`` resolves to.
    """

    server: str
    extension: str
    password: str = field(default="", repr=False)
    auth_id: str = ""
    name: str = "pbx"
    port: int = 0
    domain: str = ""
    transport: SipTransport = SipTransport.UDP
    tls: SipTlsSettings = SipTlsSettings()
    srtp: SrtpMode = SrtpMode.OFF
    codecs: tuple[str, ...] = ()
    comfort_noise: bool = False
    large_by_tcp: bool = False
    find_transport: bool = False
    name_servers: tuple[str, ...] = ()
    display_name: str = ""
    bind_host: str = "::"
    bind_port: int = 0
    public_host: str = ""
    public_port: int = 0
    trusted: tuple[str, ...] = ()
    register: bool = True
    registrar: RegistrarSettings | None = None
    registration_s: int = 300
    retry_first_s: float = 5.0
    retry_longest_s: float = 300.0
    refused_retry_s: float = 600.0
    keepalive_s: float = 30.0
    max_calls: int = 200
    region: str = ""
    invites_per_s: float = 20.0
    ring_longest_s: float = 180.0
    session_expires_s: int = 1800
    min_session_expires_s: int = 90
    refer: bool = True
    max_redirects: int = 0
    identity_header: IdentityHeader = IdentityHeader.AUTO
    trusted_caller: TrustedCaller = TrustedCaller.ASSERTED
    user_agent: str = "Centralita"

    def __post_init__(self) -> None:
        # An IPv6 address may come as in a URI, with brackets; inside it has none.
        for name in ("server", "domain"):
            object.__setattr__(self, name, getattr(self, name).strip("[]"))

    @property
    def sip_domain(self) -> str:
        return self.domain or self.server or NOWHERE

    @property
    def takes_strangers(self) -> bool:
        """May a PBX register from an address that nobody has named?"""
        return self.registrar is not None and not self.server and not self.trusted

    @property
    def transports(self) -> tuple[SipTransport, ...]:
        """Those whose sockets are open, the preferred one first."""
        if self.find_transport:
            return SipTransport.TLS, SipTransport.TCP, SipTransport.UDP
        return (self.transport, SipTransport.TCP) if self.large_by_tcp and self.transport is SipTransport.UDP else (self.transport,)

    @property
    def server_port(self) -> int:
        return self.port or self.transport.default_port

    @property
    def keys_in_clear(self) -> bool:
        """Whoever reads our signalling could decrypt our calls."""
        return self.srtp is not SrtpMode.OFF and self.transport is not SipTransport.TLS

    @property
    def digest_name(self) -> str:
        return self.auth_id or self.extension

    @property
    def contact_user(self) -> str:
        """Before the @ of our Contact. A PBX that nobody registers at or from tells its trunks by it: at 3CX it is the Auth ID."""
        return self.extension if self.register or self.registrar is not None else self.digest_name

    @property
    def told_identity(self) -> IdentityHeader:
        if self.identity_header is not IdentityHeader.AUTO:
            return self.identity_header
        return IdentityHeader.PREFERRED if self.register else IdentityHeader.ASSERTED
