"""Phone legs, where a trunk's signalling meets the media plane: the port, the agreement, and who owns which leg.

The trunk says what the phone wants, the media worker does it. Neither knows the other; both speak ``rooms.audio``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from api.media_plane import MediaPlane
from api.rtp_ports import NoPortLeft, RtpPorts
from media import messages as media
from media.codec_choice import Policy, answer_phone, browser_order, offer_phone
from pbx.sdp import EXTENDED_REPORTS
from pbx.trunk import Trunk
from rooms.audio import AudioCodec, BrowserEndpoint, DemoEndpoint, Direction, Endpoint, RtpEndpoint
from rooms.causes import Cause, EndReason

log = structlog.get_logger()

DTMF_PAYLOAD_TYPE = 101
NO_SHARED_CODEC = "The phone offered no codec that this server speaks: allow G.711, G.722 or Opus on its side."


class PhoneFailure(Exception):
    """A phone leg cannot be had. ``cause`` says whose fault it is."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.detail)
        self.cause = cause


@dataclass(slots=True)
class PhoneLeg:
    """One phone leg: ``local`` is what we announced, ``remote`` what the phone wants. ``payer``: on whose account it was dialled."""

    leg_id: str
    call_id: str
    trunk: Trunk
    payer: str = ""
    local: RtpEndpoint | None = None
    remote: Endpoint | None = None
    demo_open: bool = False
    anchored: bool = False
    """A browser's, that is open in the media plane."""
    digits_by_info: bool = False
    spoken: str | None = None
    room_id: str = ""

    def agreed(self, remote: RtpEndpoint) -> None:
        """This is spoken with the phone from now on."""
        self.remote = remote
        self.digits_by_info = remote.dtmf_payload_type is None
        self.spoken = remote.codecs[0].name if remote.codecs else None


class PhoneLegs:
    """Opens, connects and closes phone legs.

    ``public_host``: the address phones send to. ``phone_policy`` and ``browser_policy``: each side's codec policy (``media.codec_choice``).
    """

    def __init__(
        self,
        worker: MediaPlane,
        trunks: dict[str, Trunk],
        ports: RtpPorts,
        *,
        public_host: str,
        phone_policy: Policy = "auto",
        browser_policy: Policy = "auto",
    ) -> None:
        self._worker = worker
        self._trunks = trunks
        self._ports = ports
        self._public_host = public_host
        self._offered = offer_phone() if phone_policy == "auto" else offer_phone(phone_policy)
        self._browser_policy = browser_policy
        self._legs: dict[str, PhoneLeg] = {}
        self._calls: dict[str, dict[str, PhoneLeg]] = {}
        """The same by call."""

    def get(self, leg_id: str) -> PhoneLeg | None:
        return self._legs.get(leg_id)

    def of_call(self, call_id: str) -> list[PhoneLeg]:
        """The phones of a call, in the order in which they came."""
        return list(self._calls.get(call_id, {}).values())

    def expect(self, leg_id: str, call_id: str, trunk: str, remote: Endpoint | None = None) -> PhoneLeg:
        """Remember a leg that is about to be dialled, or has just arrived."""
        leg = PhoneLeg(leg_id, call_id, self._trunks[trunk], remote=remote)
        self._legs[leg_id] = leg
        self._calls.setdefault(call_id, {})[leg_id] = leg
        return leg

    def forget_call(self, call_id: str) -> list[str]:
        """Forget a call's legs. Returns their names."""
        forgotten = list(self._calls.pop(call_id, {}))
        for leg_id in forgotten:
            del self._legs[leg_id]
        return forgotten

    def forget(self, leg_id: str) -> bool:
        """Forget one leg of a call that goes on. Was it open in the media plane?"""
        leg = self._legs.pop(leg_id)
        del self._calls[leg.call_id][leg_id]
        return leg.local is not None or leg.demo_open or leg.anchored

    async def place(
        self,
        leg_id: str,
        number: str,
        *,
        private: bool = False,
        caller_number: str = "",
        diverted_by: str = "",
        referred: str = "",
        room_id: str = "",
    ) -> None:
        """Open the leg's port and dial, as ``Trunk.dial`` says. Raises ``PhoneFailure``. ``room_id``: of its sound, where that is not its
        call's."""
        leg = self._legs.get(leg_id)
        if leg is None:  # it was let go while this waited for its turn
            return
        leg.room_id = room_id or leg.call_id
        local = await self._open(leg, self._offered)
        leg.trunk.dial(leg_id, number, "", local, private=private, caller_number=caller_number, diverted_by=diverted_by, referred=referred)

    async def progress(self, leg_id: str, other_codec: str | None) -> None:
        """Let a phone that called hear the room before it is answered. Raises ``PhoneFailure``."""
        await self._let_in(self._legs[leg_id], other_codec, lambda trunk, local: trunk.progress(leg_id, local))

    async def answer(self, leg_id: str, browser_codec: str | None) -> None:
        """Accept a phone that called, in the codec which suits the browser it will talk with. Raises ``PhoneFailure``."""
        await self._let_in(self._legs[leg_id], browser_codec, lambda trunk, local: trunk.answer(leg_id, local))

    async def _let_in(self, leg: PhoneLeg, other_codec: str | None, tell: Callable[[Trunk, RtpEndpoint], None]) -> None:
        open_before, remote = leg.local is not None, leg.remote
        local = leg.local or await self._agree(leg, other_codec)
        tell(leg.trunk, local)
        if isinstance(remote, DemoEndpoint | BrowserEndpoint):
            await self.connect(leg.leg_id, remote)
        elif open_before and isinstance(remote, RtpEndpoint):
            await self.connect(leg.leg_id, remote.speaking(local.codecs))

    async def _agree(self, leg: PhoneLeg, other_codec: str | None) -> RtpEndpoint:
        """Our end of a leg that called us, connected with what it offers, where it offers something. Raises ``PhoneFailure``."""
        remote = leg.remote
        if not isinstance(remote, RtpEndpoint):
            return await self._open(leg, self._offered)
        codecs = answer_phone(remote.codecs, [codec.name for codec in self._offered], other_codec)[:1]
        if not codecs:
            raise PhoneFailure(Cause(EndReason.INCOMPATIBLE, 488, NO_SHARED_CODEC))
        spoken = remote.speaking(codecs)
        leg.local = replace(await self._open(leg, codecs, spoken), direction=remote.direction.mirrored)
        leg.agreed(spoken)
        return leg.local

    async def connect(self, leg_id: str, remote: Endpoint) -> None:
        """Carry out what was agreed with the phone, the first time or anew."""
        leg = self._legs.get(leg_id)
        if leg is None:
            return
        leg.remote = remote
        if isinstance(remote, DemoEndpoint):
            if not leg.demo_open:
                leg.demo_open = True
                await self._worker.perform(media.OpenDemoLeg(leg_id=leg_id, room_id=leg.room_id or leg.call_id, programme=remote))
            return
        if isinstance(remote, BrowserEndpoint):
            await self._anchor(leg)
            return
        leg.agreed(remote)
        await self._worker.perform(media.ConnectRtpLeg(leg_id=leg_id, remote=remote))

    async def _anchor(self, leg: PhoneLeg) -> None:
        if not leg.anchored:
            leg.anchored = True
            await self._worker.perform(media.OpenPeerLeg(leg_id=leg.leg_id, room_id=leg.call_id))

    async def answer_browser(self, leg_id: str, peer_id: str, sdp: str) -> media.PeerAnswered:
        """Answer the offer of a caller who calls by a browser, the first or a later one. Raises ``MediaRefusal``."""
        leg = self._legs.get(leg_id)
        if leg is None:
            raise media.MediaRefusal("unknown_call", "This call has just ended.")
        await self._anchor(leg)
        codecs = browser_order(None, self._browser_policy)
        answered = await self._worker.perform(media.OfferPeer(leg_id=leg_id, peer_id=peer_id, sdp=sdp, codecs=codecs))
        assert isinstance(answered, media.PeerAnswered)
        leg.spoken = answered.codec
        return answered

    def browser_order(self, call_id: str) -> tuple[str, ...]:
        """Our order of preference for the browser of this call, from what its phone offers or speaks."""
        leg = next(iter(self.of_call(call_id)), None)
        if leg is None or not isinstance(leg.remote, RtpEndpoint):
            # A programme of the demo line takes any codec; a phone not yet answered most likely takes what we offer it first.
            wanted = leg.local.codecs if leg is not None and leg.local is not None and leg.trunk.carries_rtp else None
            return browser_order(None if wanted is None else [codec.name for codec in wanted], self._browser_policy)
        return browser_order([codec.name for codec in leg.remote.codecs], self._browser_policy, agreed=leg.spoken)

    def spoken_in(self, call_id: str) -> str | None:
        """The codec that the phone of this call speaks, once agreed."""
        return next((leg.spoken for leg in self.of_call(call_id)), None)

    def held_by_phone(self, remote: Endpoint) -> bool:
        """Does this agreement put us on hold? The direction is the phone's: it no longer wants to hear us."""
        return isinstance(remote, RtpEndpoint) and remote.direction in (Direction.SENDONLY, Direction.INACTIVE)

    async def _open(self, leg: PhoneLeg, codecs: tuple[AudioCodec, ...], remote: RtpEndpoint | None = None) -> RtpEndpoint:
        if not leg.trunk.carries_rtp:
            return RtpEndpoint(self._public_host, 0, codecs, DTMF_PAYLOAD_TYPE)
        try:
            pair = self._ports.open()
        except NoPortLeft as error:
            raise PhoneFailure(Cause(EndReason.FAILED, 503, str(error))) from None
        opened = None
        try:
            command = media.OpenRtpLeg(leg_id=leg.leg_id, room_id=leg.room_id or leg.call_id, remote=remote)
            opened = await self._worker.perform(command, sock=(pair.rtp, pair.rtcp))
        finally:
            if opened is None:  # the media plane did not take them over
                pair.close()
        assert isinstance(opened, media.RtpOpened)
        leg.local = RtpEndpoint(self._public_host, opened.port, codecs, DTMF_PAYLOAD_TYPE, reports=EXTENDED_REPORTS, rtcp_mux=True)
        return leg.local
