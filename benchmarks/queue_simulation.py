"""Claims: the queues of call control agree with queueing theory within 2 % over a million calls, and a day of thirty agents adds up.

``erlang``: random arrivals, exponential handle times, the product's own queues and decisions, against Erlang C (also with the callers in
four queues that the same agents serve, and with two priorities: Cobham 1954) and against Erlang A where callers give up. Chance moves the
mean wait of a million calls by several percent; for C that is taken out by what the same callers would have waited at one agent as fast as
all together, whose mean is known (a control variate), for A theory is told the arrivals and handle times of the very run. What chance is
left stands in the row ``95 % of runs within``.

``day``: the arrivals of one real day (the busiest of ``--data``, thinned until its busiest half-hour needs thirty agents), shifts by the
half-hour, two languages with levels, priorities, last agents, call-backs, agents who decline, let it ring and vanish. Twice the same to the
last decision, and beside forty other days with the same rates. A plain day (nobody declines) stands against the equations of its line.

``estimate``: what callers are told they will wait, against what those then wait who stay.

There is no peer to run: what is measured is rules, and theory is what they are compared with.
"""

import csv
import math
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import repeat
from pathlib import Path
from random import Random
from statistics import covariance, fmean, median, stdev, variance

import numpy as np
from numpy.typing import NDArray

from benchmarks.centre import Caller, Centre, Fate, Habits
from benchmarks.report import CannotRun, Options, Row
from rooms.erlang import agents_needed, expected, gives_up_within, served_within
from rooms.queues.queue_plan import QueuePlan, SkillNeed, Strategy

CALL_VOLUME = Path(__file__).resolve().parents[2] / "shared" / "data" / "call_volume"
_CALLS = 1_000_000
_BATCHES = 40
_WITHIN_S, _SHORT_S = 20.0, 5.0
_ENDLESS = 10**9


@dataclass(frozen=True, slots=True)
class Point:
    """``load``: of an agent's time, if nobody gave up. ``queues``: over so many the callers are spread."""

    case: str
    agents: int
    load: float
    handle_s: float = 240.0
    patience_s: float = math.inf
    queues: int = 1
    urgent: float = 0.0


_POINTS = (
    Point("10 agents, 80 % busy", 10, 0.80),
    Point("20 agents of four queues, 85 % busy", 20, 0.85, queues=4),
    Point("30 agents, 90 % busy", 30, 0.90),
    Point("10 agents, 80 % busy, one in five urgent", 10, 0.80, urgent=0.2),
    Point("30 agents, 90 % asked, patience 120 s", 30, 0.90, patience_s=120.0),
    Point("30 agents, 110 % asked, patience 180 s", 30, 1.10, patience_s=180.0),
    Point("100 agents, 100 % asked, patience 60 s", 100, 1.00, patience_s=60.0),
)


@dataclass(slots=True)
class Batch:
    """Sums over callers who came one after the other. ``single_*``: the same callers at one agent as fast as all together."""

    calls: int = 0
    handle_s: float = 0.0
    wait_s: float = 0.0
    waited: int = 0
    in_time: int = 0
    single_wait_s: float = 0.0
    single_waited: int = 0
    single_in_time: int = 0


class Seen:
    """What happened to who came between ``begin_s`` and ``end_s``."""

    def __init__(self, point: Point, calls: int) -> None:
        self.rate = point.agents * point.load / point.handle_s
        self.begin_s = 20 * point.handle_s
        self.end_s = self.begin_s + calls / self.rate
        self.batches = [Batch() for _ in range(_BATCHES)]
        self.abandoned = self.short = 0
        self.busy_s = 0.0
        self.urgent_wait_s = self.urgent = 0.0
        self._single = 0.0
        self._last_s = 0.0
        self._pace = 1 / point.agents

    def arrive(self, caller: Caller) -> None:
        """In the order in which they come (Lindley's recursion)."""
        wait_s = self._single = max(0.0, self._single - (caller.at_s - self._last_s))
        self._single += caller.handle_s * self._pace
        self._last_s = caller.at_s
        batch = self._batch(caller)
        if batch is not None:
            batch.single_wait_s += wait_s
            batch.single_waited += wait_s > 0
            batch.single_in_time += wait_s <= _WITHIN_S

    def end(self, fate: Fate) -> None:
        caller = fate.caller
        if fate.how == "served":
            answered_s = caller.at_s + fate.wait_s
            self.busy_s += max(0.0, min(answered_s + caller.handle_s, self.end_s) - max(answered_s, self.begin_s))
        batch = self._batch(caller)
        if batch is None:
            return
        batch.calls += 1
        batch.handle_s += caller.handle_s
        batch.wait_s += fate.wait_s
        batch.waited += fate.wait_s > 0
        if fate.how == "served":
            batch.in_time += fate.wait_s <= _WITHIN_S
        else:
            self.abandoned += 1
            self.short += fate.wait_s <= _SHORT_S
        if caller.priority:
            self.urgent_wait_s += fate.wait_s
            self.urgent += 1

    def _batch(self, caller: Caller) -> Batch | None:
        at = int((caller.at_s - self.begin_s) / (self.end_s - self.begin_s) * _BATCHES)
        return self.batches[at] if self.begin_s <= caller.at_s < self.end_s else None

    @property
    def calls(self) -> int:
        return sum(batch.calls for batch in self.batches)

    def mean(self, name: str) -> float:
        return float(sum(getattr(batch, name) for batch in self.batches)) / self.calls

    def without_chance(self, name: str, single: float) -> tuple[float, float]:
        """(mean, half of its 95 % interval as a fraction): the mean of ``name`` less what the single agent, whose true mean is ``single``,
        says that chance had in it (a control variate, its weight by least squares over the batches)."""
        ours = [getattr(batch, name) / batch.calls for batch in self.batches]
        theirs = [getattr(batch, f"single_{name}") / batch.calls for batch in self.batches]
        weight = covariance(ours, theirs) / variance(theirs)
        cleared = [own - weight * (other - single) for own, other in zip(ours, theirs, strict=True)]
        return fmean(cleared), _error(cleared)


def _error(means: list[float]) -> float:
    return 2 * stdev(means) / math.sqrt(len(means)) / fmean(means)


def simulated(point: Point, calls: int, seed: int) -> tuple[Seen, Centre]:
    """So many calls, after as many as take the line to where it stays."""
    chance = Random(seed)
    seen = Seen(point, calls)
    names = [f"queue{number}" for number in range(point.queues)]
    plans = {name: QueuePlan(name, max_waiting=_ENDLESS, ageing_s=1e12 if point.urgent else 60.0) for name in names}
    centre = Centre(plans, chance, seen.end)
    for number in range(point.agents):
        centre.sign_in((f"agent{number}", {}, frozenset()))
    centre.run(_random_callers(point, names, seen, chance))
    return seen, centre


def _random_callers(point: Point, names: list[str], seen: Seen, chance: Random) -> Iterator[Caller]:
    at_s, number = chance.expovariate(seen.rate), 0
    while at_s < seen.end_s:
        patience_s = chance.expovariate(1 / point.patience_s) if point.patience_s < math.inf else math.inf
        priority = int(chance.random() < point.urgent) if point.urgent else 0
        name = names[0] if len(names) == 1 else chance.choice(names)
        caller = Caller(str(number), name, at_s, chance.expovariate(1 / point.handle_s), patience_s, priority=priority)
        seen.arrive(caller)
        yield caller
        at_s += chance.expovariate(seen.rate)
        number += 1


def _point_rows(point: Point, calls: int) -> list[Row]:
    seen, centre = simulated(point, calls, seed=7)
    patient = math.isinf(point.patience_s)
    # What gives up tames chance, but not that of the load: theory is told the arrivals and handle times of the very run.
    rate, handle_s = (seen.rate, point.handle_s) if patient else (seen.calls / (seen.end_s - seen.begin_s), seen.mean("handle_s"))
    theory = expected(rate, handle_s, point.agents, point.patience_s, within_s=_WITHIN_S, short_abandon_s=_SHORT_S)
    occupancy = seen.busy_s / (seen.end_s - seen.begin_s) / point.agents
    figures = [("occupancy", occupancy, theory.occupancy, "")]
    spare = (1 - point.load) * point.agents / point.handle_s
    if patient:
        wait_s, error = seen.without_chance("wait_s", point.load / spare)
        waited, _ = seen.without_chance("waited", point.load)
        in_time, _ = seen.without_chance("in_time", 1 - point.load * math.exp(-spare * _WITHIN_S))
    else:
        wait_s, waited = seen.mean("wait_s"), seen.mean("waited")
        error = _error([batch.wait_s / batch.calls for batch in seen.batches])
        in_time = seen.mean("in_time") * seen.calls / (seen.calls - seen.short)
        figures.append(("gave up", seen.abandoned / seen.calls, theory.abandoned, ""))
    figures += [("mean wait", wait_s, theory.wait_s, "s"), ("have to wait", waited, theory.wait_probability, "")]
    if not point.urgent:
        figures.append((f"served within {_WITHIN_S:g} s", in_time, theory.service_level, ""))
    else:
        first_s = theory.wait_s * (1 - point.load) / (1 - point.urgent * point.load)
        figures.append(("mean wait of the urgent", seen.urgent_wait_s / seen.urgent, first_s, "s"))
    case = f"{point.case}, {seen.calls:,} calls"
    name = "Erlang C" if patient else "Erlang A"
    rows = [Row(case, metric, value, unit, name, told) for metric, value, told, unit in figures]
    rows += [Row(case, f"{metric}: off {name} by", 100 * abs(value / told - 1), "%", goal="<= 2") for metric, value, told, _ in figures]
    rows.append(Row(case, "mean wait: 95 % of runs within", 100 * error, "%"))
    rows.append(Row(case, "wrong offers, and left over", centre.wrong + centre.left_over, "", goal="<= 0"))
    return rows


@dataclass(frozen=True, slots=True)
class Day:
    """``rates``: callers per second in each five minutes from ``begin_s`` (of the day) on; ``staff``: agents in each half-hour."""

    name: str
    begin_s: float
    rates: tuple[float, ...]
    staff: tuple[int, ...]

    @property
    def end_s(self) -> float:
        return _STEP_S * len(self.rates)


_STEP_S, _SHIFT_STEPS = 300.0, 6
_HANDLE_S, _PATIENCE_S = 300.0, 180.0
_AGENTS = 30


def day_of(folder: Path) -> Day:
    """The busiest day of a folder of tables ``start_utc,calls``, thinned. Raises ``CannotRun`` where there is none."""
    days: dict[str, list[tuple[float, int]]] = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                try:
                    at, calls = datetime.fromisoformat(row["start_utc"]), int(row["calls"])
                except (KeyError, TypeError, ValueError):
                    raise CannotRun(f"{path.name}, line {number}: a start_utc and a number of calls are wanted") from None
                days.setdefault(at.date().isoformat(), []).append((at.hour * 3600.0 + at.minute * 60 + at.second, calls))
    if not days:
        raise CannotRun(f"{folder} has no table of calls (start_utc,calls): name another with --data, or leave the day out: --only erlang")
    name, rows = max(days.items(), key=lambda item: sum(calls for _, calls in item[1]))
    begin_s, last_s = min(rows)[0], max(rows)[0]
    counts = [0] * (int((last_s - begin_s) / _STEP_S) + 1)
    for at_s, calls in rows:
        counts[int((at_s - begin_s) / _STEP_S)] += calls
    halves = [fmean(counts[at : at + _SHIFT_STEPS]) / _STEP_S for at in range(0, len(counts), _SHIFT_STEPS)]
    kept = _thinned(max(halves))
    staff = tuple(_needed(max(rate * kept, 1e-4)) for rate in halves)
    return Day(name, begin_s, tuple(count / _STEP_S * kept for count in counts), staff)


def _needed(rate: float) -> int:
    return agents_needed(rate, _HANDLE_S, 0.8, _PATIENCE_S, within_s=_WITHIN_S)


def _thinned(rate: float) -> float:
    """Which part of the callers thirty agents can bear at this rate."""
    few, many = 0.0, 1.0
    for _ in range(40):
        middle = (few + many) / 2
        few, many = (middle, many) if middle == 0 or _needed(rate * middle) <= _AGENTS else (few, middle)
    return few


@dataclass(frozen=True, slots=True)
class Lived:
    """A day that was simulated."""

    fates: list[Fate]
    centre: Centre
    service_level: float
    """As the queues counted it themselves."""


def lived(day: Day, seed: int, *, plain: bool, kind: type[Centre] = Centre) -> Lived:
    """``plain``: one queue, who is offered a caller answers at once, nothing but exponential times."""
    chance = Random(seed)
    fates: list[Fate] = []
    centre = kind(_PLAIN if plain else _PLANS, chance, fates.append, Habits() if plain else _HABITS)
    team = [_agent(number, plain) for number in range(max(day.staff))]
    here = 0
    for shift, wanted in enumerate((*day.staff, 0)):
        at_s = min(shift * _SHIFT_STEPS * _STEP_S, day.end_s)
        if not wanted:
            centre.at(at_s, centre.close)
        for number in range(here, wanted):
            centre.at(at_s, centre.sign_in, team[number])
        for number in range(wanted, here):
            centre.at(at_s, centre.sign_out, team[number][0])
        here = wanted
    centre.run(_callers_of(day, chance, plain))
    told = centre.figures()
    counted = sum(figures.served + figures.abandoned - figures.short_abandoned + figures.closed for figures in told)
    return Lived(fates, centre, sum(figures.in_time for figures in told) / counted)


_PLAIN = {"calls": QueuePlan("calls", max_waiting=_ENDLESS, service_level_s=_WITHIN_S, short_abandon_s=_SHORT_S)}
_PLANS = {
    "spanish": QueuePlan("spanish", needs=(SkillNeed("es"),), sticky_s=15, service_level_s=_WITHIN_S, short_abandon_s=_SHORT_S),
    "english": QueuePlan(
        "english",
        Strategy.SKILL_FIRST,
        (SkillNeed("en", 2, ((30, 1),)),),
        max_waiting=8,
        service_level_s=_WITHIN_S,
        short_abandon_s=_SHORT_S,
    ),
}
_HABITS = Habits(answer_s=3.0, declines=0.01, lets_ring=0.01, vanishes=0.003)


def _agent(number: int, plain: bool) -> tuple[str, dict[str, int], frozenset[str]]:
    skills = {} if plain else {"es": 1 + number % 2, **({"en": 1 + number % 3} if number % 2 == 0 else {})}
    return f"agent{number}", skills, frozenset()


def _callers_of(day: Day, chance: Random, plain: bool) -> Iterator[Caller]:
    number = 0
    for step, rate in enumerate(day.rates):
        at_s = step * _STEP_S + (chance.expovariate(rate) if rate else math.inf)
        while at_s < (step + 1) * _STEP_S:
            number += 1
            patience_s = chance.expovariate(1 / _PATIENCE_S)
            if plain:
                yield Caller(str(number), "calls", at_s, chance.expovariate(1 / _HANDLE_S), patience_s)
            else:
                yield _someone(str(number), at_s, patience_s, chance)
            at_s += chance.expovariate(rate)


def _someone(name: str, at_s: float, patience_s: float, chance: Random) -> Caller:
    """Handle times are log-normal, as measured ones are (Brown et al. 2005)."""
    return Caller(
        name,
        "english" if chance.random() < 0.25 else "spanish",
        at_s,
        chance.lognormvariate(math.log(_HANDLE_S) - 0.32, 0.8),
        patience_s,
        call_back_after_s=60.0 if chance.random() < 0.2 else math.inf,
        priority=int(chance.random() < 0.1),
        last_agent=f"agent{chance.randrange(_AGENTS)}" if chance.random() < 0.2 else "",
    )


def expected_service_level(day: Day, step_s: float = 1.0) -> float:
    """Of the plain day, from the equations of how many callers are there (Kolmogorov's, midpoint rule), without any chance.

    Who goes home takes the call along that they are in: of ``busy`` agents among ``before`` as many as chance has it.
    """
    size = max(day.staff) + 200
    number = np.arange(size)
    chances = np.zeros(size)
    chances[0] = 1.0
    in_time = counted = 0.0
    before = 0
    for at, rate in enumerate(day.rates):
        agents = day.staff[at // _SHIFT_STEPS]
        if agents < before:
            chances = _gone_home(chances, before, before - agents)
        before = agents
        leaves = np.minimum(number, agents) / _HANDLE_S + np.maximum(number - agents, 0) / _PATIENCE_S
        served = np.ones(size)
        served[agents:] = served_within(_WITHIN_S, _HANDLE_S, agents, _PATIENCE_S, size - agents)
        hasty = np.zeros(size)
        hasty[agents:] = gives_up_within(_SHORT_S, _HANDLE_S, agents, _PATIENCE_S, size - agents)
        for _ in range(round(_STEP_S / step_s)):
            middle = chances + _flow(chances, rate, leaves) * step_s / 2
            in_time += rate * step_s * float(middle @ served)
            counted += rate * step_s * float(middle @ (1 - hasty))
            chances = chances + _flow(middle, rate, leaves) * step_s
    return in_time / counted


def _flow(chances: NDArray[np.float64], rate: float, leaves: NDArray[np.float64]) -> NDArray[np.float64]:
    up, down = rate * chances, leaves * chances
    up[-1] = 0.0
    change = -up - down
    change[1:] += up[:-1]
    change[:-1] += down[1:]
    return change


def _gone_home(chances: NDArray[np.float64], before: int, fewer: int) -> NDArray[np.float64]:
    found = np.zeros_like(chances)
    for there, chance in enumerate(chances):
        busy = min(there, before)
        for taken in range(max(0, fewer - (before - busy)), min(fewer, busy) + 1):
            ways = math.comb(busy, taken) * math.comb(before - busy, fewer - taken) / math.comb(before, fewer)
            found[there - taken] += chance * ways
    return found


def _day_rows(day: Day, others: int) -> list[Row]:
    once, twice = lived(day, 1, plain=False), lived(day, 1, plain=False)
    plain = [lived(day, seed, plain=True).service_level for seed in range(others)]
    levels = [lived(day, seed, plain=False).service_level for seed in range(2, others + 2)]
    words = [fate.how for fate in once.fates]
    case = f"{day.name}, {len(words)} callers, {_AGENTS} agents at most"
    names = {fate.caller.name for fate in once.fates}
    rows = [Row(case, word, words.count(word), "") for word in sorted(set(words))]
    rows += [
        Row(case, "callers without an end, or with two", once.centre.came - len(names) + len(words) - len(names), "", goal="<= 0"),
        Row(case, "wrong offers", once.centre.wrong, "", goal="<= 0"),
        Row(case, "tickets, offers, calls and deadlines left over", once.centre.left_over, "", goal="<= 0"),
        Row(
            f"{case}, decisions {once.centre.digest[:12]}",
            "otherwise when run again",
            int(once.centre.digest != twice.centre.digest),
            "",
            goal="<= 0",
        ),
        Row(case, f"service level, beside the mean of {others} such days", once.service_level, "", "the others", fmean(levels)),
        Row(case, "off that mean by so many of its deviations", abs(once.service_level - fmean(levels)) / stdev(levels), "", goal="<= 3"),
    ]
    theory, error = expected_service_level(day), stdev(plain) / math.sqrt(others)
    case = f"{day.name}, the plain day {others} times"
    rows.append(Row(case, "service level", fmean(plain), "", "equations of the line", theory))
    rows.append(Row(case, "off the equations by so many standard errors", abs(fmean(plain) - theory) / error, "", goal="<= 3"))
    rows.append(Row(case, "standard error", error, ""))
    return rows


def _estimate_rows(calls: int) -> list[Row]:
    rows = []
    for case, agents, load in (("5 agents", 5, 0.95), ("30 agents", 30, 1.0), ("30 agents, overloaded", 30, 1.15)):
        for queues in (1, 4):
            rows += _told_rows(f"{case}, {queues} {'queues' if queues > 1 else 'queue'}", agents, load, queues, calls)
    return rows


def _told_rows(case: str, agents: int, load: float, queues: int, calls: int) -> list[Row]:
    """Of one caller in twenty, who stays whatever happens; the others give up after 180 s on the mean."""
    chance, fates = Random(11), list[Fate]()
    names = [f"queue{number}" for number in range(queues)]
    centre = Centre({name: QueuePlan(name, priority=place % 2) for place, name in enumerate(names)}, chance, fates.append, estimates=True)
    for number in range(agents):
        mine = frozenset(chance.sample(names, min(queues, 3)))
        centre.sign_in((f"agent{number}", {}, mine))
    point = Point(case, agents, load, patience_s=_PATIENCE_S, queues=queues)
    callers = _random_callers(point, names, Seen(point, calls), chance)
    centre.run(replace(caller, patience_s=math.inf) if chance.random() < 0.05 else caller for caller in callers)
    known = [fate for fate in fates if fate.told_s is not None and fate.wait_s > 0 and math.isinf(fate.caller.patience_s)]
    told, waits = [fate.told_s or 0.0 for fate in known], [fate.wait_s for fate in known]
    off = [wait_s - said_s for wait_s, said_s in zip(waits, told, strict=True)]
    mean_s = fmean(waits)
    case = f"{case}, {len(known)} who stayed, {mean_s:.0f} s on the mean"
    return [
        Row(case, "longer than told, on the mean", fmean(off), "s"),
        Row(case, "the same, of the mean wait", 100 * abs(fmean(off)) / mean_s, "%", goal="<= 10"),
        Row(
            case,
            "median error",
            median(map(abs, off)),
            "s",
            "telling all the mean",
            median(abs(wait_s - mean_s) for wait_s in waits),
            "<= peer",
        ),
    ]


def run(options: Options) -> list[Row]:
    wanted = options.only or ("erlang", "day", "estimate")
    rows: list[Row] = []
    day = day_of(options.data or CALL_VOLUME) if "day" in wanted else None
    with ProcessPoolExecutor() as pool:
        if "erlang" in wanted:
            calls = 4_000 if options.quick else _CALLS
            rows += [row for point in pool.map(_point_rows, _POINTS, repeat(calls)) for row in point]
        if day is not None:
            rows += _day_rows(day, 3 if options.quick else 40)
        if "estimate" in wanted:
            rows += _estimate_rows(4_000 if options.quick else 40_000)
    return rows
