"""Forwarding: packets of one leg go to another as they are, in the very call in which they arrive. No queue, no task, no decoding.

Theory. Two legs need no bridge when what one sends is what the other was promised: the same codec in both directions, both gains 1, no
sound played to either, neither voice in need of care, and neither an artificial far end that wants samples. Where one is muted, the other
direction is forwarded as before, and who hears nobody is sent silence. What a lossy leg says is mended for a phone, which may not conceal
at all; browsers do, and so does every decoder of Opus. The echo of the demo line is the same with one leg: its packets go back to itself.
``routes`` is the one place where that is decided.
"""

from collections.abc import Callable, Sequence

from media.leg import EventFormat, Leg
from media.rtp import RtpHeader


class Forwarding:
    """The way from one leg to ``target``, which may be the same leg."""

    def __init__(self, target: Leg) -> None:
        assert target.agreement is not None
        self.target = target
        self.agreement = target.agreement
        self._payload_type = target.agreement.spoken.payload_type
        self._event: EventFormat | None = target.agreement.event_out

    def audio(self, packet: bytes, header: RtpHeader, now_s: float) -> None:
        """One audio packet; it rests while we send a digit of our own to the target."""
        target = self.target
        if target.digits.busy:
            target.counters["dropped_for_digit"] += 1
            target.sender.interrupt()
            return
        self._pass(packet, header, self._payload_type, now_s)

    def event(self, packet: bytes, header: RtpHeader, clock_rate_hz: int, now_s: float) -> None:
        """One telephone event, under the target's payload type; left out without a gap where the target did not agree to any."""
        if self._event is None or self._event.clock_rate_hz != clock_rate_hz or self.target.digits.busy:
            self.omit()
            return
        self._pass(packet, header, self._event.payload_type, now_s)

    def omit(self) -> None:
        """A packet of the source is left out on purpose."""
        self.target.sender.omit()

    def _pass(self, packet: bytes, header: RtpHeader, payload_type: int, now_s: float) -> None:
        target = self.target
        passed = target.sender.forward(packet, header, payload_type, now_s)
        if passed is None:
            target.counters["dropped_late_at_switch"] += 1
            return
        target.counters["packets_forwarded"] += 1
        target.send(passed)


def routes(joined: Sequence[Leg], gain: Callable[[Leg, Leg], float]) -> list[tuple[Leg, Leg]] | None:
    """(source, target) pairs when these legs of a room can be forwarded, one pair where one is muted; None when they have to be mixed.

    ``gain(listener, speaker)`` is the room's matrix.
    """
    if len(joined) == 1 and joined[0].programme is None:
        return []  # nobody hears it, and it hears nobody
    if len(joined) != 2 or any(leg.sound is not None or leg.cared for leg in joined):
        return None
    first, second = joined
    pairs = [(source, target) for source, target in ((first, second), (second, first)) if gain(target, source)]
    if not pairs or any(gain(target, source) != 1.0 for source, target in pairs):
        return None
    real = [leg for leg in joined if leg.programme is None]
    artificial = [leg.programme for leg in joined if leg.programme is not None]
    if not real or any(not programme.echoes or len(pairs) == 1 for programme in artificial):
        return None
    pairs = pairs if not artificial else [(real[0], real[0])]
    return pairs if all(_passes(source, target) for source, target in pairs) else None


def _passes(source: Leg, target: Leg) -> bool:
    """Is what the source sends what the target was promised, and are both there? An absent side leaves the other one silence to hear."""
    if not (source.connected and target.connected) or source.silent or source.codec_in is None:
        return False
    if source.agreement is None or not source.agreement.far_sends or target.agreement is None:
        return False
    spoken = target.agreement.spoken
    if source.lossy and target.kind == "phone" and spoken.name != "opus":
        return False
    return (source.codec_in.name, source.codec_in.clock_rate) == (spoken.name, spoken.clock_rate)
