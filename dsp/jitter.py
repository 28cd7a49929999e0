"""Jitter buffer of one stream: packets in as they arrive, out by the clock. Pure: the times are arguments.

The playhead is a position on the sender's timestamp axis that moves on by exactly what is played, packet there or not. So a loss costs
its own length and can never raise the delay, a pause of the sender (DTX) is no loss, and packet times of any length, even mixed, need
no special case. The delay of a packet is counted from the fastest packet of the last ten seconds, which also absorbs clock drift:

    transit = arrival - timestamp / clock        base = least transit of 10 s        level = least transit of 120 ms
    on time  <=>  transit - base <= delay        delay = now - base - playhead / clock, when the packet is wanted

**Target.** ``(level - base) + rising + margin``. The level follows queues that fill and drain (slow swings, clocks that differ), at once
and in both directions; ``rising``, its growth in 120 ms, is for where it will be next. The margin is where the E-model's rating would be
best: a histogram of how far packets come behind the level before them, forgetting over six seconds, says how much would be late, and late
packets cost rating as delay itself does. What stands still for longer is behind the level with its first packet only and so hardly moves
the margin. The playhead is brought to the target by its owner, who shortens or lengthens the sound (``excess_s``), and by standing still or
jumping where nothing is played anyway.

**Going back.** Where nothing has come, the playhead runs on blindly, as it would over a loss. When a packet comes for the blind stretch
after all, it was not lost but late, and nothing behind it has been played: the playhead goes back to it. The delay grows by that much
at once and is worn down again. Only what would be more than ``keep_s`` behind the target is given up.

Far off the axis, packets are believed only when they agree: two in a row from ahead (timestamps jumped), or a run of late ones that
lasts 200 ms (the path has become slower). Then the axis is laid anew.
"""

import math
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import exact_kernel
from dsp.mos import CODECS, delay_impairment

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class JitterSettings:
    """``start_s``: delay before anything is known. ``path_s``: delay outside the buffer that the rating is to assume."""

    start_s: float = 0.04
    lowest_s: float = 0.02
    highest_s: float = 0.5
    capacity_packets: int = 100
    memory_packets: float = 300.0
    path_s: float = 0.08
    keep_s: float = 0.25
    """An excess over the target that is brought back bit by bit, unheard; what is older is given up."""
    calm_s: float = 0.05
    """An excess from which holes are shortened."""
    hold_s: float = 0.005
    """A deficit from which the playhead stands still while there is nothing to play; less may be an early tick."""
    late_run_s: float = 0.2
    ahead_s: float = 0.3


class Packet(NamedTuple):
    """``sequence`` and ``timestamp`` are unwrapped, ``duration`` and ``skip`` count clock ticks; the first ``skip`` came too late."""

    sequence: int
    timestamp: int
    duration: int
    payload: bytes
    skip: int = 0


class Missing(Enum):
    """Why there is nothing at the playhead. WAITING: playing has not begun. LOST: a later packet shows a hole in the sequence.
    PAUSED: a later packet shows none (DTX). EMPTY: no later packet is here, it may be any."""

    WAITING = auto()
    LOST = auto()
    PAUSED = auto()
    EMPTY = auto()


class Gap(NamedTuple):
    """``duration`` ticks have no sound. ``following`` is the next packet that is here already, ``distance`` ticks from their beginning."""

    reason: Missing
    duration: int
    following: Packet | None = None
    distance: int = 0


@dataclass(slots=True)
class JitterCounters:
    """Packets by fate. ``discarded`` are late ones, those pushed out by overflow, and those jumped over.

    In ticks: how far the playhead stood still (``held``) or went back (``returned``), which raises the delay, and jumped (``skipped``).
    """

    received: int = 0
    discarded: int = 0
    duplicated: int = 0
    held_ticks: int = 0
    returned_ticks: int = 0
    skipped_ticks: int = 0
    resynchronised: int = 0


_BIN_S = 0.005
_EPOCH_S, _EPOCHS = 0.5, 20
_LEVEL_S, _LEVEL_MOST = 0.12, 64
_RISING_MOST_S = 0.05
_STEPS_PER_S = 50  # what is not there is passed over in steps of 20 ms at most
_MARGIN_EVERY = 10  # packets
_LOSS_CEILING, _BPL = CODECS["pcma"].scale.loss_ceiling, CODECS["pcma"].bpl
_RATING_PER_S = 24.0  # R lost per second of delay below the knee (Cole and Rosenbluth's line; G.107 itself is flat there)


# What a buffer knows of its packets' times, in one array: settings and margin stay when the axis is laid anew, what is counted goes.
_MEMORY, _LOWEST, _HIGHEST, _MARGIN, _COUNTED = range(5)
_BASE, _WEIGHT, _UNTIL_MARGIN, _KNOWN_MINIMA, _KNOWN_LATELY, _MINIMA = range(_COUNTED, _COUNTED + 6)
_LATELY = _MINIMA + 2 * _EPOCHS  # (arrival, transit), both rising; behind the minima (epoch, transit)
_LATE = _LATELY + 2 * _LEVEL_MOST


class JitterBuffer:
    def __init__(self, clock_hz: int, settings: JitterSettings | None = None, *, floor_s: float = 0.0) -> None:
        """``floor_s`` raises the lowest delay, for codecs that need the next packet to mend a lost one."""
        self.settings = settings or JitterSettings()
        self.clock_hz = clock_hz
        self.counters = JitterCounters()
        self._lowest_s = max(self.settings.lowest_s, floor_s)
        self._cost = _delay_cost(self.settings)
        self.reset()

    def reset(self) -> None:
        """Forget the stream (a new SSRC); the counters go on."""
        self._packets: dict[int, Packet] = {}
        self._highest: tuple[int, int] | None = None
        self._playhead: int | None = None
        self._playing = False
        self._played: deque[int] = deque(maxlen=64)
        self._played_most = -(1 << 62)
        self._frame = self.clock_hz // _STEPS_PER_S
        self._blind = 0  # ticks before the playhead that were passed with nothing there
        self._late_since: float | None = None
        self._suspect: tuple[int, float] | None = None
        self.target_s = max(self._lowest_s, self.settings.start_s)
        self._statistics = np.zeros(_LATE + len(self._cost) + 1)
        self._statistics[:_COUNTED] = self.settings.memory_packets, self._lowest_s, self.settings.highest_s, self.target_s
        self._lay_axis()

    def put(self, sequence: int, timestamp: int, duration: int, payload: bytes, arrival_s: float) -> None:
        """Take a packet in: ``sequence`` 16 bits, ``timestamp`` 32 bits, ``duration`` in ticks (> 0)."""
        self.counters.received += 1
        packet = self._unwrap(sequence, timestamp, duration, payload)
        if packet.timestamp in self._packets or (packet.sequence <= self._played_most and packet.sequence in self._played):
            self.counters.duplicated += 1
            return
        transit_s = arrival_s - packet.timestamp / self.clock_hz
        if self._is_stray(packet, transit_s):
            return
        self._observe(transit_s, arrival_s)
        self._frame = duration
        if self._playhead is None or (not self._playing and packet.timestamp < self._playhead):
            self._playhead = packet.timestamp
        if packet.timestamp + duration <= self._playhead and not (
            self._may_return(packet, arrival_s) or self._follow_late(packet, arrival_s)
        ):
            self.counters.discarded += 1
            return
        self._late_since = None
        self._packets[packet.timestamp] = packet
        if len(self._packets) > self.settings.capacity_packets:
            del self._packets[min(self._packets)]
            self.counters.discarded += 1

    def take(self, now_s: float) -> Packet | Gap:
        """What is at the playhead, which moves on behind it. Call it when the sound taken before does not last for the coming tick."""
        if self._playhead is None:
            return Gap(Missing.WAITING, self.clock_hz // _STEPS_PER_S)
        if self._blind and self._packets:
            self._return(now_s)
        excess_s = self.delay_s(now_s) - self.target_s
        if not self._playing:
            if excess_s < -self.settings.hold_s:
                return Gap(Missing.WAITING, self.clock_hz // _STEPS_PER_S)
            self._playing = True
        if excess_s > self.settings.keep_s + self.settings.calm_s:
            self._skip(round((excess_s - self.settings.keep_s) * self.clock_hz))
            excess_s = self.settings.keep_s
        packet = self._packets.pop(self._playhead, None)
        return self._taken(packet) if packet is not None else self._gap(excess_s)

    def idles(self, now_s: float, ticks: int) -> bool:
        """In the usual case of a long pause, nothing here and the delay as it should be: what ``take`` does where so many empty ticks are
        all that it has to tell. False: nothing was done."""
        playhead, settings = self._playhead, self.settings
        if self._packets or playhead is None or not self._playing or ticks != min(self._frame, self.clock_hz // _STEPS_PER_S):
            return False
        if not -settings.hold_s < now_s - self.base_s - playhead / self.clock_hz - self.target_s <= settings.calm_s:
            return False
        self._playhead = playhead + ticks
        self._blind += ticks
        return True

    def begin(self) -> list[Packet]:
        """Playing begins right behind what is here, because that was heard another way; returns it, in order."""
        heard = [self._packets[timestamp] for timestamp in sorted(self._packets)]
        self._packets.clear()
        for packet in heard:
            self._taken(packet)
        self._playing = self._playing or bool(heard)
        return heard

    def delay_s(self, now_s: float, pending_ticks: int = 0) -> float:
        """How late the sound at the playhead is, taken now, behind the fastest packet's arrival; 0 before the first packet.

        With ``pending_ticks`` of earlier sound still to be played: how late the sound is played that comes next.
        """
        if self._playhead is None:
            return 0.0
        return now_s - self.base_s - (self._playhead - pending_ticks) / self.clock_hz

    def excess_s(self, now_s: float, taken_ticks: int) -> float:
        """Time in hand, beyond the target, when the ``taken_ticks`` before the playhead were taken just now."""
        return self.delay_s(now_s, taken_ticks) - self.target_s

    @property
    def playhead(self) -> int | None:
        """The timestamp, without wrap-around, of what is played next; None before the first packet."""
        return self._playhead

    def __len__(self) -> int:
        return len(self._packets)

    # -- packets in

    def _unwrap(self, sequence: int, timestamp: int, duration: int, payload: bytes) -> Packet:
        """Numbers without wrap-around, by the nearest reading to the highest so far (RFC 3550, A.1)."""
        if self._highest is not None:
            highest_sequence, highest_timestamp = self._highest
            sequence = highest_sequence + ((sequence - highest_sequence + 0x8000) & 0xFFFF) - 0x8000
            timestamp = highest_timestamp + ((timestamp - highest_timestamp + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        if self._highest is None or sequence > self._highest[0]:
            self._highest = (sequence, timestamp)
        return Packet(sequence, timestamp, duration, payload)

    def _is_stray(self, packet: Packet, transit_s: float) -> bool:
        """A packet from far ahead of its time waits for a second one that agrees; the first of the two is given up."""
        if self._playhead is None or transit_s - self.base_s > -self.settings.ahead_s:
            self._suspect = None
            return False
        suspect, self._suspect = self._suspect, (packet.sequence, transit_s)
        if suspect is None or packet.sequence != suspect[0] + 1 or abs(transit_s - suspect[1]) > 0.1:
            self.counters.discarded += 1
            return True
        self._suspect = None
        self._resynchronise(packet)
        return False

    def _may_return(self, packet: Packet, arrival_s: float) -> bool:
        """A packet behind the playhead: has nothing behind it been played, and is it not too old to be heard?"""
        assert self._playhead is not None
        if packet.timestamp < self._playhead - self._blind:
            return False
        return arrival_s - self.base_s - packet.timestamp / self.clock_hz <= self.target_s + self.settings.keep_s

    def _follow_late(self, packet: Packet, arrival_s: float) -> bool:
        """A packet behind the playhead: has everything been late for so long that the path must have changed?"""
        if self._late_since is None:
            self._late_since = arrival_s
        if arrival_s - self._late_since < self.settings.late_run_s:
            return False
        self._resynchronise(packet)
        self._observe(arrival_s - packet.timestamp / self.clock_hz, arrival_s)
        return True

    def _resynchronise(self, packet: Packet) -> None:
        self.counters.resynchronised += 1
        self.counters.discarded += len(self._packets)
        self._packets.clear()
        self._late_since = None
        self._blind = 0
        self._lay_axis()
        self._playhead = packet.timestamp - round(self.target_s * self.clock_hz)

    # -- packets out

    def _taken(self, packet: Packet) -> Packet:
        self._playhead = packet.timestamp + packet.duration
        self._blind = 0
        self._played.append(packet.sequence)
        if packet.sequence > self._played_most:
            self._played_most = packet.sequence
        return packet

    def _return(self, now_s: float) -> None:
        """Back to the first packet of the blind stretch that is not too old; older ones are given up."""
        assert self._playhead is not None
        most_s = max(self.target_s + self.settings.keep_s, self.delay_s(now_s))
        oldest = (now_s - self.base_s - most_s) * self.clock_hz
        while self._packets and (first := min(self._packets)) < self._playhead:
            if first >= oldest:
                self.counters.returned_ticks += self._playhead - first
                self._playhead, self._blind = first, 0
                return
            del self._packets[first]
            self.counters.discarded += 1

    def _gap(self, excess_s: float) -> Packet | Gap:
        """Nothing begins at the playhead: a packet that began before it, a hole before the next one, or nothing at all."""
        assert self._playhead is not None
        if not self._packets:
            return self._run_blind(excess_s)
        following = self._packets[min(self._packets)]
        if following.timestamp < self._playhead:
            del self._packets[following.timestamp]
            if following.timestamp + following.duration <= self._playhead:
                self.counters.discarded += 1
                return self._gap(excess_s)
            skip = self._playhead - following.timestamp
            return self._taken(Packet(following.sequence, following.timestamp, following.duration, following.payload, skip))
        hole = following.timestamp - self._playhead
        duration = min(self._frame, hole)
        if hole > duration and excess_s > self.settings.calm_s:
            spared = min(hole - duration, round(excess_s * self.clock_hz))
            self.counters.skipped_ticks += spared
            self._playhead += spared
            hole -= spared
        paused = bool(self._played) and following.sequence == self._played[-1] + 1
        held = self._held(duration, excess_s) if paused else 0
        self._playhead += duration - held
        self._blind = 0
        if held:
            return Gap(Missing.PAUSED, duration)
        return Gap(Missing.PAUSED if paused else Missing.LOST, duration, following, hole)

    def _run_blind(self, excess_s: float) -> Gap:
        """No packet is here. The delay comes to its target meanwhile: nothing is lost by it, for the playhead can still go back."""
        assert self._playhead is not None
        step = min(self._frame, self.clock_hz // _STEPS_PER_S)
        moved = step - self._held(step, excess_s)
        if excess_s > self.settings.calm_s:
            moved += round(excess_s * self.clock_hz)
            self.counters.skipped_ticks += moved - step
        self._playhead += moved
        self._blind += moved
        return Gap(Missing.EMPTY, step)

    def _held(self, step: int, excess_s: float) -> int:
        """For how much of a step without sound the playhead stands still, so that the delay grows to its target."""
        held = min(step, round(-excess_s * self.clock_hz)) if excess_s <= -self.settings.hold_s else 0
        self.counters.held_ticks += held
        return held

    def _skip(self, ticks: int) -> None:
        """Jump the playhead ahead; what lies before it is given up."""
        assert self._playhead is not None
        self._playhead += ticks
        self.counters.skipped_ticks += ticks
        for timestamp in [t for t, packet in self._packets.items() if t + packet.duration <= self._playhead]:
            del self._packets[timestamp]
            self.counters.discarded += 1

    # -- delay statistics

    def _lay_axis(self) -> None:
        self.base_s = math.inf
        self._statistics[_COUNTED:] = 0.0
        self._statistics[_WEIGHT] = 1.0
        self._statistics[_UNTIL_MARGIN] = _MARGIN_EVERY

    def _observe(self, transit_s: float, arrival_s: float) -> None:
        """Count one arrival in base, level and histogram, and set the target."""
        self.base_s, self.target_s = _observed(self._statistics, self._cost, transit_s, arrival_s)


@exact_kernel
def _observed(statistics: Numbers, cost: Numbers, transit_s: float, arrival_s: float) -> tuple[float, float]:
    """Count one arrival; the base and the target from now on."""
    epoch = int(arrival_s / _EPOCH_S)
    minima = statistics[_MINIMA : _MINIMA + 2 * _EPOCHS].reshape((_EPOCHS, 2))
    known = int(statistics[_KNOWN_MINIMA])
    if not known or minima[known - 1, 0] != epoch:
        if known == _EPOCHS:
            known -= 1
            for k in range(known):
                minima[k] = minima[k + 1]
        minima[known, 0], minima[known, 1] = epoch, transit_s
        statistics[_KNOWN_MINIMA] = known + 1
        base_s = np.inf
        for k in range(known + 1):
            if minima[k, 0] > epoch - _EPOCHS:
                base_s = min(base_s, minima[k, 1])
        statistics[_BASE] = base_s
    elif transit_s < minima[known - 1, 1]:
        minima[known - 1, 1] = transit_s
        statistics[_BASE] = min(statistics[_BASE], transit_s)
    lately = statistics[_LATELY : _LATELY + 2 * _LEVEL_MOST].reshape((_LEVEL_MOST, 2))
    count = int(statistics[_KNOWN_LATELY])
    behind_s = max(0.0, transit_s - _level(lately, count, arrival_s)) if count else 0.0
    while count and lately[count - 1, 1] >= transit_s:
        count -= 1
    first = 1 if count == _LEVEL_MOST else 0
    while first < count and lately[first, 0] < arrival_s - 2 * _LEVEL_S:
        first += 1
    for k in range(count - first):
        lately[k] = lately[k + first]
    count -= first
    lately[count, 0], lately[count, 1] = arrival_s, transit_s
    count += 1
    statistics[_KNOWN_LATELY] = count
    late = statistics[_LATE:]
    late[min(int(behind_s / _BIN_S), len(cost))] += statistics[_WEIGHT]
    statistics[_WEIGHT] *= 1.0 + 1.0 / statistics[_MEMORY]
    statistics[_UNTIL_MARGIN] -= 1.0
    if statistics[_UNTIL_MARGIN] == 0.0:
        statistics[_UNTIL_MARGIN] = _MARGIN_EVERY
        best_s = (_least_cost(late, statistics[_WEIGHT], cost) + 1) * _BIN_S
        statistics[_WEIGHT] = 1.0
        statistics[_MARGIN] = min(statistics[_HIGHEST], max(statistics[_LOWEST], best_s))
    level_s = _level(lately, count, arrival_s)
    rising_s = min(_RISING_MOST_S, level_s - lately[0, 1])
    target_s: float = min(statistics[_HIGHEST], statistics[_MARGIN] + level_s - statistics[_BASE] + rising_s)
    base: float = statistics[_BASE]
    return base, target_s


@exact_kernel
def _level(lately: Numbers, count: int, arrival_s: float) -> float:
    """The least transit of the last 120 ms, or of the last packet where none came in that time."""
    for k in range(count):
        if lately[k, 0] >= arrival_s - _LEVEL_S:
            count = k + 1
            break
    transit_s: float = lately[count - 1, 1]
    return transit_s


@exact_kernel
def _least_cost(late: Numbers, weight: float, cost: Numbers) -> int:
    """The bin with the least loss of rating by delay and loss over the level; bin k is on time when that is (k + 1) bins.

    ``late`` is brought to a weight of 1 in place.
    """
    arrived = 0.0
    for k in range(len(late)):
        late[k] /= weight
        arrived += late[k]
    best, least, so_far = 0, np.inf, 0.0
    for k in range(len(cost)):
        so_far += late[k]
        late_percent = 100.0 * (1.0 - so_far / arrived)
        here = cost[k] + _LOSS_CEILING * late_percent / (late_percent + _BPL)
        if here < least:
            best, least = k, here
    return best


def _delay_cost(settings: JitterSettings) -> Numbers:
    """Loss of rating by the delay of each bin."""
    delays_s = (np.arange(round(settings.highest_s / _BIN_S)) + 1) * _BIN_S
    return np.array([delay_impairment(1000 * (d + settings.path_s)) + _RATING_PER_S * d for d in delays_s])
