"""Who hears whom in the emulated PBX: SIP phones, apps at route points, and people who are not real and hum or echo."""

from pbx.threecx.double.audio import LegAudio, Pcm, Voice, silence, tone
from pbx.threecx.double.directory import Directory, DnType
from pbx.threecx.double.legs import Leg

MAX_KEPT = 50
"""Of so many legs of route points it is remembered what was posted to them."""


class Sounds:
    """``audio``: by participant id, what apps posted to legs of route points, kept for a while after their end."""

    def __init__(self, directory: Directory) -> None:
        self.audio: dict[int, LegAudio] = {}
        self._directory = directory
        self._phones: dict[int, Pcm] = {}
        self._hums: dict[int, Voice] = {}

    def of(self, leg: Leg) -> LegAudio:
        """What is said and heard on a route point's leg."""
        if leg.id not in self.audio:
            while len(self.audio) >= MAX_KEPT:
                del self.audio[next(iter(self.audio))]
            self.audio[leg.id] = LegAudio(lambda: self.said_by(leg.other))
        return self.audio[leg.id]

    def said_by(self, leg: Leg | None) -> bytes:
        """The next 20 ms of whoever is there."""
        if leg is None or not leg.alive:
            return silence()
        if leg.id in self._phones:
            return self._phones[leg.id].pull()
        if leg.me.kind is DnType.ROUTE_POINT:
            return self.of(leg).waiting.pull()
        other = leg.other
        if other is not None and self._directory.reaction(leg.dn, leg.me.number).echo and self._is_real(other):
            return self.said_by(other)
        return self._hums.setdefault(leg.id, tone())()

    def _is_real(self, leg: Leg) -> bool:
        """Is somebody there who says something of their own?"""
        return leg.id in self._phones or leg.me.kind is DnType.ROUTE_POINT

    def phone_speaks(self, leg: Leg, voice: Pcm) -> None:
        """From now on the leg's sound is a SIP phone's."""
        self._phones[leg.id] = voice

    def phone_is_silent(self, leg: Leg) -> None:
        self._phones.pop(leg.id, None)

    def ended(self, leg: Leg) -> None:
        self._hums.pop(leg.id, None)

    def restart(self) -> None:
        """Participants are numbered anew."""
        for kept in (self.audio, self._phones, self._hums):
            kept.clear()
