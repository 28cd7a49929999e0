"""Claims: forwarding adds at most 5 ms (p99) and alters, loses and reorders nothing; mixing adds at most 50 ms (p95) to the jitter
buffer's target; and what a packet costs.

Phones without encryption (``benchmarks/phones.py``, in this process) speak in pairs through a relay in another process: a media worker
on uvloop, then for the same packets the parts of stock aiortc, which decode and encode whatever comes. The relay's processor time is
its own, everything in it included: clock, reports, quality samples, the kernel's way over loopback up to the phone's socket. ``streams
per core`` is that time extrapolated to 90 % of a core; at one room most of it is what an idle worker costs too.
Run it on a machine that has nothing else to do; ``phones late`` tells how far its scheduler was from that. A phone that was held up for
longer than the jitter buffer's target raises that target, and the delay with it, for some seconds.
"""

import json
import math
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from benchmarks.phones import Phones
from benchmarks.relay import Look, Pairs
from benchmarks.report import Options, Row
from rooms.audio import OPUS, PCMA, PCMU, AudioCodec

_TICK_S = 0.02
_MOST_LOAD = 0.9
_PEER = "aiortc"


@dataclass(frozen=True, slots=True)
class Case:
    """``warm_s``: until the jitter buffers know the path, before anything but losses is counted."""

    codecs: tuple[AudioCodec, AudioCodec]
    rooms: int
    warm_s: float
    seconds: float

    @property
    def forwards(self) -> bool:
        return self.codecs[0] == self.codecs[1]

    @property
    def name(self) -> str:
        first, second = (codec.name.upper() for codec in self.codecs)
        what = f"forwarding {first}" if self.forwards else f"mixing {first} and {second}"
        return f"{what}, {self.rooms} room{'s' * (self.rooms > 1)}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Delays and lateness in ms. ``work_us``: processor time per packet in and out, or per leg and tick, which is one of each too.

    ``targets_ms``: of the jitter buffers, once a second; ``concealed``: fraction of the sound that they had to make up.
    """

    delays_ms: list[float]
    late_ms: list[float]
    work_us: float
    lost: int
    disordered: int
    targets_ms: list[float]
    concealed: float

    @property
    def streams(self) -> float:
        return _MOST_LOAD * 1e6 * _TICK_S / self.work_us


class RelayProcess(AbstractContextManager["RelayProcess"]):
    """``benchmarks/relay.py`` of this ``kind``."""

    def __init__(self, kind: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.relay", kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.communicate()

    def open(self, codecs: tuple[AudioCodec, AudioCodec], ports: Pairs) -> Pairs:
        self._order({"do": "open", "codecs": [codec.name for codec in codecs], "ports": ports})
        opened: Pairs = self._answer()
        return opened

    def ask_look(self) -> None:
        self._order({"do": "look"})

    def look(self) -> Look:
        """The answer to the next ``ask_look`` not yet read."""
        return Look(**self._answer())

    def close(self) -> None:
        self._order({"do": "close"})
        self._answer()

    def _order(self, order: dict[str, object]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the relay's process ended: what it says on standard error tells why")
        return json.loads(line)


def run(options: Options) -> list[Row]:
    rows: list[Row] = []
    with_peer = not options.peers or _PEER in options.peers
    cases = _cases(quick=options.quick)
    with RelayProcess("ours") as relay:
        ours = [measured(relay, case) for case in cases]
    peers: list[Outcome | None] = [None] * len(cases)
    if with_peer:
        with RelayProcess(_PEER) as relay:
            peers = [measured(relay, case) for case in cases]
    for case, outcome, peer in zip(cases, ours, peers, strict=True):
        rows += _rows(case, outcome, peer)
    return rows


def _cases(*, quick: bool) -> list[Case]:
    if quick:
        return [Case((PCMA, PCMA), 2, 0.2, 0.4), Case((OPUS, PCMA), 1, 0.4, 0.9)]
    forwarding = [Case((PCMA, PCMA), rooms, 1.0, 10.0) for rooms in (1, 50)]
    return forwarding + [Case(codecs, rooms, 8.0, 16.0) for codecs in ((PCMA, PCMU), (OPUS, PCMA)) for rooms in (1, 5)]


def measured(relay: RelayProcess, case: Case) -> Outcome:
    """One case through one relay. Raises RuntimeError when a phone never heard the other one."""
    with Phones(case.rooms, case.codecs, numbered=case.forwards) as phones:
        relay_ports = relay.open(case.codecs, phones.ports)
        end_s = case.warm_s + case.seconds
        looks = [(case.warm_s, relay.ask_look), (end_s, relay.ask_look), (math.inf, relay.ask_look)]
        start_s = phones.talk(relay_ports, looks, end_s + 2 * _TICK_S)
        before, after, last = relay.look(), relay.look(), relay.look()
        relay.close()
    within = (start_s + case.warm_s, start_s + end_s)
    delays_s = phones.numbered_delays_s(*within) if case.forwards else phones.beep_delays_s(*within)
    if not delays_s or not all(phones.heard):
        raise RuntimeError(f"{case.name}: a phone heard nothing of what was said to it")
    legs = 2 * case.rooms
    worked = after.packets_in - before.packets_in if case.forwards else legs * (after.wall_s - before.wall_s) / _TICK_S
    missing, disordered = phones.out_of_sequence()
    unheard = phones.unheard_packets() if case.forwards else missing + sum(len(sent) for sent in phones.sent) - last.packets_in
    return Outcome(
        delays_ms=[1000 * delay_s for delay_s in delays_s],
        late_ms=[1000 * late_s for late_s in phones.late_s],
        work_us=1e6 * (after.cpu_s - before.cpu_s) / worked,
        lost=unheard,
        disordered=disordered,
        targets_ms=after.targets_ms,
        concealed=after.concealed_ms / (1000 * legs * case.seconds),
    )


def _rows(case: Case, ours: Outcome, peer: Outcome | None) -> list[Row]:
    tail = 99 if case.forwards else 95
    target_ms = 0.0 if case.forwards else round(_percentile(ours.targets_ms, 95), 1)
    most_ms = 5.0 if case.forwards else 50 + target_ms

    def delay(percent: float, goal: str = "") -> Row:
        theirs = _percentile(peer.delays_ms, percent) if peer is not None else None
        value = _percentile(ours.delays_ms, percent)
        return Row(case.name, f"added delay, p{percent:g}", value, "ms", _PEER if peer is not None else "", theirs, goal)

    rows = [delay(50), delay(tail, f"<= {most_ms:g}")]
    if not case.forwards:
        rows.append(Row(case.name, "jitter buffers' target, p95", target_ms, "ms"))
        rows.append(Row(case.name, "sound made up by the jitter buffers", 100 * ours.concealed, "%"))
    rows += [
        Row(case.name, "packets lost by us", float(ours.lost), "", goal="<= 0"),
        Row(case.name, "packets reordered by us", float(ours.disordered), "", goal="<= 0"),
        _work(case, ours, peer),
        Row(
            case.name,
            f"streams per core at {_MOST_LOAD:.0%}",
            ours.streams,
            "",
            _PEER if peer is not None else "",
            peer.streams if peer is not None else None,
        ),
        Row(case.name, "phones late in sending, p99", _percentile(ours.late_ms, 99), "ms"),
        Row(case.name, "phones late in sending, longest", max(ours.late_ms), "ms"),
    ]
    return rows


def _work(case: Case, ours: Outcome, peer: Outcome | None) -> Row:
    metric = "CPU per packet in and out" if case.forwards else "CPU per leg and 20 ms tick"
    return Row(case.name, metric, ours.work_us, "us", _PEER if peer is not None else "", peer.work_us if peer is not None else None)


def _percentile(values: list[float], percent: float) -> float:
    return float(np.percentile(values, percent))
