"""What a SIP trunk needs to know, frozen. Defaults are those of a PBX extension on a local network."""

from dataclasses import dataclass, field
from enum import StrEnum


class SipTransport(StrEnum):
    UDP = "udp"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class SipTrunkSettings:
    """One line to one PBX.

    ``server``/``port``: where requests go. ``domain``: what stands after the @ in From, To and Request-URI; the server's name by default.
    ``extension`` is our number there, ``auth_id`` the name in digest answers where it differs (3CX: always), ``password`` its secret.
    ``public_host``: the address that the PBX sees us at, where it is not the one we send from (NAT 1:1).
    ``register`` off: a trunk by address, watched with OPTIONS every ``keepalive_s``; 0 there: not watched either.
    ``refer`` off: the PBX is never asked to transfer a call; transfers are bridged here.
    ``trusted``: further addresses or networks (CIDR) whose requests are accepted, beside those that ``server`` resolves to.
    """

    server: str
    extension: str
    password: str = field(default="", repr=False)
    auth_id: str = ""
    name: str = "pbx"
    port: int = 5060
    domain: str = ""
    transport: SipTransport = SipTransport.UDP
    display_name: str = ""
    bind_host: str = "0.0.0.0"
    bind_port: int = 0
    public_host: str = ""
    public_port: int = 0
    trusted: tuple[str, ...] = ()
    register: bool = True
    registration_s: int = 300
    retry_first_s: float = 5.0
    retry_longest_s: float = 300.0
    password_retry_s: float = 600.0
    keepalive_s: float = 30.0
    max_calls: int = 200
    invites_per_s: float = 20.0
    ring_longest_s: float = 180.0
    session_expires_s: int = 1800
    min_session_expires_s: int = 90
    refer: bool = True
    user_agent: str = "Centralita"

    @property
    def sip_domain(self) -> str:
        return self.domain or self.server

    @property
    def digest_name(self) -> str:
        return self.auth_id or self.extension
