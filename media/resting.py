"""Legs that hear nobody and are sent the same packet of silence at every tick, without asking their rooms or their encoders.

A caller who waits for an agent's microphone, or whom everybody else has left, costs one call into the packet path per packet.
"""

from collections.abc import Callable
from typing import NamedTuple

from media.sender import RtpSender


class Silence(NamedTuple):
    """The next frame of a stream at any tick: ``send`` as ``media.transport.Transport.send_frame``."""

    send: Callable[[RtpSender, bytes, int, float, bool], None]
    sender: RtpSender
    payload: bytes
    payload_type: int


class Resting:
    """Of a worker. ``counters`` are those of its legs (``media.leg.COUNTERS``)."""

    def __init__(self, counters: dict[str, int]) -> None:
        self._counters = counters
        self._legs: dict[str, Silence] = {}

    def put(self, leg_id: str, silence: Silence) -> None:
        """From the next tick on."""
        self._legs[leg_id] = silence

    def remove(self, leg_id: str) -> None:
        del self._legs[leg_id]

    def send(self, tick_s: float) -> None:
        """20 ms for each; ``tick_s`` is the scheduled time."""
        for send, sender, payload, payload_type in self._legs.values():
            send(sender, payload, payload_type, tick_s, False)
        self._counters["packets_mixed"] += len(self._legs)
        self._counters["packets_out"] += len(self._legs)
