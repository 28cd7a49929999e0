"""What the emulated PBX is configured with: DNs, API clients, inbound rules, and what whoever is behind a number does with a call."""

from dataclasses import dataclass, field
from enum import StrEnum


class DnType(StrEnum):
    """As Call Control spells them. A real PBX may have more."""

    EXTENSION = "Wextension"
    ROUTE_POINT = "Wroutepoint"
    QUEUE = "Wqueue"
    RING_GROUP = "Wringgroup"
    IVR = "Wivr"
    LINE = "Wexternalline"
    MENU = "Wspecialmenu"
    NONE = "None"


class Refusing(StrEnum):
    """Why a call is not taken; the words of 3CX's reason vocabulary."""

    NO = ""
    BUSY = "PhoneBusy"
    UNREGISTERED = "PhoneNotRegistered"


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a person called does. ``answer_after_s`` None: never answers; ``hang_up_after_s`` counts from the answer, None: never.
    ``echo``: says what it hears instead of humming."""

    answer_after_s: float | None = None
    hang_up_after_s: float | None = None
    refuse: Refusing = Refusing.NO
    echo: bool = False


@dataclass(frozen=True, slots=True)
class Device:
    """``device_id`` looks like a SIP contact. ``controllable``: the API may act on its legs (3CX's own apps, uaCSTA phones)."""

    device_id: str
    user_agent: str = "3CX Web Client"
    controllable: bool = True


@dataclass(slots=True)
class Dn:
    """``members``: numbers that a queue or ring group rings. ``wired``: a real SIP peer is behind it, so nobody plays its person."""

    number: str
    kind: DnType
    name: str = ""
    devices: list[Device] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    logged_out: set[str] = field(default_factory=set)
    reaction: Reaction = Reaction()
    voicemail: bool = False
    wired: bool = False
    auth_id: str = ""
    auth_password: str = ""
    unregistered_to: dict[bool, str] = field(default_factory=dict)
    """Where calls go while no device is registered: of callers from outside (True) and inside (False); nowhere where it is missing."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An API client ("service principal"). Its id is the DN of its route point."""

    client_id: str
    secret: str
    call_control: bool = True
    xapi: bool = True
    monitored: frozenset[str] = frozenset()
    role: str = "system_owners"

    def lists(self, dn: str) -> bool:
        """Are the DN's legs shown to this client?"""
        return dn == self.client_id or dn in self.monitored


@dataclass(frozen=True, slots=True)
class Route:
    """An outbound rule: numbers with this prefix go to this trunk, cut and lengthened."""

    prefix: str
    trunk: str
    strip: int = 0
    prepend: str = ""


@dataclass(slots=True)
class Directory:
    """``dids``: number called from outside -> DN. ``outside``: what people behind outside numbers do; ``others``: all the rest."""

    dns: dict[str, Dn]
    principals: dict[str, Principal]
    trunk: str = "10000"
    main_number: str = ""
    dids: dict[str, str] = field(default_factory=dict)
    outside: dict[str, Reaction] = field(default_factory=dict)
    others: Reaction = Reaction(answer_after_s=1.0)
    routes: list[Route] = field(default_factory=list)
    max_calls: int = 8
    ring_s: float = 30.0
    """How long somebody rings where the caller does not say."""

    def reaction(self, dn: str, number: str) -> Reaction:
        """What whoever is behind a leg of this DN does; outside people go by their number."""
        known = self.dns.get(dn)
        inside = known is not None and known.kind is not DnType.LINE
        return known.reaction if known is not None and inside else self.outside.get(number, self.others)

    def is_outside(self, number: str) -> bool:
        """Does a number lead over a trunk?"""
        if number in self.dns or not number.lstrip("+").isdecimal():
            return False
        return number in self.outside or len(number.lstrip("+")) >= 6 or any(number.startswith(route.prefix) for route in self.routes)

    def outbound(self, number: str) -> tuple[str, str]:
        """The trunk that a number goes to by the first rule that fits, else the usual one; and the number as it is dialled there."""
        route = next((route for route in self.routes if number.startswith(route.prefix) and route.trunk in self.dns), None)
        return (self.trunk, number) if route is None else (route.trunk, route.prepend + number[route.strip :])


def demo_directory() -> Directory:
    """A small office: three people with apps, a desk phone, a queue, a ring group, a route point and one trunk with three DIDs."""

    def person(number: str, name: str, *devices: Device) -> Dn:
        return Dn(
            number, DnType.EXTENSION, name, list(devices or (web_client(number),)), auth_id=f"demo{number}", auth_password=f"secret{number}"
        )

    dns = [
        person("200", "Ana Ruiz"),
        person("201", "Luis Marín"),
        person("202", "Eva Sanz", web_client("202"), Device("sip:202@192.0.2.22:5060", "Yealink SIP-T46U", controllable=False)),
        person("203", "Recepción", Device("sip:203@192.0.2.23:5060", "Yealink SIP-T33G", controllable=False)),
        Dn("800", DnType.QUEUE, "Viajes", members=["200", "201"]),
        Dn("801", DnType.RING_GROUP, "Oficina", members=["200", "201", "202"]),
        Dn("870", DnType.ROUTE_POINT, "centralita"),
        Dn("10000", DnType.LINE, "Demo trunk"),
    ]
    client = Principal("870", "demo-secret", monitored=frozenset({"200", "201", "202", "203", "800"}))
    return Directory(
        dns={dn.number: dn for dn in dns},
        principals={client.client_id: client},
        main_number="+34910000000",
        dids={"+34910000000": "870", "+34910000001": "200", "+34910000002": "800"},
        outside={
            "+34600000600": Reaction(answer_after_s=1.0, echo=True),
            "+34600000603": Reaction(refuse=Refusing.BUSY),
            "+34600000604": Reaction(),
        },
    )


def web_client(number: str) -> Device:
    """The PBX's own app of an extension: loopback and a high port."""
    return Device(f"sip:{number}@127.0.0.1:5483;rinstance={int(number):08x}")
