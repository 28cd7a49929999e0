"""What each figure of a report is, in one place: the sums it is made of and how. Pure.

Words are those of Amazon Connect's "Metrics definitions" where it has them (named in brackets); the service level is the one that queues
reckon with live (``rooms/queues/figures.py``). What cannot be told, as nothing divided by nothing, is None and is shown as a dash.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from msgspec import Struct

from api.surveys.survey import Scale, Tally, tally

MOS_STEPS = 20
"""MOS of calls are counted in steps of 1/20."""
AGAIN_S = 7 * 86_400.0
"""Who calls again within so long was not helped at their first call."""
BUSY_STATES = frozenset({"ringing", "on_call", "wrap_up", "consulting"})
"""In these an agent is at work on somebody; ``available`` and ``break`` are the rest of the time in which they are there."""

DEFINITIONS: Mapping[str, str] = {
    "offered": "Callers who joined a queue in the period, whatever became of them later [Contacts queued].",
    "handled": "Of these, who was connected with an agent [Contacts handled].",
    "abandoned": "Of these, who hung up while waiting [Contacts abandoned].",
    "abandoned_share": "Abandoned, but not within the queue's short time, of offered [Abandonment rate].",
    "service_level": "Answered within the queue's time, of all who were answered, gave up (but not within the queue's short time) or were"
    " led on; who chose a call back or was turned away is no part of it [SL x].",
    "answer_s": "Mean wait of those who were answered, since they joined the queue [Average queue answer time].",
    "longest_s": "The longest wait of anybody, answered or not [Maximum queued time].",
    "talk_s": "Mean time that an agent was in a call from a queue, without holds [Average agent interaction time].",
    "hold_s": "Mean time in which the phones of such a call were held [Average customer hold time].",
    "wrap_up_s": "Mean timed work after such a call [Average after contact work time].",
    "handle_s": "Talk, hold and wrap-up together [Average handle time].",
    "outgoing": "Calls that agents dialled and that were answered [Contacts handled outbound].",
    "staffed_s": "Time in which agents were there: all states but offline [Online time].",
    "utilisation": "Ringing, on calls, in consultations and in wrap-up, of the time in which agents were there, breaks included.",
    "occupancy": "The same, of the time in which agents were there and not on a break [Occupancy].",
    "resolution": "First-contact resolution: answered incoming calls after which the same number did not call again within 7 days. Of calls"
    " that are more than 7 days ago; of others it is not known yet.",
    "csat": "Who answered 4 or 5 of 5 to how satisfied they were, of all who answered (top-two-box, ISO 10004).",
    "nps": "Share of 9 and 10 less share of 0 to 6, of 0 to 10, in points (Reichheld, Harvard Business Review, 2003).",
    "effort": "Mean of 1 to 7 to how easy it was made; more is easier (CEB, Customer Effort Score 2.0).",
    "mos_p50": "Half of the calls sounded better: the median over calls of each call's median second, in the direction that sounded worse.",
    "mos_p10": "Nine tenths of the calls sounded better, reckoned in the same way.",
    "bad_share": "Calls of which a tenth of the seconds was below a MOS of 3.1, or in which nothing arrived, of calls that were measured.",
}
DEMAND = ("offered", "abandoned", "abandoned_share", "service_level", "answer_s", "longest_s")
"""Of queues, not of who answered: nobody's until somebody answers."""


class Figures(Struct, frozen=True):
    """Seconds, fractions 0-1; ``nps`` in points, ``effort`` 1-7. ``measured``: calls of which there is a MOS, on ``mos_scale``.
    ``judged``: calls of which the resolution is known. ``answers``: to surveys, by scale."""

    offered: int | None
    handled: int
    abandoned: int | None
    abandoned_share: float | None
    service_level: float | None
    answer_s: float | None
    longest_s: float | None
    talk_s: float | None
    hold_s: float | None
    wrap_up_s: float | None
    handle_s: float | None
    outgoing: int
    staffed_s: float
    utilisation: float | None
    occupancy: float | None
    resolution: float | None
    judged: int
    csat: float | None
    nps: float | None
    effort: float | None
    answers: dict[str, int]
    mos_p50: float | None
    mos_p10: float | None
    mos_scale: str
    measured: int
    bad_share: float | None


@dataclass(slots=True)
class Sums:
    """What figures are made of; of several groups together it is the sum. ``states``: seconds by state. ``scores``: by scale and score.
    ``heard``: calls by MOS scale and step of MOS. ``demand``: False where it is not known who offered, waited and gave up."""

    demand: bool = True
    offered: int = 0
    answered: int = 0
    in_time: int = 0
    abandoned: int = 0
    short: int = 0
    overflowed: int = 0
    answered_wait_s: float = 0.0
    longest_wait_s: float | None = None
    leg_s: float = 0.0
    held_s: float = 0.0
    wrap_up_s: float = 0.0
    outgoing: int = 0
    judged: int = 0
    again: int = 0
    measured: int = 0
    bad: int = 0
    states: Counter[str] = field(default_factory=Counter)
    scores: dict[Scale, Counter[int]] = field(default_factory=lambda: {scale: Counter() for scale in Scale})
    heard: dict[str, Counter[int]] = field(default_factory=dict)

    def hear(self, scale: str, step: int, calls: int) -> None:
        self.heard.setdefault(scale, Counter())[step] += calls

    def waited(self, longest_s: float | None) -> None:
        if longest_s is not None:
            self.longest_wait_s = longest_s if self.longest_wait_s is None else max(self.longest_wait_s, longest_s)

    def figures(self) -> Figures:
        there = sum(seconds for state, seconds in self.states.items() if state != "offline")
        busy = sum(seconds for state, seconds in self.states.items() if state in BUSY_STATES)
        scale = min(self.heard, key=lambda name: (-self.heard[name].total(), name), default="")
        heard = self.heard.get(scale, Counter())
        told = {each: tally(each, scores) for each, scores in self.scores.items()}
        asked = self.demand
        return Figures(
            offered=self.offered if asked else None,
            handled=self.answered,
            abandoned=self.abandoned if asked else None,
            abandoned_share=share(self.abandoned - self.short, self.offered) if asked else None,
            service_level=service_level(self.in_time, self.answered, self.abandoned, self.short, self.overflowed) if asked else None,
            answer_s=share(self.answered_wait_s, self.answered) if asked else None,
            longest_s=self.longest_wait_s if asked else None,
            talk_s=share(max(0.0, self.leg_s - self.held_s), self.answered),
            hold_s=share(self.held_s, self.answered),
            wrap_up_s=share(self.wrap_up_s, self.answered),
            handle_s=share(max(self.leg_s, self.held_s) + self.wrap_up_s, self.answered),
            outgoing=self.outgoing,
            staffed_s=there,
            utilisation=share(busy, there),
            occupancy=share(busy, there - self.states["break"]),
            resolution=share(self.judged - self.again, self.judged),
            judged=self.judged,
            csat=told[Scale.CSAT].score,
            nps=told[Scale.NPS].score,
            effort=told[Scale.EFFORT].score,
            answers=_answers(told),
            mos_p50=quantile(heard, 0.5),
            mos_p10=quantile(heard, 0.1),
            mos_scale=scale,
            measured=heard.total(),
            bad_share=share(self.bad, self.measured),
        )


def _answers(told: Mapping[Scale, Tally]) -> dict[str, int]:
    return {scale.value: each.answers for scale, each in told.items()}


def share(part: float, of: float) -> float | None:
    """None where there is nothing to divide by."""
    return part / of if of > 0 else None


def service_level(in_time: int, answered: int, abandoned: int, short: int, overflowed: int) -> float | None:
    """See ``DEFINITIONS``; ``overflowed``: led on, closed or timed out."""
    return share(in_time, answered + abandoned - short + overflowed)


def quantile(heard: Mapping[int, int], q: float) -> float | None:
    """The MOS that this part of the calls did not exceed (nearest rank, as of one call's seconds); None where none was measured."""
    total = sum(heard.values())
    left = max(1, ceil(q * total))
    for step in sorted(heard):
        left -= heard[step]
        if left <= 0 and total:
            return step / MOS_STEPS
    return None
