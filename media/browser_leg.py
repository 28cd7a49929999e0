"""A browser's leg: anchored in the server, with peers that come and go (page reload, another tab, ICE restart).

An offer with the same ``peer_id`` goes to the peer we have; one with another id makes a new peer that takes over the leg, and the former
is closed. The leg's outgoing stream goes on: the new peer announces the same SSRC.
"""

from collections.abc import Callable
from functools import partial

from media.codec_choice import Conditions, Policy, reoffer
from media.icelite import IcePort
from media.leg import Agreement, EventFormat, Leg
from media.messages import AnyMediaEvent, LegSilent, MediaRefusal, OfferPeer, PeerAnswered, PeerConnected, PeerLost, ReofferWanted
from media.peer import Peer, PeerAnswer
from media.settings import MediaSettings
from media.video.room import VideoRoom


class BrowserLeg:
    """``on_event`` takes what happens; ``on_change`` is called whenever the room has to be planned anew. ``videos``: the room's."""

    def __init__(
        self,
        leg: Leg,
        port: IcePort,
        settings: MediaSettings,
        on_event: Callable[[AnyMediaEvent], None],
        on_change: Callable[[], None],
        videos: VideoRoom,
    ) -> None:
        self.leg = leg
        self._videos = videos
        self._port = port
        self._settings = settings
        self._on_event, self._on_change = on_event, on_change
        self._peer: Peer | None = None
        self._peer_id = ""
        self._wanted: tuple[str, ...] | None = None
        self._worst_loss = 0.0

    def answer(self, command: OfferPeer) -> PeerAnswered:
        """Answer an offer. Raises MediaRefusal; a former peer is then untouched."""
        peer = self._peer
        if peer is not None and command.peer_id == self._peer_id and peer.state not in ("failed", "closed"):
            answered = self._ask(peer, command)
        else:
            peer, answered = self._open(command)
        self._agree(peer, answered)
        if command.video is not None:
            self._agree_video(peer, command.video)
        return PeerAnswered(sdp=answered.sdp, codec=answered.codecs[0].name)

    def _ask(self, peer: Peer, command: OfferPeer) -> PeerAnswer:
        sources = self._videos.leg(self.leg.leg_id).slot_sources if command.video is not None else None
        return peer.answer(command.sdp, command.codecs, self._settings.browser_opus, sources)

    def _agree_video(self, peer: Peer, tracks: dict[str, str]) -> None:
        assert peer.offer is not None
        video = self._videos.leg(self.leg.leg_id)
        video.cname = peer.cname
        video.agree(peer.offer.video.values(), tracks, peer)
        peer.other_types, peer.on_other = video.payload_types, video.receive
        self.leg.with_video = True
        self.leg.offload()
        self._videos.assign()

    def _receive_reports(self, packet: bytes, now_s: float) -> None:
        self.leg.receive_reports(packet, now_s)
        video = self._videos.legs.get(self.leg.leg_id)
        if video is not None:
            video.receive_reports(packet, now_s)

    def _open(self, command: OfferPeer) -> tuple[Peer, PeerAnswer]:
        leg = self.leg
        peer = self._port.open_peer(leg.receive, self._receive_reports, partial(self._on_state, command.peer_id))
        peer.ssrc = leg.sender.ssrc
        try:
            answered = self._ask(peer, command)
        except MediaRefusal:
            peer.close()
            raise
        self._peer, self._peer_id = peer, command.peer_id
        leg.attach(peer)
        return peer, answered

    def _agree(self, peer: Peer, answered: PeerAnswer) -> None:
        clocks = {payload_type: clock for clock, payload_type in peer.offer.events} if peer.offer is not None else {}
        event_type = answered.dtmf_payload_type
        self.leg.agree(
            Agreement(
                spoken=answered.codecs[0],
                codecs={codec.payload_type: codec for codec in answered.codecs},
                event_out=EventFormat(event_type, clocks[event_type]) if event_type is not None else None,
                events_in=clocks,
                far_sends=peer.direction.receives,
                far_receives=peer.direction.sends,
                wanted_ms=peer.offer.packet_ms if peer.offer is not None else 20,
            )
        )
        self._on_change()

    def _on_state(self, peer_id: str, state: str, detail: str) -> None:
        if peer_id != self._peer_id:
            return
        leg = self.leg
        was_connected, leg.silent = leg.connected, state == "silent"
        if state == "connected":
            leg.connected = True
            if not was_connected:
                self._on_event(PeerConnected(leg_id=leg.leg_id, peer_id=peer_id))
        elif state == "silent":
            self._on_event(LegSilent(leg_id=leg.leg_id, silent_s=self._settings.silent_after_s))
        elif state in ("lost", "failed"):
            leg.connected = False
            self._on_event(PeerLost(leg_id=leg.leg_id, peer_id=peer_id, detail=detail))
        self._on_change()

    def suggest(self, phone_codec: str, policy: Policy, *, roomy: bool) -> None:
        """Ask for a new offer where this browser had better speak another codec with this phone; once for each order of codecs.

        ``roomy``: this worker has plenty of room. A path that lost packets once may do so again: it stays a lossy one.
        """
        peer, agreement = self._peer, self.leg.agreement
        if peer is None or peer.offer is None or agreement is None:
            return
        over_g711 = self._settings.opus_over_g711
        self._worst_loss = max(self._worst_loss, self.leg.loss)
        conditions = Conditions(self._worst_loss if over_g711 != "never" else 0.0, headroom=roomy and over_g711 == "room")
        can = [codec.name for codec in peer.offer.codecs]
        order = reoffer(can, agreement.spoken.name, phone_codec, policy, conditions)
        if order is not None and order != self._wanted:
            self._wanted = order
            self._on_event(ReofferWanted(leg_id=self.leg.leg_id, codecs=order))
