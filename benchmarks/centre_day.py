"""Claim: a working day of thirty agents goes through the whole of call control with every caller accounted for and nothing left over.

The days of ``queue_simulation`` (real arrivals, shifts, two languages, last agents, call-backs, agents who decline, let it ring and vanish)
with calls, flows, legs, rings, breaks and deadlines around the queues (``benchmarks/switched_centre.py``). On the plain day nothing of this
takes time, so that call control has to serve exactly whom the queues alone would have served; on the lively one it stands beside other such
days of the queues alone. There is no peer: what is measured is rules.
"""

import time
from statistics import fmean, stdev

from benchmarks.queue_simulation import CALL_VOLUME, Day, Lived, day_of, lived
from benchmarks.report import Options, Row
from benchmarks.switched_centre import SwitchedCentre


def run(options: Options) -> list[Row]:
    day = day_of(options.data or CALL_VOLUME)
    return [*_plain_rows(day), *_lively_rows(day, 3 if options.quick else 20)]


def _plain_rows(day: Day) -> list[Row]:
    through, alone = lived(day, 1, plain=True, kind=SwitchedCentre), lived(day, 1, plain=True)
    case = f"{day.name}, the plain day, {len(through.fates)} callers"
    other = sum(mine != theirs for mine, theirs in zip(_ends(through), _ends(alone), strict=True))
    return [
        Row(case, "callers who fared otherwise than in the queues alone", other, "", goal="<= 0"),
        Row(case, "service level", through.service_level, "", "the queues alone", alone.service_level),
    ]


def _lively_rows(day: Day, others: int) -> list[Row]:
    begun_s = time.process_time()
    once = lived(day, 1, plain=False, kind=SwitchedCentre)
    took_s = time.process_time() - begun_s
    twice = lived(day, 1, plain=False, kind=SwitchedCentre)
    levels = [lived(day, seed, plain=False).service_level for seed in range(2, others + 2)]
    through = [lived(day, seed, plain=False, kind=SwitchedCentre).service_level for seed in range(2, others + 2)]
    words, names = [fate.how for fate in once.fates], {fate.caller.name for fate in once.fates}
    case = f"{day.name}, {len(words)} callers, {max(day.staff)} agents at most"
    return [
        *(Row(case, word, words.count(word), "") for word in sorted(set(words))),
        Row(case, "callers without an end, or with two", once.centre.came - len(names) + len(words) - len(names), "", goal="<= 0"),
        Row(case, "calls, callers and deadlines left over", once.centre.left_over, "", goal="<= 0"),
        Row(case, "otherwise when run again", once.centre.digest != twice.centre.digest, "", goal="<= 0"),
        Row(case, f"service level, mean of {others} days", fmean(through), "", "the queues alone", fmean(levels)),
        Row(case, "apart by so many deviations of one day", abs(fmean(through) - fmean(levels)) / stdev(levels), "", goal="<= 1"),
        Row(case, "processor time for the day", took_s, "s"),
    ]


def _ends(day: Lived) -> list[tuple[str, str, float]]:
    """Of every caller, by name."""
    return sorted((fate.caller.name, fate.how, round(fate.wait_s, 6)) for fate in day.fates)
