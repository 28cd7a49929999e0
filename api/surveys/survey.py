"""Which survey follows upon what, who is asked, and what answers mean. Pure: time and chance are arguments.

Scales and what is made of them:

* **CSAT**, "How satisfied are you with ...?", 1-5: the share of those who say 4 or 5 (the two best of five, "top-two-box"; ISO 10004:2018
  has guidelines for measuring satisfaction).
* **NPS**, "How likely is it that you would recommend us ...?", 0-10: the share of promoters (9, 10) less that of detractors (0-6), in
  points from -100 to 100 (F. Reichheld, "The One Number You Need to Grow", Harvard Business Review, December 2003).
* **Effort** (Customer Effort Score 2.0), "The company made it easy for me to handle my issue", 1-7 from "strongly disagree" to "strongly
  agree": the mean; more is easier (M. Dixon, K. Freeman, N. Toman, "Stop Trying to Delight Your Customers", Harvard Business Review,
  July 2010; the statement and its scale of seven: CEB, 2013).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from signaling.refusal import Refusal

_DAY_S = 86_400.0


class Scale(StrEnum):
    CSAT = "csat"
    NPS = "nps"
    EFFORT = "effort"

    @property
    def bounds(self) -> tuple[int, int]:
        return _BOUNDS[self]

    def is_bad(self, score: int) -> bool:
        """Does somebody have to look after this customer?"""
        return score <= _BAD_UP_TO[self]


_BOUNDS = {Scale.CSAT: (1, 5), Scale.NPS: (0, 10), Scale.EFFORT: (1, 7)}
_BAD_UP_TO = {Scale.CSAT: 2, Scale.NPS: 6, Scale.EFFORT: 3}

After = Literal["call", "consultation"]
Why = Literal["asked", "no_rule", "nobody", "no_address", "no_consent", "too_soon", "not_drawn"]
"""``asked``, or why somebody is not."""


@dataclass(frozen=True, slots=True)
class SurveyRule:
    """Which questions follow upon what. ``queues``: of calls of these alone; none: of all. ``share``: of those it might be, 0-1.
    ``rest_s``: so long nobody is asked again, by any rule. ``channels``: the first by which somebody can be reached. ``least_s``: what was
    shorter is not asked about. ``open_s``: for so long answers are taken."""

    name: str
    after: After
    questions: tuple[Scale, ...]
    queues: tuple[str, ...] = ()
    share: float = 1.0
    rest_s: float = 90 * _DAY_S
    channels: tuple[Literal["email", "sms"], ...] = ("email", "sms")
    least_s: float = 30.0
    open_s: float = 14 * _DAY_S


@dataclass(frozen=True, slots=True)
class Occasion:
    """Something that is over, with somebody. ``subject``: the id of the call or room. ``lasted_s``: for how long they spoke."""

    after: After
    subject: str
    at: float
    lasted_s: float
    queue: str = ""
    agent: str = ""
    team: str = ""
    appointment: str = ""


def rule_for(occasion: Occasion, rules: Iterable[SurveyRule]) -> SurveyRule | None:
    """The first rule that speaks of it."""
    for rule in rules:
        if rule.after == occasion.after and occasion.lasted_s >= rule.least_s and (not rule.queues or occasion.queue in rule.queues):
            return rule
    return None


def is_drawn(rule: SurveyRule, subject: str, secret: str) -> bool:
    """Is this one of the rule's share? The same for the same subject, whoever asks however often, and foreseeable by nobody."""
    digest = hashlib.blake2b(f"{rule.name}\0{subject}".encode(), key=secret.encode()[:64], digest_size=8).digest()
    return int.from_bytes(digest) < rule.share * 2.0**64


def why_not(rule: SurveyRule, *, consented: bool, asked_at: float | None, drawn: bool, now: float) -> Why:
    """``asked`` where nothing speaks against it. ``asked_at``: when this person was last asked."""
    if not consented:
        return "no_consent"
    if asked_at is not None and now - asked_at < rule.rest_s:
        return "too_soon"
    return "asked" if drawn else "not_drawn"


def check_answers(questions: Iterable[Scale], answers: Mapping[Scale, int]) -> None:
    """Raises ``Refusal`` where a score is none of its scale, or was not asked for."""
    for scale, score in answers.items():
        least, most = scale.bounds
        if scale not in questions:
            raise Refusal("bad_message", f"This survey does not ask for {scale}.")
        if not least <= score <= most:
            raise Refusal("bad_message", f"{scale} is a number from {least} to {most}.")


class Tally(Struct, frozen=True):
    """Of one scale. ``score``: the share of the satisfied (``csat``), points (``nps``) or the mean (``effort``); None without answers."""

    answers: int
    score: float | None


def tally(scale: Scale, scores: Mapping[int, int]) -> Tally:
    """``scores``: how often each was given."""
    count = sum(scores.values())
    if not count:
        return Tally(0, None)

    def share(least: int, most: int) -> float:
        return sum(times for score, times in scores.items() if least <= score <= most) / count

    match scale:
        case Scale.CSAT:
            return Tally(count, share(4, 5))
        case Scale.NPS:
            return Tally(count, 100.0 * (share(9, 10) - share(0, 6)))
        case Scale.EFFORT:
            return Tally(count, sum(score * times for score, times in scores.items()) / count)
