"""One call of the emulated PBX in SIP: the dialog of a leg that a real SIP peer is behind.

Theory. A call is *coming* (the peer's INVITE, unanswered) or *going* (ours), then *talking*, then *over*. The leg says what is to happen:
it rings or is answered elsewhere, and the peer hears of it; the peer answers or hangs up, and the leg hears of it.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from pbx.body import UnsupportedBody, give_body, sdp_of
from pbx.dialog import Dialog
from pbx.message import Request, Response
from pbx.negotiation import Negotiation
from pbx.sdp import BadSdp, NoCommonAudio
from pbx.threecx.double.legs import Leg
from pbx.threecx.double.sip_trunk_line import TrunkLine
from pbx.transactions import ClientTransaction, Hop, ServerTransaction
from rooms.audio import KNOWN_CODECS, AudioCodec, RtpEndpoint

DTMF_TYPE = 101
PLAYABLE = ("pcma", "pcmu")
"""What the emulator can speak itself."""


class CallState(Enum):
    COMING = auto()
    GOING = auto()
    TALKING = auto()
    OVER = auto()


class Talk(Protocol):
    """The RTP of one call: bound before the first offer, begun when both sides agreed."""

    @property
    def address(self) -> tuple[str, int]: ...
    def begin(self, remote: RtpEndpoint) -> None: ...
    def end(self) -> None: ...
    def press(self, digit: str) -> None:
        """Send a digit as RFC 4733."""


@dataclass(slots=True, eq=False)
class SipCall:
    """``trunk`` is None for an extension's call. ``invite``: the transaction that began it, theirs or ours."""

    leg: Leg
    state: CallState
    hop: Hop
    negotiation: Negotiation
    talk: Talk
    trunk: TrunkLine | None = None
    dialog: Dialog | None = None
    invite: ServerTransaction | ClientTransaction | None = None
    rang: bool = False
    offered_late: bool = False
    last_ok: Response | None = None

    @property
    def codecs(self) -> tuple[AudioCodec, ...]:
        """What may be spoken, most wanted first."""
        allowed = self.trunk.codecs if self.trunk is not None else list(PLAYABLE)
        return tuple(KNOWN_CODECS[name] for name in allowed if name in PLAYABLE) or (KNOWN_CODECS["pcma"],)

    def ours(self, codecs: tuple[AudioCodec, ...]) -> RtpEndpoint:
        host, port = self.talk.address
        return RtpEndpoint(host, port, codecs, DTMF_TYPE)

    def take_offer(self, request: Request) -> None:
        """Read the INVITE's offer, where it has one. Raises ``NoCommonAudio``, ``BadSdp``, ``UnsupportedBody``."""
        body = sdp_of(request)
        if not body:
            self.offered_late = True
            return
        remote = self.negotiation.take_offer(body)
        allowed = {codec.name for codec in self.codecs}
        if not any(codec.name in allowed for codec in remote.codecs):
            raise NoCommonAudio("none of the codecs offered is allowed on this trunk")

    def answer(self) -> bytes:
        """Our description for the 200: the first codec offered that is allowed, alone; or an offer where the INVITE had none."""
        if self.offered_late:
            return self.negotiation.offer(self.ours(self.codecs))
        remote = self.negotiation.take_offer(sdp_of(self._invite_request()))
        allowed = {codec.name for codec in self.codecs}
        first = next(codec for codec in remote.codecs if codec.name in allowed)
        written = self.negotiation.answer(self.ours((KNOWN_CODECS[first.name],)))
        self._begin()
        return written

    def _invite_request(self) -> Request:
        assert self.invite is not None
        return self.invite.request

    def answered(self, response: Response) -> bool:
        """Read the answer of a 2xx; False where nothing in it can be used."""
        try:
            self.negotiation.take_answer(sdp_of(response))
        except (NoCommonAudio, BadSdp, UnsupportedBody):
            return False
        self._begin()
        return True

    def acknowledged(self, request: Request) -> None:
        """The ACK of our 2xx, with the answer where we offered late."""
        if self.offered_late and self.negotiation.theirs is None:
            try:
                self.negotiation.take_answer(sdp_of(request))
            except (NoCommonAudio, BadSdp, UnsupportedBody):
                return
            self._begin()

    def reagree(self, request: Request) -> bytes:
        """The answer to an offer within the call. Raises as ``take_offer``."""
        written, remote, _ = self.negotiation.answer_again(sdp_of(request))
        self.talk.begin(remote)
        return written

    def _begin(self) -> None:
        if self.negotiation.theirs is not None:
            self.talk.begin(self.negotiation.theirs)


def with_body(message: Response, body: bytes) -> Response:
    give_body(message, body)
    return message
