"""The jitter buffer of one stream as its description reads, packet by packet: what ``dsp/jitter.py`` does for many is held equal to it."""

import math
from collections import deque

from dsp import jitter
from dsp.jitter import Gap, JitterCounters, JitterSettings, Missing, Packet

STEPS_PER_S = 50


class PlainJitterBuffer:
    def __init__(self, clock_hz: int, settings: JitterSettings | None = None, *, floor_s: float = 0.0) -> None:
        """``floor_s`` raises the lowest delay, for codecs that need the next packet to mend a lost one."""
        self.settings = settings or JitterSettings()
        self.clock_hz = clock_hz
        self.counters = JitterCounters()
        self._lowest_s = max(self.settings.lowest_s, floor_s)
        self._cost = jitter._delay_cost(self.settings)
        self.reset()

    def reset(self) -> None:
        """Forget the stream (a new SSRC); the counters go on."""
        self._packets: dict[int, Packet] = {}
        self._highest: tuple[int, int] | None = None
        self._playhead: int | None = None
        self._playing = False
        self._played: deque[int] = deque(maxlen=64)
        self._played_most = -(1 << 62)
        self._frame = self.clock_hz // STEPS_PER_S
        self._blind = 0  # ticks before the playhead that were passed with nothing there
        self._late_since: float | None = None
        self._suspect: tuple[int, float] | None = None
        self.target_s = max(self._lowest_s, self.settings.start_s)
        self._statistics = jitter.JitterBuffers(1, self.settings).state.statistics[0]
        self._statistics[: jitter._COUNTED] = self.settings.memory_packets, self._lowest_s, self.settings.highest_s, self.target_s
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
            return Gap(Missing.WAITING, self.clock_hz // STEPS_PER_S)
        if self._blind and self._packets:
            self._return(now_s)
        excess_s = self.delay_s(now_s) - self.target_s
        if not self._playing:
            if excess_s < -self.settings.hold_s:
                return Gap(Missing.WAITING, self.clock_hz // STEPS_PER_S)
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
        if self._packets or playhead is None or not self._playing or ticks != min(self._frame, self.clock_hz // STEPS_PER_S):
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
        step = min(self._frame, self.clock_hz // STEPS_PER_S)
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
        jitter._lay_axis(self._statistics)

    def _observe(self, transit_s: float, arrival_s: float) -> None:
        """Count one arrival in base, level and histogram, and set the target."""
        self.target_s = jitter._observed(self._statistics, self._cost, transit_s, arrival_s)
        self.base_s = float(self._statistics[jitter._BASE])
