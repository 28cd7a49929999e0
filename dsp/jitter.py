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

**Many at once.** What the buffers of all streams know lies in arrays, a row each (``JitterBuffers``), so that kernels of whoever owns the
streams take all packets of a tick in, and out, in one call (``put_one``, ``take_one``, ``idles_one``). ``JitterBuffer`` is one row, for
those who take one packet at a time; both may take turns.

Far off the axis, packets are believed only when they agree: two in a row from ahead (timestamps jumped), or a run of late ones that
lasts 200 ms (the path has become slower). Then the axis is laid anew.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import exact_kernel
from dsp.mos import CODECS, delay_impairment

Numbers = NDArray[np.float64]
Integers = NDArray[np.int64]
Bytes = NDArray[np.uint8]
LONGEST_PAYLOAD_BYTES = 1_500
"""An Ethernet frame holds no more."""


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


# What was taken, as kernels tell it. Of a packet, ``AT`` is where its payload lies; of a gap, ``WHY`` is there nothing, and ``FOLLOWING``
# where the next packet lies, or -1.
NOTHING, PACKET, GAP = range(3)
KIND, SEQUENCE, TIMESTAMP, DURATION, SKIP, AT, WHY, FOLLOWING, DISTANCE, TAKEN = range(10)
_WAITING, _LOST, PAUSED, EMPTY = (int(reason.value) for reason in Missing)

# columns of Buffers.counts
_CLOCK_HZ, _RECEIVED, _DISCARDED, _DUPLICATED, _HELD, _RETURNED, _SKIPPED, _RESYNCHRONISED, _STREAM = range(9)
(
    _HERE,
    _KNOWN,
    _HIGHEST_SEQUENCE,
    _HIGHEST_TIMESTAMP,
    _BEGUN,
    _PLAYHEAD,
    _PLAYING,
    _FRAME,
    _BLIND,
    _SUSPECTED,
    _SUSPECT,
    _PLAYED,
    _PLAYED_MOST,
) = range(_STREAM, _STREAM + 13)
_COUNTS = _STREAM + 13
# columns of Buffers.times, in seconds
_TARGET, _LATE_SINCE, _SUSPECT_TRANSIT = range(3)
# columns of Buffers.packets
_SEQUENCE, _TIMESTAMP, _DURATION, _SIZE = range(4)
_REMEMBERED = 64
_NEVER = -(1 << 62)


class Buffers(NamedTuple):
    """Per row: ``counts`` and ``times`` of the stream, ``statistics`` of its delays, the numbers of the packets ``played`` lately.

    Of the ``packets`` that are here, and their ``payloads``, ``order`` tells the places: the first ``_HERE`` by their timestamps, then the
    free ones.
    """

    counts: Integers
    times: Numbers
    statistics: Numbers
    played: Integers
    order: Integers
    packets: Integers
    payloads: Bytes


class Rules(NamedTuple):
    """Settings that the kernels need, in seconds, and the ``cost`` of each bin of delay."""

    keep_s: float
    calm_s: float
    hold_s: float
    late_run_s: float
    ahead_s: float
    cost: Numbers


class JitterBuffers:
    """``rows`` streams under the same settings."""

    def __init__(self, rows: int, settings: JitterSettings | None = None) -> None:
        self.settings = settings or JitterSettings()
        packets, cost = self.settings.capacity_packets, _delay_cost(self.settings)
        self.rules = Rules(
            self.settings.keep_s, self.settings.calm_s, self.settings.hold_s, self.settings.late_run_s, self.settings.ahead_s, cost
        )
        self.state = Buffers(
            counts=np.zeros((rows, _COUNTS), np.int64),
            times=np.zeros((rows, 3)),
            statistics=np.zeros((rows, _LATE + len(cost) + 1)),
            played=np.zeros((rows, _REMEMBERED), np.int64),
            order=np.zeros((rows, packets), np.int64),
            packets=np.zeros((rows, packets, 4), np.int64),
            payloads=np.zeros((rows, packets, LONGEST_PAYLOAD_BYTES), np.uint8),
        )


class JitterBuffer:
    def __init__(
        self,
        clock_hz: int,
        settings: JitterSettings | None = None,
        *,
        floor_s: float = 0.0,
        buffers: JitterBuffers | None = None,
        row: int = 0,
    ) -> None:
        """``floor_s`` raises the lowest delay, for codecs that need the next packet to mend a lost one. ``row`` of ``buffers`` that many
        share, from its beginning; its settings are theirs."""
        self._all = buffers or JitterBuffers(1, settings)
        self.settings, self.clock_hz = self._all.settings, clock_hz
        self._row, self._state = row, self._all.state
        self._own: tuple[Any, ...] = (
            *(part[row : row + 1] for part in self._state),
            *self._all.rules,
        )  # numba takes arrays faster than tuples of them
        self._counts, self._times, self._statistics = self._state.counts[row], self._state.times[row], self._state.statistics[row]
        self._lowest_s = max(self.settings.lowest_s, floor_s)
        self._found = np.zeros(TAKEN, np.int64)
        self._counts[:] = 0
        self._counts[_CLOCK_HZ] = clock_hz
        self.reset()

    def reset(self) -> None:
        """Forget the stream (a new SSRC); the counters go on."""
        self._counts[_STREAM:] = 0
        self._counts[_FRAME], self._counts[_PLAYED_MOST] = self.clock_hz // _STEPS_PER_S, _NEVER
        self._state.order[self._row] = np.arange(self.settings.capacity_packets)
        self._times[:] = max(self._lowest_s, self.settings.start_s), np.nan, np.nan
        self._statistics[:_COUNTED] = self.settings.memory_packets, self._lowest_s, self.settings.highest_s, self.target_s
        _lay_axis(self._statistics)

    def put(self, sequence: int, timestamp: int, duration: int, payload: bytes, arrival_s: float) -> None:
        """Take a packet in: ``sequence`` 16 bits, ``timestamp`` 32 bits, ``duration`` in ticks (> 0), ``payload`` at most
        LONGEST_PAYLOAD_BYTES (ValueError)."""
        if len(payload) > LONGEST_PAYLOAD_BYTES:
            raise ValueError(f"a payload of {len(payload)} bytes; a packet holds {LONGEST_PAYLOAD_BYTES} at most")
        _put(sequence, timestamp, duration, np.frombuffer(payload, np.uint8), arrival_s, *self._own)

    def take(self, now_s: float) -> Packet | Gap:
        """What is at the playhead, which moves on behind it. Call it when the sound taken before does not last for the coming tick."""
        _take(now_s, self._found, *self._own)
        return self.told(self._found)

    def told(self, found: Integers) -> Packet | Gap:
        """What kernels took, (TAKEN,), until anything else is done with this buffer."""
        kind, sequence, timestamp, duration, skip, at, why, following, distance = found.tolist()
        if kind == PACKET:
            return Packet(sequence, timestamp, duration, self._payload(at), skip)
        return Gap(_REASONS[why], duration, self._packet(following) if following >= 0 else None, distance)

    def idles(self, now_s: float, ticks: int) -> bool:
        """In the usual case of a long pause, nothing here and the delay as it should be: what ``take`` does where so many empty ticks are
        all that it has to tell. False: nothing was done."""
        return bool(idles_one(self._row, now_s, ticks, self._state, self._all.rules))

    def begin(self) -> list[Packet]:
        """Playing begins right behind what is here, because that was heard another way; returns it, in order."""
        heard = [self._packet(place) for place in self._state.order[self._row, : len(self)].tolist()]
        _begin(self._row, self._state)
        return heard

    def take_after(self, other: "JitterBuffer") -> None:
        """Go on where a buffer under the same settings is."""
        copy_row(self._state, self._row, other._state, other._row)

    def delay_s(self, now_s: float, pending_ticks: int = 0) -> float:
        """How late the sound at the playhead is, taken now, behind the fastest packet's arrival; 0 before the first packet.

        With ``pending_ticks`` of earlier sound still to be played: how late the sound is played that comes next.
        """
        if not self._counts[_BEGUN]:
            return 0.0
        at_s: float = (self._counts.item(_PLAYHEAD) - pending_ticks) / self.clock_hz
        return now_s - float(self._statistics.item(_BASE)) - at_s

    def excess_s(self, now_s: float, taken_ticks: int) -> float:
        """Time in hand, beyond the target, when the ``taken_ticks`` before the playhead were taken just now."""
        return self.delay_s(now_s, taken_ticks) - self.target_s

    @property
    def target_s(self) -> float:
        return float(self._times.item(_TARGET))

    @property
    def playhead(self) -> int | None:
        """The timestamp, without wrap-around, of what is played next; None before the first packet."""
        return int(self._counts[_PLAYHEAD]) if self._counts[_BEGUN] else None

    @property
    def counters(self) -> JitterCounters:
        return JitterCounters(*self._counts[_RECEIVED:_STREAM].tolist())

    def __len__(self) -> int:
        return int(self._counts[_HERE])

    def _packet(self, place: int) -> Packet:
        sequence, timestamp, duration, _ = self._state.packets[self._row, place].tolist()
        return Packet(sequence, timestamp, duration, self._payload(place))

    def _payload(self, place: int) -> bytes:
        return self._state.payloads[self._row, place, : self._state.packets[self._row, place, _SIZE]].tobytes()


def copy_row(to: tuple[NDArray[Any], ...], row: int, source: tuple[NDArray[Any], ...], source_row: int) -> None:
    """One row of each array becomes what another is."""
    for mine, its in zip(to, source, strict=True):
        mine[row] = its[source_row]


_REASONS = {int(reason.value): reason for reason in Missing}


@exact_kernel
def _put(
    sequence: int,
    timestamp: int,
    duration: int,
    payload: Bytes,
    arrival_s: float,
    counts: Integers,
    times: Numbers,
    statistics: Numbers,
    played: Integers,
    order: Integers,
    packets: Integers,
    payloads: Bytes,
    keep_s: float,
    calm_s: float,
    hold_s: float,
    late_run_s: float,
    ahead_s: float,
    cost: Numbers,
) -> None:
    state = Buffers(counts, times, statistics, played, order, packets, payloads)
    put_one(0, sequence, timestamp, duration, payload, arrival_s, state, Rules(keep_s, calm_s, hold_s, late_run_s, ahead_s, cost))


@exact_kernel
def _take(
    now_s: float,
    found: Integers,
    counts: Integers,
    times: Numbers,
    statistics: Numbers,
    played: Integers,
    order: Integers,
    packets: Integers,
    payloads: Bytes,
    keep_s: float,
    calm_s: float,
    hold_s: float,
    late_run_s: float,
    ahead_s: float,
    cost: Numbers,
) -> None:
    state = Buffers(counts, times, statistics, played, order, packets, payloads)
    take_one(0, now_s, found, state, Rules(keep_s, calm_s, hold_s, late_run_s, ahead_s, cost))


# -- one row: packets in


@exact_kernel
def put_one(row: int, sequence: int, timestamp: int, duration: int, payload: Bytes, arrival_s: float, state: Buffers, rules: Rules) -> None:
    """``JitterBuffer.put``."""
    counts, times, packets, order = state.counts[row], state.times[row], state.packets[row], state.order[row]
    counts[_RECEIVED] += 1
    if counts[_KNOWN]:  # numbers without wrap-around, by the nearest reading to the highest so far (RFC 3550, A.1)
        highest_sequence, highest_timestamp = counts[_HIGHEST_SEQUENCE], counts[_HIGHEST_TIMESTAMP]
        sequence = highest_sequence + ((sequence - highest_sequence + 0x8000) & 0xFFFF) - 0x8000
        timestamp = highest_timestamp + ((timestamp - highest_timestamp + 0x80000000) & 0xFFFFFFFF) - 0x80000000
    if not counts[_KNOWN] or sequence > counts[_HIGHEST_SEQUENCE]:
        counts[_KNOWN], counts[_HIGHEST_SEQUENCE], counts[_HIGHEST_TIMESTAMP] = 1, sequence, timestamp
    place = 0  # behind all that are earlier
    for k in range(counts[_HERE], 0, -1):
        if packets[order[k - 1], _TIMESTAMP] <= timestamp:
            place = k
            break
    twice = place > 0 and packets[order[place - 1], _TIMESTAMP] == timestamp
    if twice or (sequence <= counts[_PLAYED_MOST] and _was_played(sequence, counts, state.played[row])):
        counts[_DUPLICATED] += 1
        return
    transit_s = arrival_s - timestamp / counts[_CLOCK_HZ]
    if _is_stray(row, sequence, timestamp, transit_s, state, rules):
        return
    _observe(row, transit_s, arrival_s, state, rules)
    counts[_FRAME] = duration
    if not counts[_BEGUN] or (not counts[_PLAYING] and timestamp < counts[_PLAYHEAD]):
        counts[_BEGUN], counts[_PLAYHEAD] = 1, timestamp
    if timestamp + duration <= counts[_PLAYHEAD] and not (
        _may_return(row, timestamp, arrival_s, state, rules) or _follow_late(row, timestamp, arrival_s, state, rules)
    ):
        counts[_DISCARDED] += 1
        return
    times[_LATE_SINCE] = np.nan
    place = min(place, counts[_HERE])  # none are left where the axis was laid anew
    if counts[_HERE] == len(order):
        counts[_DISCARDED] += 1
        if place == 0:
            return
        _drop(0, counts, order)
        place -= 1
    slot = order[counts[_HERE]]
    for k in range(counts[_HERE], place, -1):
        order[k] = order[k - 1]
    order[place] = slot
    counts[_HERE] += 1
    packets[slot, _SEQUENCE], packets[slot, _TIMESTAMP], packets[slot, _DURATION] = sequence, timestamp, duration
    packets[slot, _SIZE] = len(payload)
    state.payloads[row, slot, : len(payload)] = payload


@exact_kernel
def _was_played(sequence: int, counts: Integers, played: Integers) -> bool:
    return bool((played[: min(counts[_PLAYED], _REMEMBERED)] == sequence).any())


@exact_kernel
def _drop(place: int, counts: Integers, order: Integers) -> int:
    """The packet at this place of the order is here no more; returns where it lies, until another one comes."""
    slot, here = order[place], counts[_HERE]
    for k in range(place, here - 1):
        order[k] = order[k + 1]
    order[here - 1] = slot
    counts[_HERE] = here - 1
    return int(slot)


@exact_kernel
def _is_stray(row: int, sequence: int, timestamp: int, transit_s: float, state: Buffers, rules: Rules) -> bool:
    """A packet from far ahead of its time waits for a second one that agrees; the first of the two is given up."""
    counts, times = state.counts[row], state.times[row]
    suspected = counts[_SUSPECTED]
    counts[_SUSPECTED] = 0
    if not counts[_BEGUN] or transit_s - state.statistics[row, _BASE] > -rules.ahead_s:
        return False
    if not suspected or sequence != counts[_SUSPECT] + 1 or abs(transit_s - times[_SUSPECT_TRANSIT]) > 0.1:
        counts[_SUSPECTED], counts[_SUSPECT], times[_SUSPECT_TRANSIT] = 1, sequence, transit_s
        counts[_DISCARDED] += 1
        return True
    _resynchronise(row, timestamp, state)
    return False


@exact_kernel
def _may_return(row: int, timestamp: int, arrival_s: float, state: Buffers, rules: Rules) -> bool:
    """A packet behind the playhead: has nothing behind it been played, and is it not too old to be heard?"""
    counts = state.counts[row]
    if timestamp < counts[_PLAYHEAD] - counts[_BLIND]:
        return False
    late_s = arrival_s - state.statistics[row, _BASE] - timestamp / counts[_CLOCK_HZ]
    return bool(late_s <= state.times[row, _TARGET] + rules.keep_s)


@exact_kernel
def _follow_late(row: int, timestamp: int, arrival_s: float, state: Buffers, rules: Rules) -> bool:
    """A packet behind the playhead: has everything been late for so long that the path must have changed?"""
    times = state.times[row]
    if np.isnan(times[_LATE_SINCE]):
        times[_LATE_SINCE] = arrival_s
    if arrival_s - times[_LATE_SINCE] < rules.late_run_s:
        return False
    _resynchronise(row, timestamp, state)
    _observe(row, arrival_s - timestamp / state.counts[row, _CLOCK_HZ], arrival_s, state, rules)
    return True


@exact_kernel
def _resynchronise(row: int, timestamp: int, state: Buffers) -> None:
    counts, times = state.counts[row], state.times[row]
    counts[_RESYNCHRONISED] += 1
    counts[_DISCARDED] += counts[_HERE]
    counts[_HERE] = counts[_BLIND] = 0
    times[_LATE_SINCE] = np.nan
    _lay_axis(state.statistics[row])
    counts[_PLAYHEAD] = timestamp - int(np.rint(times[_TARGET] * counts[_CLOCK_HZ]))


# -- one row: packets out


@exact_kernel
def delay_one(row: int, now_s: float, pending_ticks: int, state: Buffers) -> float:
    """``JitterBuffer.delay_s``."""
    counts = state.counts[row]
    if not counts[_BEGUN]:
        return 0.0
    delay_s: float = now_s - state.statistics[row, _BASE] - (counts[_PLAYHEAD] - pending_ticks) / counts[_CLOCK_HZ]
    return delay_s


@exact_kernel
def target_one(row: int, state: Buffers) -> float:
    """``JitterBuffer.target_s``."""
    target_s: float = state.times[row, _TARGET]
    return target_s


@exact_kernel
def here_one(row: int, state: Buffers) -> int:
    """How many packets are here."""
    return int(state.counts[row, _HERE])


@exact_kernel
def payload_size(row: int, place: int, state: Buffers) -> int:
    """Of the packet that lies there."""
    return int(state.packets[row, place, _SIZE])


@exact_kernel
def take_one(row: int, now_s: float, found: Integers, state: Buffers, rules: Rules) -> None:
    """``JitterBuffer.take`` into ``found`` (TAKEN,)."""
    counts = state.counts[row]
    if not counts[_BEGUN]:
        _tell_gap(found, _WAITING, counts[_CLOCK_HZ] // _STEPS_PER_S)
        return
    if counts[_BLIND] and counts[_HERE]:
        _return(row, now_s, state, rules)
    excess_s = delay_one(row, now_s, 0, state) - state.times[row, _TARGET]
    if not counts[_PLAYING]:
        if excess_s < -rules.hold_s:
            _tell_gap(found, _WAITING, counts[_CLOCK_HZ] // _STEPS_PER_S)
            return
        counts[_PLAYING] = 1
    if excess_s > rules.keep_s + rules.calm_s:
        _skip(row, int(np.rint((excess_s - rules.keep_s) * counts[_CLOCK_HZ])), state)
        excess_s = rules.keep_s
    order, packets = state.order[row], state.packets[row]
    for k in range(counts[_HERE]):
        timestamp = packets[order[k], _TIMESTAMP]
        if timestamp >= counts[_PLAYHEAD]:
            if timestamp == counts[_PLAYHEAD]:
                _tell_packet(found, row, _drop(k, counts, order), 0, state)
                return
            break
    _tell_missing(row, excess_s, found, state, rules)


@exact_kernel
def idles_one(row: int, now_s: float, ticks: int, state: Buffers, rules: Rules) -> bool:
    """``JitterBuffer.idles``."""
    counts = state.counts[row]
    if counts[_HERE] or not counts[_BEGUN] or not counts[_PLAYING] or ticks != min(counts[_FRAME], counts[_CLOCK_HZ] // _STEPS_PER_S):
        return False
    if not -rules.hold_s < delay_one(row, now_s, 0, state) - state.times[row, _TARGET] <= rules.calm_s:
        return False
    counts[_PLAYHEAD] += ticks
    counts[_BLIND] += ticks
    return True


@exact_kernel
def _begin(row: int, state: Buffers) -> None:
    """``JitterBuffer.begin``."""
    counts, packets, order = state.counts[row], state.packets[row], state.order[row]
    for k in range(counts[_HERE]):
        _played(packets[order[k], _SEQUENCE], packets[order[k], _TIMESTAMP] + packets[order[k], _DURATION], counts, state.played[row])
        counts[_PLAYING] = 1
    counts[_HERE] = 0


@exact_kernel
def _played(sequence: int, end: int, counts: Integers, played: Integers) -> None:
    counts[_PLAYHEAD], counts[_BLIND] = end, 0
    played[counts[_PLAYED] % _REMEMBERED] = sequence
    counts[_PLAYED] += 1
    counts[_PLAYED_MOST] = max(counts[_PLAYED_MOST], sequence)


@exact_kernel
def _tell_packet(found: Integers, row: int, slot: int, skip: int, state: Buffers) -> None:
    """The packet that lies there is taken."""
    packet = state.packets[row, slot]
    found[KIND], found[SEQUENCE], found[TIMESTAMP], found[DURATION] = PACKET, packet[_SEQUENCE], packet[_TIMESTAMP], packet[_DURATION]
    found[SKIP], found[AT], found[WHY], found[FOLLOWING], found[DISTANCE] = skip, slot, 0, -1, 0
    _played(packet[_SEQUENCE], packet[_TIMESTAMP] + packet[_DURATION], state.counts[row], state.played[row])


@exact_kernel
def _tell_gap(found: Integers, why: int, duration: int) -> None:
    found[:] = 0
    found[KIND], found[DURATION], found[WHY], found[FOLLOWING] = GAP, duration, why, -1


@exact_kernel
def _return(row: int, now_s: float, state: Buffers, rules: Rules) -> None:
    """Back to the first packet of the blind stretch that is not too old; older ones are given up."""
    counts, order, packets = state.counts[row], state.order[row], state.packets[row]
    most_s = max(state.times[row, _TARGET] + rules.keep_s, delay_one(row, now_s, 0, state))
    oldest = (now_s - state.statistics[row, _BASE] - most_s) * counts[_CLOCK_HZ]
    while counts[_HERE] and packets[order[0], _TIMESTAMP] < counts[_PLAYHEAD]:
        first = packets[order[0], _TIMESTAMP]
        if first >= oldest:
            counts[_RETURNED] += counts[_PLAYHEAD] - first
            counts[_PLAYHEAD], counts[_BLIND] = first, 0
            return
        _drop(0, counts, order)
        counts[_DISCARDED] += 1


@exact_kernel
def _tell_missing(row: int, excess_s: float, found: Integers, state: Buffers, rules: Rules) -> None:
    """Nothing begins at the playhead: a packet that began before it, a hole before the next one, or nothing at all."""
    counts, order, packets = state.counts[row], state.order[row], state.packets[row]
    while counts[_HERE] and packets[order[0], _TIMESTAMP] < counts[_PLAYHEAD]:
        slot = _drop(0, counts, order)
        timestamp, duration = packets[slot, _TIMESTAMP], packets[slot, _DURATION]
        if timestamp + duration > counts[_PLAYHEAD]:
            _tell_packet(found, row, slot, counts[_PLAYHEAD] - timestamp, state)
            return
        counts[_DISCARDED] += 1
    if not counts[_HERE]:
        _run_blind(row, excess_s, found, state, rules)
        return
    following = order[0]
    hole = packets[following, _TIMESTAMP] - counts[_PLAYHEAD]
    duration = min(counts[_FRAME], hole)
    if hole > duration and excess_s > rules.calm_s:
        spared = min(hole - duration, int(np.rint(excess_s * counts[_CLOCK_HZ])))
        counts[_SKIPPED] += spared
        counts[_PLAYHEAD] += spared
        hole -= spared
    last = state.played[row, (counts[_PLAYED] - 1) % _REMEMBERED]
    paused = counts[_PLAYED] > 0 and packets[following, _SEQUENCE] == last + 1
    held = _held(duration, excess_s, counts, rules) if paused else 0
    counts[_PLAYHEAD] += duration - held
    counts[_BLIND] = 0
    _tell_gap(found, PAUSED if paused else _LOST, duration)
    if not held:
        found[FOLLOWING], found[DISTANCE] = following, hole


@exact_kernel
def _run_blind(row: int, excess_s: float, found: Integers, state: Buffers, rules: Rules) -> None:
    """No packet is here. The delay comes to its target meanwhile: nothing is lost by it, for the playhead can still go back."""
    counts = state.counts[row]
    step = min(counts[_FRAME], counts[_CLOCK_HZ] // _STEPS_PER_S)
    moved = step - _held(step, excess_s, counts, rules)
    if excess_s > rules.calm_s:
        moved += int(np.rint(excess_s * counts[_CLOCK_HZ]))
        counts[_SKIPPED] += moved - step
    counts[_PLAYHEAD] += moved
    counts[_BLIND] += moved
    _tell_gap(found, EMPTY, step)


@exact_kernel
def _held(step: int, excess_s: float, counts: Integers, rules: Rules) -> int:
    """For how much of a step without sound the playhead stands still, so that the delay grows to its target."""
    held = min(step, int(np.rint(-excess_s * counts[_CLOCK_HZ]))) if excess_s <= -rules.hold_s else 0
    counts[_HELD] += held
    return held


@exact_kernel
def _skip(row: int, ticks: int, state: Buffers) -> None:
    """Jump the playhead ahead; what lies before it is given up."""
    counts, order, packets = state.counts[row], state.order[row], state.packets[row]
    counts[_PLAYHEAD] += ticks
    counts[_SKIPPED] += ticks
    k = 0
    while k < counts[_HERE]:
        if packets[order[k], _TIMESTAMP] + packets[order[k], _DURATION] <= counts[_PLAYHEAD]:
            _drop(k, counts, order)
            counts[_DISCARDED] += 1
        else:
            k += 1


# -- one row: delay statistics


@exact_kernel
def _lay_axis(statistics: Numbers) -> None:
    statistics[_COUNTED:] = 0.0
    statistics[_BASE], statistics[_WEIGHT], statistics[_UNTIL_MARGIN] = np.inf, 1.0, _MARGIN_EVERY


@exact_kernel
def _observe(row: int, transit_s: float, arrival_s: float, state: Buffers, rules: Rules) -> None:
    """Count one arrival in base, level and histogram, and set the target."""
    state.times[row, _TARGET] = _observed(state.statistics[row], rules.cost, transit_s, arrival_s)


@exact_kernel
def _observed(statistics: Numbers, cost: Numbers, transit_s: float, arrival_s: float) -> float:
    """Count one arrival; the target from now on."""
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
    return target_s


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
