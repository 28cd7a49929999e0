"""Browser legs, where a page's offers meet the media plane: whose leg it is, and which codec it speaks."""

from collections import deque
from dataclasses import dataclass, field

from api.media_plane import MediaPlane
from api.phone_legs import PhoneLegs
from api.store.rows import LegMeans
from media import messages as media
from signaling.messages import PeerPath


@dataclass(slots=True)
class BrowserLeg:
    """``order``: codecs that the media plane asked for in a new offer; ``codec``: the one spoken; ``anchored``: open in the media plane.
    ``former``: connections whose place another one took; they do not get it back by themselves, or two pages would fight for the leg.
    The rest as ``LegMeans`` has it.
    """

    leg_id: str
    call_id: str
    identity: str
    anchored: bool = False
    codec: str | None = None
    order: tuple[str, ...] = ()
    peer_id: str = ""
    former: deque[str] = field(default_factory=lambda: deque(maxlen=16))
    headset: str = ""
    way: str = ""
    family: str = ""
    connection: str = ""

    def travels(self, said: PeerPath) -> None:
        """By the pair of candidates that its page uses from now on."""
        self.way = f"relay/{said.relay or said.protocol}" if said.local == "relay" else f"{said.local}/{said.protocol}"
        self.family, self.connection = ("" if word == "unknown" else word for word in (said.family, said.network))

    @property
    def means(self) -> LegMeans:
        return LegMeans(self.codec or "", self.headset, self.connection, self.way, self.family)


class BrowserLegs:
    """Anchors browser legs and answers their pages' offers."""

    def __init__(self, worker: MediaPlane, phones: PhoneLegs) -> None:
        self._worker = worker
        self._phones = phones
        self._legs: dict[str, BrowserLeg] = {}
        self._calls: dict[str, list[str]] = {}
        """Legs by call."""

    def get(self, leg_id: str) -> BrowserLeg | None:
        return self._legs.get(leg_id)

    def expect(self, leg_id: str, call_id: str, identity: str) -> None:
        """Remember a leg for which a page will make an offer."""
        self._legs[leg_id] = BrowserLeg(leg_id, call_id, identity)
        self._calls.setdefault(call_id, []).append(leg_id)

    def forget_call(self, call_id: str) -> None:
        for leg_id in self._calls.pop(call_id, ()):
            self._legs.pop(leg_id, None)

    async def answer(self, leg_id: str, peer_id: str, sdp: str) -> media.PeerAnswered:
        """Answer an offer, the first or a later one. Raises ``MediaRefusal``, naming what is wrong with it."""
        leg = self._legs[leg_id]
        if peer_id in leg.former:
            raise media.MediaRefusal("taken_over", "The sound of this call is on another page of yours: bring it here by a new connection.")
        if not leg.anchored:
            await self._worker.perform(media.OpenPeerLeg(leg_id=leg_id, room_id=leg.call_id))
            leg.anchored = True
        codecs = leg.order or self._phones.browser_order(leg.call_id)
        answered = await self._worker.perform(media.OfferPeer(leg_id=leg_id, peer_id=peer_id, sdp=sdp, codecs=codecs))
        assert isinstance(answered, media.PeerAnswered)
        leg.codec = answered.codec
        if peer_id != leg.peer_id:
            leg.former.append(leg.peer_id)
            leg.peer_id = peer_id
        return answered
