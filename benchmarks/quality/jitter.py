"""Claim: over recorded paths the jitter buffer's E-model MOS is at least 0.4 above NetEQ's rule, and nowhere more than 0.05 below it.

Ours is the product's own playout on G.711 speech: packets put in when the recording says, a frame pulled every 20 ms, sound lengthened
and shortened where its own rules allow it. Loss is what the network lost and what the buffer discarded, delay is that of every frame
that came out of packets, over the recording's fastest packet, and 60 ms for the rest of the path.

The peer is NetEQ's delay manager as its source has it (``delay_manager.cc``, ``underrun_optimizer.cc``, ``reorder_optimizer.cc``), in the
best of worlds: every target is reached at once upwards, without a sound made up, and at 3 ms per packet downwards. Its figure is the
better one of two: with targets up to 2 s, as it has them, and held to 500 ms, as ours are.

Recordings: ``rtp_traces/*.csv`` in the data folder or beside it, lines of ``arrival_ms,seq,rtp_ms``. Made paths (``dsp.netem``'s presets, a
clock 1 % off, pauses) are shown as well, and stand in where there are no recordings.

What lengthening and shortening cost is measured with them at work on every second packet, as the playout does in a hurry: DNSMOS before
and after.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics import MetricMissing, dnsmos
from benchmarks.report import Row
from benchmarks.scenes import RATE_HZ, Samples, prompts, talk
from dsp import mos
from dsp.netem import PRESETS, NetworkEmulator
from dsp.stretch import lengthen, shorten
from media.codec import make_encoder
from media.playout import Playout, PlayoutCounters
from rooms.audio import PCMA

if TYPE_CHECKING:
    from benchmarks.dsp_quality import Bench

PATH_MS = 60.0
PEER = "NetEQ rule"
_TICK_S = 0.02
_TALK_S = 60.0
_MADE_S, _QUICK_S = 120.0, 8.0
_TRAILING_S = 1.0
_LONG_CLIP_S, _MOST_CLIP_S, _MOST_CLIPS = 2.5, 9, 5
Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trace:
    """Packets in order of arrival: ``arrivals_ms``, ``sent_ms`` (by their timestamps) and unwrapped ``numbers``, each (packets,).

    ``spoken``: how many were sent; ``packet_ms``: how much sound one holds; ``clock_error``: the sender's second is so much longer.
    """

    name: str
    arrivals_ms: Times
    sent_ms: Times
    numbers: NDArray[np.int64]
    packet_ms: float
    clock_error: float = 0.0

    @property
    def spoken(self) -> int:
        return int(self.numbers.max() - self.numbers.min()) + 1

    @property
    def lost(self) -> int:
        return self.spoken - len(np.unique(self.numbers))

    @property
    def fastest_ms(self) -> float:
        """The least transit, by true time."""
        return float((self.arrivals_ms - self.sent_ms * (1 + self.clock_error)).min())

    def first(self, seconds: float) -> "Trace":
        chosen = self.arrivals_ms <= self.arrivals_ms[0] + 1000 * seconds
        return replace(self, arrivals_ms=self.arrivals_ms[chosen], sent_ms=self.sent_ms[chosen], numbers=self.numbers[chosen])


@dataclass(frozen=True, slots=True)
class Heard:
    """``loss`` 0-1 of the network and of the buffer; ``delays_ms`` with their ``times_s``; ``concealed`` 0-1 of the time."""

    loss: float
    concealed: float
    times_s: Times
    delays_ms: Times
    counters: PlayoutCounters | None = None

    @property
    def delay_ms(self) -> float:
        return float(self.delays_ms.mean()) if len(self.delays_ms) else math.inf

    @property
    def mos(self) -> float:
        return _mos(self.loss, self.delay_ms)


def rows(bench: "Bench") -> list[Row]:
    recorded = list(traces(bench.data))
    made = list(made_paths(_QUICK_S if bench.quick else _MADE_S))
    if bench.quick:
        recorded, made = [trace.first(_QUICK_S) for trace in recorded[:2]], made[:2]
    found: list[Row] = []
    for group, title in ((recorded, "recorded paths"), (made, "made paths")):
        if group:
            found += _group(bench, group, title, judged=group is recorded or not recorded)
    return found + _stretching(bench)


def _group(bench: "Bench", group: list[Trace], title: str, *, judged: bool) -> list[Row]:
    found: list[Row] = []
    ours, peers, strict = [], [], []
    for trace in group:
        heard, peer = played(trace), neteq(trace)
        ours.append(heard.mos)
        peers.append(peer.mos)
        strict.append(_mos(max(heard.loss, heard.concealed), heard.delay_ms))
        case = f"jitter buffer: {trace.name}"
        found += [
            Row(case, "E-model MOS", heard.mos, "MOS", PEER, peer.mos, ">= peer - 0.05"),
            Row(case, "lost or discarded", 100 * heard.loss, "%", PEER, 100 * peer.loss),
            Row(case, "concealed", 100 * heard.concealed, "%"),
            Row(case, "delay over the fastest packet", heard.delay_ms, "ms", PEER, peer.delay_ms),
        ]
        bench.plot("jitter", f"{trace.name} and {PEER}", _drawing(trace, heard, peer))
    case = f"jitter buffer: {len(group)} {title}"
    goal = ">= peer + 0.4" if judged else ""
    return [
        *found,
        Row(case, "E-model MOS, mean", float(np.mean(ours)), "MOS", PEER, float(np.mean(peers)), goal),
        Row(case, "E-model MOS, mean, all that was concealed counted as lost", float(np.mean(strict)), "MOS", PEER, float(np.mean(peers))),
    ]


def _stretching(bench: "Bench") -> list[Row]:
    clips = [clip for clip in bench.corpus.speech() if len(clip.samples) >= _LONG_CLIP_S * RATE_HZ][: 1 if bench.quick else _MOST_CLIPS]
    found: list[Row] = []
    for name, change in (("shortened", shorten), ("lengthened", lengthen)):
        shares, losses = [], []
        for clip in clips:
            whole = clip.samples[: _MOST_CLIP_S * RATE_HZ]
            changed = in_a_hurry(whole, change)
            bench.keep("jitter", f"{clip.name} {name}", {"as it was": whole, name: changed})
            shares.append(100 * abs(len(changed) / len(whole) - 1))
            try:
                losses.append(dnsmos(whole).overall - dnsmos(changed).overall)
            except MetricMissing:
                continue
        case = f"stretch: {len(clips)} voices {name} on every second packet"
        found += [Row(case, "of its length", float(np.mean(shares)), "%")] if shares else []
        found += [Row(case, "DNSMOS-OVRL lost", float(np.mean(losses)), "MOS", goal="<= 0.15")] if losses else []
    return found


def in_a_hurry(whole: Samples, change: Callable[[Samples, int, int], Samples]) -> Samples:
    """Speech as the playout changes it far from its target: 40 ms that are not played yet, at every second packet."""
    frame = RATE_HZ // 50
    pending, out = whole[:0], []
    for number, at in enumerate(range(0, len(whole) - frame + 1, frame)):
        pending = np.concatenate((pending, whole[at : at + frame]))
        if len(pending) >= 2 * frame:
            pending = change(pending, RATE_HZ, 2 * frame) if number % 2 else pending
            out.append(pending[:-frame])
            pending = pending[-frame:]
    return np.concatenate([*out, pending])


def played(trace: Trace) -> Heard:
    """What the product's playout makes of it."""
    playout = Playout(PCMA)
    payloads, clock = _speech(trace.packet_ms), PCMA.clock_rate
    waiting = deque(zip(trace.arrivals_ms / 1000, trace.sent_ms, trace.numbers, strict=True))
    begin_s = float(trace.arrivals_ms[0]) / 1000
    end_s = float(trace.arrivals_ms[-1]) / 1000 + _TRAILING_S
    times_s, delays_ms = [], []
    counters = playout.counters
    for tick in range(round((end_s - begin_s) / _TICK_S)):
        now_s = begin_s + tick * _TICK_S + 0.007
        while waiting and waiting[0][0] <= now_s:
            arrival_s, sent_ms, number = waiting.popleft()
            payload = payloads[int(sent_ms / trace.packet_ms) % len(payloads)]
            timestamp = round(sent_ms * clock / 1000) & 0xFFFFFFFF
            playout.put(int(number) & 0xFFFF, timestamp, False, payload, float(arrival_s))
        emitted, timestamp_next = counters.jitter_buffer_emitted_count, playout.playout_timestamp
        playout.pull(now_s)
        counters = playout.counters
        if counters.jitter_buffer_emitted_count > emitted and timestamp_next is not None:
            times_s.append(now_s)
            sent_ms = 1000 * _near(timestamp_next, now_s, clock) / clock
            delays_ms.append(1000 * now_s - sent_ms * (1 + trace.clock_error) - trace.fastest_ms)
    loss = (trace.lost + counters.packets_discarded) / trace.spoken
    concealed = counters.concealed_samples * 1000 / playout.rate_hz / (trace.spoken * trace.packet_ms)
    return Heard(loss, concealed, np.array(times_s), np.array(delays_ms), counters)


def neteq(trace: Trace) -> Heard:
    """NetEQ's rule; the better one of its own limit and ours."""
    targets_ms, levels_ms = _neteq_targets(trace)
    return max((_followed(trace, targets_ms, levels_ms, most_ms) for most_ms in (2_000.0, 500.0)), key=lambda heard: heard.mos)


def _neteq_targets(trace: Trace) -> tuple[list[float], list[float]]:
    """What the rule asks for when a packet comes, and the least transit of the two seconds before it."""
    rule, newest = NetEqRule(), -1
    lowest: deque[tuple[float, float]] = deque()  # (sent, transit), both rising
    targets_ms, levels_ms = [], []
    for sent_ms, transit_ms, number in zip(trace.sent_ms, trace.arrivals_ms - trace.sent_ms, trace.numbers, strict=True):
        targets_ms.append(rule.target_ms)
        levels_ms.append(lowest[0][1] if lowest else transit_ms)
        while lowest and lowest[-1][1] >= transit_ms:
            lowest.pop()
        lowest.append((sent_ms, transit_ms))
        while lowest[0][0] < sent_ms - 2_000.0:
            lowest.popleft()
        rule.update(transit_ms - lowest[0][1], sent_ms, reordered=number < newest)
        newest = max(newest, int(number))
    return targets_ms, levels_ms


def _followed(trace: Trace, targets_ms: list[float], levels_ms: list[float], most_ms: float, *, step_ms: float = 3.0) -> Heard:
    """The delay is the level and the target; a packet that takes longer is late."""
    transits_ms = trace.arrivals_ms - trace.sent_ms
    least_ms, delay_ms, delays_ms, late = math.inf, -math.inf, np.empty(len(transits_ms)), 0
    for k, (transit_ms, target_ms, level_ms) in enumerate(zip(transits_ms, targets_ms, levels_ms, strict=True)):
        least_ms = min(least_ms, transit_ms)
        wanted_ms = min(least_ms + most_ms, level_ms + target_ms)
        delay_ms = wanted_ms if wanted_ms > delay_ms else max(wanted_ms, delay_ms - step_ms)
        delays_ms[k] = delay_ms
        late += transit_ms > delay_ms
    loss = (trace.lost + late) / trace.spoken
    return Heard(loss, loss, trace.arrivals_ms / 1000, delays_ms - trace.sent_ms * trace.clock_error - trace.fastest_ms)


class NetEqRule:
    """Target delay by the largest relative delay of each half second (underruns) and by the price of reordered packets."""

    def __init__(self) -> None:
        self.target_ms = 80.0
        self._underruns = _Forgetting(0.983)
        self._reorders = _Forgetting(0.9993)
        self._underrun_ms, self._reordered = 80.0, False
        self._window_from_ms: float | None = None
        self._largest_ms = 0.0

    def update(self, delay_ms: float, sent_ms: float, *, reordered: bool) -> None:
        self._largest_ms = max(self._largest_ms, delay_ms)
        if self._window_from_ms is None:
            self._window_from_ms = sent_ms
        if sent_ms - self._window_from_ms >= 500.0:
            self._underruns.add(self._largest_ms)
            self._underrun_ms = (self._underruns.quantile(0.95) + 1) * 20.0
            self._window_from_ms, self._largest_ms = sent_ms, 0.0
        self._reordered |= reordered
        self._reorders.add(delay_ms if reordered else 0.0)
        self.target_ms = max(self._underrun_ms, self._reorders.cheapest_ms(20.0) if self._reordered else 0.0)


class _Forgetting:
    """A histogram of 100 buckets of 20 ms; forgets faster at first (start weight 2)."""

    def __init__(self, factor: float) -> None:
        self._factor, self._added = factor, 0
        self._share = 0.5 ** np.arange(1, 101)

    def add(self, delay_ms: float) -> None:
        self._added += 1
        kept = max(0.0, min(self._factor, 1.0 - 2.0 / (self._added + 1)))
        self._share *= kept
        self._share[min(99, max(0, int(delay_ms / 20.0)))] += 1.0 - kept

    def quantile(self, wanted: float) -> int:
        reached = np.cumsum(self._share) >= wanted * self._share.sum()
        return int(np.argmax(reached))

    def cheapest_ms(self, ms_per_percent: float) -> float:
        """The delay for which delay and what is lost by it cost least together; 0 where nothing is ever reordered."""
        lost_percent = 100.0 * (1.0 - np.cumsum(self._share) / self._share.sum())
        best = int(np.argmin(20.0 * np.arange(100) + ms_per_percent * lost_percent))
        return 20.0 * (best + 1) if best else 0.0


def _mos(loss: float, delay_ms: float) -> float:
    rating = mos.rate("pcma", loss=min(1.0, loss), delay_ms=PATH_MS + max(0.0, delay_ms))
    assert rating is not None
    return rating.mos


def _near(timestamp: int, now_s: float, clock_hz: int) -> int:
    """The timestamp without wrap-around that is nearest to the time."""
    about = round(now_s * clock_hz)
    return about + (timestamp - about + 2**31) % 2**32 - 2**31


@cache
def _speech(packet_ms: float) -> list[bytes]:
    """A minute of talk as G.711 packets."""
    encoder, sound = make_encoder(PCMA, rate_hz=16_000), talk(prompts(), _TALK_S)
    stream = b"".join(encoder.encode(sound[at : at + 320]) for at in range(0, len(sound) - 319, 320))
    size = round(packet_ms * PCMA.clock_rate / 1000)
    return [stream[at : at + size] for at in range(0, len(stream) - size + 1, size)]


# -- where paths come from


def traces(data: Path) -> Iterable[Trace]:
    """The recordings in ``data/rtp_traces``, beside ``data``, or in ``data`` itself."""
    for folder in (data / "rtp_traces", data.parent / "rtp_traces", data):
        files = sorted(folder.glob("*.csv"))
        if files:
            return filter(None, map(read_trace, files))
    return []


def read_trace(path: Path) -> Trace | None:
    """One recording; None when it has too few packets to say anything."""
    lines = (line for line in path.read_text().splitlines() if line[:1].isdigit() or line[:1] == "-")
    table = np.array([[float(value) for value in line.split(",")[:3]] for line in lines])
    if len(table) < 50:
        return None
    return _trace(path.stem, *table[np.argsort(table[:, 0], kind="stable")].T)


def made_paths(seconds: float) -> Iterable[Trace]:
    """Every preset of the emulator; a clock 1 % off, either way; talk with pauses."""
    for name in PRESETS:
        yield _through(NetworkEmulator.preset(name, 1), name, seconds)
    for percent in (-1, 1):
        path = _through(NetworkEmulator.preset("lte_calm", 2), "", seconds)
        ratio = 1 + percent / 100
        yield replace(path, name=f"clock {percent:+d} %", sent_ms=path.sent_ms / ratio, clock_error=ratio - 1)
    for name in ("wifi_busy", "lte_driving"):
        yield _through(NetworkEmulator.preset(name, 3), f"{name} with pauses", seconds, pauses=True)


def _through(network: NetworkEmulator, name: str, seconds: float, *, pauses: bool = False) -> Trace:
    """20 ms packets; with ``pauses`` nothing is sent for a second after every two, while the timestamps go on."""
    packets, number = [], 0
    for k in range(round(seconds / _TICK_S)):
        if pauses and k % 150 >= 100:
            continue
        packets += [(1000 * at_s, float(number), 20.0 * k) for at_s in network.fates(k * _TICK_S, 172)]
        number += 1
    return _trace(name, *np.array(sorted(packets)).T)


def _trace(name: str, arrivals_ms: Times, numbers: Times, sent_ms: Times) -> Trace:
    unwrapped = np.round(np.unwrap(numbers, period=65_536)).astype(np.int64)
    order = np.argsort(unwrapped, kind="stable")
    steps = np.diff(unwrapped[order])
    lengths = np.diff(sent_ms[order])[steps == 1]
    packet_ms = float(np.median(lengths)) if len(lengths) else 20.0
    return Trace(name, arrivals_ms, sent_ms, unwrapped, min(120.0, max(10.0, packet_ms)))


def _drawing(trace: Trace, heard: Heard, peer: Heard) -> Callable[[Any], None]:
    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        transits_ms = trace.arrivals_ms - trace.sent_ms * (1 + trace.clock_error) - trace.fastest_ms
        axes.plot(trace.arrivals_ms / 1000, transits_ms, ".", markersize=1.5, color="0.6", label="packets")
        axes.plot(peer.times_s, peer.delays_ms, linewidth=0.8, label=f"{PEER}, MOS {peer.mos:.2f}")
        axes.plot(heard.times_s, heard.delays_ms, linewidth=0.8, label=f"played, MOS {heard.mos:.2f}")
        axes.set(
            title=trace.name, xlabel="s", ylabel="delay over the fastest packet (ms)", ylim=(0, min(1_500.0, float(transits_ms.max()) + 50))
        )
        axes.legend(loc="upper right")

    return draw
