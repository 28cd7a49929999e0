"""One leg's offers and answers: who announced what, and what both now agree to (RFC 3264), keys of SRTP included (RFC 4568).

The media lines of a session keep their places for good (RFC 3264, section 8): one of them is the audio that is spoken, all others were
refused and stay so. A trunk that may encrypt offers the same audio twice, encrypted and plain, and the one who answers refuses one.
"""

import ipaddress
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from pbx.sdes import Crypto, OwnKeys, SrtpMode
from pbx.sdp import (
    AudioLine,
    MediaLine,
    NoCommonAudio,
    OurAudio,
    SessionDescription,
    audio_of,
    offered_events,
    parse_sdp,
    renumbered,
    write_sdp,
)
from rooms.audio import KNOWN_CODECS, Direction, RtpEndpoint, SrtpKeys

_FIRST_OFFER = {
    SrtpMode.OFF: ("RTP/AVP",),
    SrtpMode.OFFERED: ("RTP/SAVP", "RTP/AVP"),
    SrtpMode.REQUIRED: ("RTP/SAVP",),
}


def direction_of(sends: bool, receives: bool) -> Direction:
    if sends:
        return Direction.SENDRECV if receives else Direction.SENDONLY
    return Direction.RECVONLY if receives else Direction.INACTIVE


@dataclass(frozen=True, slots=True)
class _Taken:
    """An offer of the peer's, not answered yet, and what it would have us agree to."""

    session: SessionDescription
    line: AudioLine
    remote: RtpEndpoint
    own_keys: OwnKeys


class Negotiation:
    """``ours``: what we announce; ``theirs``: what the peer wants, its first codec the one spoken; ``held``: we hold the peer.

    ``order``: names of the codecs that may be spoken, the one wanted most first; empty: those that each call wants. ``comfort_noise``: ask
    for it. ``draw(octets)`` gives the random octets of our keys.
    """

    def __init__(
        self,
        session_id: int,
        srtp: SrtpMode = SrtpMode.OFF,
        order: tuple[str, ...] = (),
        *,
        comfort_noise: bool = False,
        draw: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.session_id = session_id
        self.ours: RtpEndpoint | None = None
        self.theirs: RtpEndpoint | None = None
        self.held = False
        self._srtp = srtp
        self._order = order
        self._comfort_noise = comfort_noise
        self._version = 0
        self._written = b""
        self._own_keys = OwnKeys(draw)
        self._place: tuple[str, int] | None = None
        self._taken: _Taken | None = None
        self._offered: tuple[OurAudio | MediaLine, ...] = ()
        self._lines: tuple[OurAudio | MediaLine, ...] = ()
        """How every later description of ours is laid out; empty until one was agreed."""

    def offer(self, ours: RtpEndpoint | None = None) -> bytes:
        """Our offer: what we announce, or the same as before with the direction that ``held`` wants."""
        announced = self._first_announced(ours) if ours else self._same_codec()
        self.ours = replace(announced, direction=direction_of(announced.direction.sends if ours else True, not self.held))
        self._offered = self._lines or tuple(self._first_line(protocol) for protocol in _FIRST_OFFER[self._srtp])
        return self._write(self._offered)

    def plain_offer(self) -> bytes:
        """Our first offer in clear alone, for who refused the one that had it encrypted too; empty where that is no way out."""
        if self._srtp is not SrtpMode.OFFERED or self._lines or len(self._offered) < 2:
            return b""
        self._offered = (self._first_line("RTP/AVP"),)
        return self._write(self._offered)

    def take_answer(self, body: bytes) -> RtpEndpoint:
        """The peer's answer to our offer. Raises ``BadSdp`` and ``NoCommonAudio``."""
        assert self.ours is not None
        ours = [line for line in self._offered if isinstance(line, OurAudio)]
        line = audio_of(parse_sdp(body), self._srtp, keys_on_plain=any(mine.crypto for mine in ours if "SAVP" not in mine.protocol))
        offered = {codec.name for codec in self.ours.codecs}
        codecs = tuple(codec for codec in line.endpoint.codecs if codec.name in offered)
        if not codecs:
            raise NoCommonAudio("The phone answered with a codec that was not offered to it.")
        keys = [crypto for mine in ours for crypto in mine.crypto if line.crypto and crypto.key.suite == line.crypto.key.suite]
        if line.crypto is not None and not keys:
            raise NoCommonAudio("The phone answered with a key for a cipher suite that was not offered to it.")
        chosen = next((mine for mine in ours if bool(mine.crypto) == bool(keys)), ours[0])
        self._lines = tuple(self._kept(mine, chosen, tuple(keys[:1])) for mine in self._offered)
        srtp = SrtpKeys(keys[0].key, line.crypto.key) if line.crypto is not None else None
        mux = line.endpoint.rtcp_mux and self.ours.rtcp_mux
        return self._agreed(replace(line.endpoint.speaking(codecs), srtp=srtp, rtcp_mux=mux))

    def take_offer(self, body: bytes) -> RtpEndpoint:
        """The peer's offer; nothing is agreed until ``answer``. Raises ``BadSdp`` and ``NoCommonAudio``."""
        session = parse_sdp(body)
        line = audio_of(session, self._srtp)
        remote = self._in_order(line.endpoint)
        own_keys = self._own_keys.renewed() if self._moves(line.endpoint) else self._own_keys
        srtp = SrtpKeys(own_keys.of(line.crypto.key.suite), line.crypto.key) if line.crypto is not None else None
        self._taken = _Taken(session, line, replace(remote, srtp=srtp) if srtp is not None else remote, own_keys)
        return self._taken.remote

    def _moves(self, remote: RtpEndpoint) -> bool:
        """Is it another place than before? A hold that names no address (RFC 2543) is none."""
        place = (remote.host, remote.port)
        return self._place is not None and place != self._place and not ipaddress.ip_address(remote.host).is_unspecified

    def _agreed(self, remote: RtpEndpoint) -> RtpEndpoint:
        self.theirs = remote
        if not ipaddress.ip_address(remote.host).is_unspecified:
            self._place = (remote.host, remote.port)
        return remote

    def answer(self, ours: RtpEndpoint) -> bytes:
        """Our answer to the offer last taken, with ``ours`` codecs cut to what was offered. Raises ``NoCommonAudio``."""
        assert self._taken is not None
        taken = self._taken
        line, remote = taken.line, taken.remote
        direction = direction_of(remote.direction.receives, remote.direction.sends and not self.held)
        cut = self.ours = renumbered(ours, remote, direction=direction, comfort_noise=self._comfort_noise)
        spoken = {codec.name: codec for codec in remote.codecs}
        agreed = remote.speaking(tuple(spoken[codec.name] for codec in cut.codecs))
        self._agreed(agreed if agreed.rtcp_mux == cut.rtcp_mux else replace(agreed, rtcp_mux=cut.rtcp_mux))
        self._own_keys = taken.own_keys
        crypto = (Crypto(line.crypto.tag, remote.srtp.sent),) if line.crypto is not None and remote.srtp is not None else ()
        media = taken.session.media
        self._lines = tuple(OurAudio(line.protocol, crypto) if index == line.index else other for index, other in enumerate(media))
        return self._write(self._lines)

    def answer_again(self, body: bytes) -> tuple[bytes, RtpEndpoint, bool]:
        """Answer a later offer by ourselves: the codec now spoken where it is still offered, else the peer's first that we know.

        Returns our answer, what is agreed now, and whether that differs from before. Raises ``BadSdp`` and ``NoCommonAudio``; then
        what was agreed stays.
        """
        remote = self.take_offer(body)
        before = self.theirs
        spoken = before.codecs[0].name if before is not None else ""
        names = [codec.name for codec in remote.codecs]
        chosen = spoken if spoken in names else names[0]
        assert self.ours is not None
        written = self.answer(replace(self.ours, codecs=(KNOWN_CODECS[chosen],)))
        assert self.theirs is not None
        return written, self.theirs, self.theirs != before

    def _same_codec(self) -> RtpEndpoint:
        """What we announced, cut to the codec now spoken: holding a call is no occasion to change it."""
        ours = self._announced()
        if self.theirs is None:
            return ours
        spoken, number = self.theirs.codecs[0].name, self.theirs.dtmf_payload_type
        codecs = tuple(codec for codec in ours.codecs if codec.name == spoken) or ours.codecs
        events = tuple(event for event in ours.events if event[0] == number)
        return replace(ours, codecs=codecs, events=events)

    def _first_announced(self, ours: RtpEndpoint) -> RtpEndpoint:
        codecs = tuple(KNOWN_CODECS[name] for name in self._order) or ours.codecs
        announced = replace(ours, codecs=codecs, comfort_noise=self._comfort_noise)
        return replace(announced, events=offered_events(announced))

    def _in_order(self, remote: RtpEndpoint) -> RtpEndpoint:
        """What the peer offers, cut to what this line speaks, and in its order. Raises ``NoCommonAudio``."""
        if not self._order:
            return remote
        offered = {codec.name: codec for codec in reversed(remote.codecs)}
        codecs = tuple(offered[name] for name in self._order if name in offered)
        if not codecs:
            raise NoCommonAudio(f"The phone offers none of the codecs that this line speaks ({', '.join(self._order)}).")
        return replace(remote.speaking(codecs), preferred=self._order)

    def _first_line(self, protocol: str) -> OurAudio:
        return OurAudio(protocol, self._own_keys.offer() if protocol == "RTP/SAVP" else ())

    def _kept(self, mine: OurAudio | MediaLine, chosen: OurAudio, keys: tuple[Crypto, ...]) -> OurAudio | MediaLine:
        """A line of our offer after its answer: the one taken with the key that was chosen, the others refused."""
        if not isinstance(mine, OurAudio):
            return mine
        if mine is chosen:
            return replace(mine, crypto=keys)
        formats = tuple(str(codec.payload_type) for codec in self._announced().codecs)
        return MediaLine("audio", 0, mine.protocol, formats, None, ())

    def _announced(self) -> RtpEndpoint:
        assert self.ours is not None
        return self.ours

    def _write(self, lines: tuple[OurAudio | MediaLine, ...]) -> bytes:
        """Written under the version last used where nothing changed, else under the next one (RFC 3264, section 8)."""

        def written(version: int) -> bytes:
            return write_sdp(lines, self._announced(), self.session_id, version)

        if self._written and written(self._version) == self._written:
            return self._written
        self._version += 1
        self._written = written(self._version)
        return self._written
