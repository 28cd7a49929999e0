"""One leg's offers and answers: who announced what, and what both now agree to (RFC 3264)."""

from collections.abc import Callable
from dataclasses import replace

from pbx.sdp import NoCommonAudio, SessionDescription, audio_of, parse_sdp, renumbered, write_answer, write_offer
from rooms.audio import KNOWN_CODECS, Direction, RtpEndpoint


def direction_of(sends: bool, receives: bool) -> Direction:
    if sends:
        return Direction.SENDRECV if receives else Direction.SENDONLY
    return Direction.RECVONLY if receives else Direction.INACTIVE


class Negotiation:
    """``ours``: what we announce; ``theirs``: what the peer wants, its first codec the one spoken; ``held``: we hold the peer."""

    def __init__(self, session_id: int) -> None:
        self.session_id = session_id
        self.ours: RtpEndpoint | None = None
        self.theirs: RtpEndpoint | None = None
        self.held = False
        self._version = 0
        self._written = b""
        self._offer: SessionDescription | None = None

    def offer(self, ours: RtpEndpoint | None = None) -> bytes:
        """Our offer: what we announce, or the same as before with the direction that ``held`` wants."""
        announced = ours or self._same_codec()
        self.ours = replace(announced, direction=direction_of(announced.direction.sends if ours else True, not self.held))
        return self._numbered(lambda version: write_offer(self._announced(), self.session_id, version))

    def take_answer(self, body: bytes) -> RtpEndpoint:
        """The peer's answer to our offer. Raises ``BadSdp`` and ``NoCommonAudio``."""
        _, remote = audio_of(parse_sdp(body))
        assert self.ours is not None
        offered = {codec.name for codec in self.ours.codecs}
        codecs = tuple(codec for codec in remote.codecs if codec.name in offered)
        if not codecs:
            raise NoCommonAudio("The phone answered with a codec that was not offered to it.")
        self.theirs = replace(remote, codecs=codecs)
        return self.theirs

    def take_offer(self, body: bytes) -> RtpEndpoint:
        """The peer's offer; nothing is agreed until ``answer``. Raises ``BadSdp`` and ``NoCommonAudio``."""
        session = parse_sdp(body)
        _, remote = audio_of(session)
        self._offer = session
        return remote

    def answer(self, ours: RtpEndpoint) -> bytes:
        """Our answer to the offer last taken, with ``ours`` codecs cut to what was offered. Raises ``NoCommonAudio``."""
        assert self._offer is not None
        index, remote = audio_of(self._offer)
        cut = renumbered(ours, remote)
        direction = direction_of(remote.direction.receives, remote.direction.sends and not self.held)
        self.ours = replace(cut, direction=direction)
        spoken = {codec.name: codec for codec in remote.codecs}
        self.theirs = replace(remote, codecs=tuple(spoken[codec.name] for codec in cut.codecs))
        offer = self._offer
        return self._numbered(lambda version: write_answer(offer, index, self._announced(), self.session_id, version))

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
        spoken = self.theirs.codecs[0].name
        return replace(ours, codecs=tuple(codec for codec in ours.codecs if codec.name == spoken) or ours.codecs)

    def _announced(self) -> RtpEndpoint:
        assert self.ours is not None
        return self.ours

    def _numbered(self, write: Callable[[int], bytes]) -> bytes:
        """Written under the version last used where nothing changed, else under the next one (RFC 3264, section 8)."""
        if self._written and write(self._version) == self._written:
            return self._written
        self._version += 1
        self._written = write(self._version)
        return self._written
