"""What one person, or all together, may dial and spend before somebody looks. Pure.

Theory. Money is stolen with calls to numbers whose owner is paid for them: premium-rate and satellite numbers, and countries where a minute
is dear. So what may be dialled is a short list of kinds and countries (``DialRules``), and each number has a risk:

    =========  ==========================================================  ======================================================
    risk       which numbers                                               what follows
    =========  ==========================================================  ======================================================
    free       emergency; the PBX's own extensions                         always, and counted nowhere
    trusted    of the home country, and toll-free                          within the bounds
    standard   of an allowed country where somebody here called lately     within the bounds; off-hours only when confirmed
    elevated   of an allowed country where nobody here called lately       only when confirmed
    high       of a kind that an administrator allowed (premium, ...)      only when confirmed, never off-hours, few in an hour
    blocked    all others                                                  never
    =========  ==========================================================  ======================================================

To confirm is to dial the same number again within a minute. A person who is refused three times in ten minutes for what was dialled, or
goes over a bound, makes no public call for an hour, or until somebody lifts that; and somebody is told. Emergency numbers always pass.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pbx.fraud import DialRules, Risk, dial_objection, risk_of
from pbx.numbers import Number

Price = Callable[[str, float], float | None]
_DAY_S, _HOUR_S, _MINUTE_S = 86_400.0, 3_600.0, 60.0
_MOST_PEOPLE = 10_000
_MOST_KEPT = 5_000
"""Of one person's calls and attempts; bounds are far below."""
_STOPPED = "Your calls to public numbers are stopped: {}. A supervisor can lift that; emergency numbers and extensions can be called."


@dataclass(frozen=True, slots=True)
class Bound:
    """At most so many public calls at once, so many minutes and so much money in 24 hours. None: no bound. A call that goes on counts."""

    calls: int | None = None
    minutes: float | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class TollBounds:
    """``person`` for each, ``everybody`` for all together. ``most_a_minute``: public calls begun by one person; ``most_risky_an_hour``:
    those of risk elevated or worse, ``most_high_an_hour``: of risk high. ``known_s``: so long a country is one where calls go."""

    person: Bound = Bound(calls=3, minutes=600.0)
    everybody: Bound = Bound()
    most_a_minute: int = 10
    most_risky_an_hour: int = 6
    most_high_an_hour: int = 2
    most_refused: int = 3
    refused_within_s: float = 600.0
    confirm_within_s: float = 60.0
    suspended_s: float = _HOUR_S
    known_s: float = 30 * _DAY_S


class TollRefused(Exception):
    """This number may not be called now. ``code``, and words for who dialled; ``suspended``: why nothing more is called, where that began
    with this attempt."""

    def __init__(self, code: str, message: str, retry_after_s: float | None = None, *, suspended: str = "") -> None:
        super().__init__(message)
        self.code, self.retry_after_s, self.suspended = code, retry_after_s, suspended


@dataclass(frozen=True, slots=True)
class Suspension:
    """Of one person's public calls. ``why`` names no number."""

    why: str
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Spent:
    """One call that is over: by whom, where, when it ended, how long it was talked, what it cost."""

    who: str
    region: str
    ended: float
    talk_s: float
    cost: float = 0.0


@dataclass(slots=True)
class _Live:
    who: str
    number: Number
    begun: float
    answered: float | None = None


@dataclass(slots=True)
class _Person:
    spent: deque[Spent] = field(default_factory=lambda: deque(maxlen=_MOST_KEPT))
    begun: deque[tuple[float, Risk]] = field(default_factory=lambda: deque(maxlen=_MOST_KEPT))
    refused: deque[float] = field(default_factory=lambda: deque(maxlen=64))
    asked: OrderedDict[str, float] = field(default_factory=OrderedDict)
    suspension: Suspension | None = None


class TollWatch:
    """All times are seconds on one clock that survives a restart. ``price``: money for (E.164 number, seconds), where it is known."""

    def __init__(self, rules: DialRules, bounds: TollBounds, price: Price) -> None:
        self._rules, self._bounds, self._price = rules, bounds, price
        self._people: OrderedDict[str, _Person] = OrderedDict()
        self._live: dict[str, _Live] = {}
        self._called: dict[str, float] = {}
        """When somebody last talked to a country."""

    # ------------------------------------------------------------------ what others read

    def suspensions(self, now: float) -> dict[str, Suspension]:
        """Those that last, by person."""
        return {
            who: person.suspension
            for who, person in self._people.items()
            if person.suspension is not None and now < person.suspension.until
        }

    def spent(self, who: str | None, now: float) -> tuple[float, float]:
        """Minutes and money of this person (None: of everybody) in the last 24 hours, with what goes on."""
        people = self._people.values() if who is None else [self._people[who]] if who in self._people else []
        over = [each for person in people for each in person.spent if each.ended > now - _DAY_S]
        live = [call for call in self._live.values() if who in (None, call.who)]
        minutes = sum(each.talk_s for each in over) + sum(now - call.answered for call in live if call.answered is not None)
        money = sum(each.cost for each in over) + sum(self._cost(call, now) for call in live)
        return minutes / 60, money

    def objection(self, number: Number) -> str | None:
        """Why nobody may call this number, in words; None where people may."""
        return None if number.e164 is None else dial_objection(number, self._rules)

    def risk(self, number: Number, now: float) -> Risk:
        known = now - self._called.get(number.region, -self._bounds.known_s) < self._bounds.known_s
        return risk_of(number, self._rules, known=known)

    # ------------------------------------------------------------------ what happens

    def ask(self, who: str, number: Number, now: float, *, off_hours: bool = False, confirmed: bool = False) -> None:
        """May this person call this number now? Raises ``TollRefused``. Who may calls ``began`` next.

        ``confirmed``: as for a call that is forwarded to where its owner set it, which was confirmed then.
        """
        risk = self.risk(number, now)
        if risk is Risk.FREE:
            return
        person = self._person(who)
        self._refuse_suspended(person, now)
        if risk is Risk.BLOCKED:
            raise self._refused("number_not_allowed", dial_objection(number, self._rules) or "", person, now)
        if risk is Risk.HIGH and off_hours:
            raise self._refused("off_hours", f"{number.display} is dear, and such calls are not made at this hour.", person, now)
        self._keep_pace(person, risk, now)
        self._keep_bounds(who, person, now)
        if not confirmed and (risk >= Risk.ELEVATED or (risk is Risk.STANDARD and off_hours)):
            self._confirm(person, number, risk, now, off_hours=off_hours)

    def began(self, leg_id: str, who: str, number: Number, now: float) -> None:
        """A call that was asked for: to a number that was dialled, or transferred or forwarded to; ``who`` answers for each alike."""
        risk = self.risk(number, now)
        if risk is not Risk.FREE:
            self._person(who).begun.append((now, risk))
            self._live[leg_id] = _Live(who, number, now)

    def answered(self, leg_id: str, now: float) -> None:
        call = self._live.get(leg_id)
        if call is not None and call.answered is None:
            call.answered = now

    def ended(self, leg_id: str, now: float) -> float | None:
        """What the call cost; None where it was none of ours, was never answered, or nobody knows. Money is known only once."""
        call = self._live.pop(leg_id, None)
        if call is None or call.answered is None or call.number.e164 is None:
            return None
        cost = self._price(call.number.e164, now - call.answered)
        self.restore([Spent(call.who, call.number.region, now, now - call.answered, cost or 0.0)])
        return cost

    def restore(self, calls: Iterable[Spent]) -> None:
        """Calls of earlier times, the oldest first."""
        for call in calls:
            self._person(call.who).spent.append(call)
            self._called[call.region] = max(call.ended, self._called.get(call.region, call.ended))

    def lift(self, who: str) -> bool:
        """Let this person call again; False where nothing was suspended."""
        person = self._people.get(who)
        if person is None or person.suspension is None:
            return False
        person.suspension = None
        person.refused.clear()
        return True

    # ------------------------------------------------------------------ the rules

    def _person(self, who: str) -> _Person:
        person = self._people.pop(who, None) or _Person()
        self._people[who] = person
        if len(self._people) > _MOST_PEOPLE:
            self._people.popitem(last=False)
        return person

    def _refuse_suspended(self, person: _Person, now: float) -> None:
        held = person.suspension
        if held is not None and now < held.until:
            raise TollRefused("calls_suspended", _STOPPED.format(held.why), held.until - now)
        person.suspension = None

    def _keep_pace(self, person: _Person, risk: Risk, now: float) -> None:
        bounds = self._bounds
        paces = (
            (_MINUTE_S, Risk.TRUSTED, bounds.most_a_minute, "calls were begun in a minute"),
            (_HOUR_S, Risk.ELEVATED, bounds.most_risky_an_hour, "unusual calls were begun in an hour"),
            (_HOUR_S, Risk.HIGH, bounds.most_high_an_hour, "dear calls were begun in an hour"),
        )
        for within_s, least, most, what in paces:
            begun = sum(at > now - within_s and each >= least for at, each in person.begun)
            if risk >= least and begun >= most:
                raise self._suspended(person, f"{begun} {what}", now)

    def _keep_bounds(self, who: str, person: _Person, now: float) -> None:
        for whose, bound, words in ((who, self._bounds.person, "you have"), (None, self._bounds.everybody, "all together have")):
            calls = sum(whose in (None, call.who) for call in self._live.values())
            if bound.calls is not None and calls >= bound.calls:
                raise TollRefused(
                    "calls_full", f"There are {calls} calls to public numbers, as many as {words} at once: end one first.", 10.0
                )
            if bound.minutes is None and bound.cost is None:
                continue
            minutes, money = self.spent(whose, now)
            if (bound.minutes is not None and minutes >= bound.minutes) or (bound.cost is not None and money >= bound.cost):
                if whose is not None:
                    raise self._suspended(person, "the day's minutes or money for calls are spent", now)
                raise TollRefused(
                    "budget_spent", "The day's minutes or money for calls of everybody are spent: ask an administrator.", _HOUR_S
                )

    def _confirm(self, person: _Person, number: Number, risk: Risk, now: float, *, off_hours: bool) -> None:
        assert number.e164 is not None
        asked = person.asked.pop(number.e164, None)
        if asked is not None and now - asked <= self._bounds.confirm_within_s:
            return
        person.asked[number.e164] = now
        if len(person.asked) > 8:
            person.asked.popitem(last=False)
        why = (
            "is dear" if risk is Risk.HIGH else "is abroad, and this is not the time of day for that" if off_hours and risk is Risk.STANDARD
            else f"lies in a country ({number.region}) where nobody here called lately"
        )  # fmt: skip
        raise TollRefused("confirm_call", f"{number.display} {why}. To call all the same, dial it again within a minute.")

    def _refused(self, code: str, message: str, person: _Person, now: float) -> TollRefused:
        person.refused.append(now)
        bounds = self._bounds
        lately = sum(at > now - bounds.refused_within_s for at in person.refused)
        if lately < bounds.most_refused:
            return TollRefused(code, message)
        why = f"{lately} calls that are not allowed were tried in {bounds.refused_within_s / 60:g} minutes"
        self._suspend(person, why, now)
        return TollRefused(code, message, suspended=why)

    def _suspended(self, person: _Person, why: str, now: float) -> TollRefused:
        self._suspend(person, why, now)
        message = (
            f"Your calls to public numbers are stopped: {why}. A supervisor can lift that; emergency numbers and extensions can be called."
        )
        return TollRefused("calls_suspended", message, self._bounds.suspended_s, suspended=why)

    def _suspend(self, person: _Person, why: str, now: float) -> None:
        person.suspension = Suspension(why, now, now + self._bounds.suspended_s)

    def _cost(self, call: _Live, now: float) -> float:
        if call.answered is None or call.number.e164 is None:
            return 0.0
        return self._price(call.number.e164, now - call.answered) or 0.0
