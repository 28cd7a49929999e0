"""What the trunk and the process that runs pjsua2 tell one another: one JSON object per line, both ways.

SDP is written and read on our side alone (``pbx.negotiation``); the process puts it into SIP as it is.
"""

from msgspec import Struct, json


class _Told(Struct, frozen=True, tag=True):
    pass


# --- from the trunk ---------------------------------------------------------------------------------------------------------------------


class Open(_Told, frozen=True):
    """``host``/``port``: ours. ``server``: ``host:port`` of the PBX; ``domain`` stands after the @. Times in seconds."""

    transport: str
    host: str
    port: int
    server: str
    domain: str
    extension: str
    display_name: str
    digest_name: str
    password: str
    register: bool
    registration_s: int
    session_expires_s: int
    min_session_expires_s: int
    max_calls: int
    user_agent: str

    def __repr__(self) -> str:
        return f"Open({self.server})"


class Dial(_Told, frozen=True):
    """``caller``: what From says."""

    leg_id: str
    uri: str
    caller: str
    sdp: str
    headers: dict[str, str]


class Respond(_Told, frozen=True):
    """Answer an INVITE, provisionally or finally; the first one or a later one, of which ``sdp`` is the answer."""

    leg_id: str
    status: int
    sdp: str = ""


class End(_Told, frozen=True):
    """CANCEL, BYE, or this refusal."""

    leg_id: str
    status: int


class Offer(_Told, frozen=True):
    """A re-INVITE."""

    leg_id: str
    sdp: str


class Press(_Told, frozen=True):
    leg_id: str
    digit: str


class Refer(_Told, frozen=True):
    """``replaces``: another leg of ours."""

    leg_id: str
    target: str
    replaces: str


class Close(_Told, frozen=True):
    """End every call, unregister, and end."""


Command = Open | Dial | Respond | End | Offer | Press | Refer | Close


# --- from the process -------------------------------------------------------------------------------------------------------------------


class Opened(_Told, frozen=True):
    """``most_calls``: what this build carries at once; ``version``: of pjproject."""

    port: int
    most_calls: int
    version: str


class NotOpened(_Told, frozen=True):
    words: str


class Registered(_Told, frozen=True):
    """``status``: of the last answer to REGISTER; 0 where none came. ``lasts_s`` 0: not registered."""

    status: int
    reason: str
    lasts_s: int


class Invited(_Told, frozen=True):
    """``message``: the whole INVITE; ``source``: the address that it came from."""

    leg_id: str
    message: str
    source: str


class Ringing(_Told, frozen=True):
    leg_id: str
    sdp: str


class Talking(_Told, frozen=True):
    """Answered and acknowledged. ``sdp``: the peer's answer, or empty where it answered nothing of ours."""

    leg_id: str
    sdp: str


class Ended(_Told, frozen=True):
    leg_id: str
    status: int
    reason: str


class Offered(_Told, frozen=True):
    """A re-INVITE or UPDATE of the peer, which waits for ``Respond``. ``sdp`` is empty where it wants our offer."""

    leg_id: str
    sdp: str


class Agreed(_Told, frozen=True):
    """How our re-INVITE was answered."""

    leg_id: str
    status: int
    sdp: str


class Pressed(_Told, frozen=True):
    leg_id: str
    digit: str


class Transferred(_Told, frozen=True):
    leg_id: str
    status: int


class PeerSeen(_Told, frozen=True):
    """``source``: the address that the peer of this leg signals from; ``methods``: those that it says it knows."""

    leg_id: str
    source: str
    methods: tuple[str, ...]


Event = Opened | NotOpened | Registered | Invited | Ringing | Talking | Ended | Offered | Agreed | Pressed | Transferred | PeerSeen

COMMANDS = json.Decoder(Command)
EVENTS = json.Decoder(Event)


def line_of(message: Command | Event) -> bytes:
    return json.encode(message) + b"\n"
