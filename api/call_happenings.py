"""Which happenings a call makes: it arrived, its caller waits long, it sounds bad, it is over, nobody took it.

``CallNews`` is pure: records, journal entries and bad seconds go in with ``now``, happenings come out. Each is told once per call.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable

from api.deadline_timer import DeadlineTimer
from api.happenings import Happening, Happenings, Kind
from rooms.deadlines import Deadlines
from rooms.entries import Entry, What
from rooms.flows.conditions import Facts, FactValue
from rooms.record import CallRecord

_BAD_SECONDS, _OF_SECONDS = 5, 10
"""A call sounds bad when so many of so many seconds did."""
_KNOWN_AFTER_S = 1.0
"""So long after a call arrived its caller is told: what is looked up of them is there by then."""
_REMEMBERED = 4_000
_ARRIVED = "arrived"
_OUT_OF_QUEUE = frozenset({What.LED_ON, What.ACCEPTED, What.TURNED_AWAY, What.ENDED})


class CallNews:
    """``waits_s``: a caller who has waited so long in one queue is told of. ``facts(call_id)``: what is known of a call now. Times in
    seconds on the core's clock; ``to_epoch`` turns them into those that happenings carry."""

    def __init__(self, waits_s: Iterable[float], facts: Callable[[str], Facts], to_epoch: Callable[[float], float]) -> None:
        self._waits_s = tuple(sorted(waits_s))
        self._facts = facts
        self._to_epoch = to_epoch
        self._due: Deadlines[tuple[str, str]] = Deadlines()
        self._bad: dict[str, list[float]] = {}
        """When each call sounded bad lately; nothing any more once that was told."""
        self._over: OrderedDict[str, None] = OrderedDict()

    def next_deadline(self) -> float | None:
        return self._due.next()

    def entries(self, entries: Iterable[Entry], now: float) -> None:
        """What the journal says has just happened."""
        for entry in entries:
            call_id = entry.call_id
            if call_id in self._over:
                continue
            if entry.what is What.ARRIVED:
                self._due.set((call_id, _ARRIVED), now + _KNOWN_AFTER_S)
            elif entry.what is What.QUEUED:
                for wait_s in self._waits_s:
                    self._due.set((call_id, f"{wait_s:g}"), now + wait_s)
            elif entry.what in _OUT_OF_QUEUE:
                self._stop_waiting(call_id)

    def expire(self, now: float) -> list[Happening]:
        """What time has brought."""
        told = []
        while (due := self._due.pop_due(now)) is not None:
            call_id, what = due
            if what == _ARRIVED:
                told.append(self._made(Kind.CALLER_ARRIVED, call_id, now, self._facts(call_id)))
            else:
                facts = {**self._facts(call_id), "waited_s": float(what)}
                told.append(self._made(Kind.CALL_WAITED, call_id, now, facts, f"-{what}"))
        return told

    def bad_second(self, call_id: str, hop: str, cause: str, now: float) -> list[Happening]:
        """The call sounded bad in the second before ``now``, at ``hop`` and because of ``cause``."""
        if call_id in self._over:
            return []
        known = self._bad.setdefault(call_id, [])
        if len(known) >= _BAD_SECONDS:
            return []
        known[:] = [*(at for at in known if at > now - _OF_SECONDS), now]
        if len(known) < _BAD_SECONDS:
            return []
        return [self._made(Kind.QUALITY_BAD, call_id, now, {**self._facts(call_id), "hop": hop, "cause": cause})]

    def record(self, record: CallRecord, now: float) -> list[Happening]:
        """A call as it was just recorded; only the end is told of, once."""
        if record.ended_s is None or record.call_id in self._over:
            return []
        self._over[record.call_id] = None
        if len(self._over) > _REMEMBERED:
            self._over.popitem(last=False)
        self._bad.pop(record.call_id, None)
        self._stop_waiting(record.call_id)
        facts = _facts_of(record)
        told = []
        if (record.call_id, _ARRIVED) in self._due:
            self._due.clear((record.call_id, _ARRIVED))
            told.append(self._made(Kind.CALLER_ARRIVED, record.call_id, now, facts))
        told.append(self._made(Kind.CALL_ENDED, record.call_id, now, facts))
        if record.direction == "in" and record.answered_s is None:
            told.append(self._made(Kind.CALL_MISSED, record.call_id, now, facts))
        return told

    def _stop_waiting(self, call_id: str) -> None:
        for wait_s in self._waits_s:
            self._due.clear((call_id, f"{wait_s:g}"))

    def _made(self, kind: Kind, call_id: str, now: float, facts: Facts, mark: str = "") -> Happening:
        return Happening(kind, call_id, self._to_epoch(now), facts, call_id=call_id, happening_id=f"{call_id}-{kind}{mark}")


def _facts_of(record: CallRecord) -> Facts:
    ended_s, tally = record.ended_s or record.started_s, record.tally
    facts: dict[str, FactValue] = {
        "direction": record.direction,
        "caller": record.caller,
        "called": record.called,
        "agent": record.agent,
        "entry": tally.entry,
        "language": tally.language,
        "queue": tally.queue,
        "waited_s": tally.waited_s,
        "talk_s": tally.talk_s,
        "duration_s": ended_s - record.started_s,
        "answered": record.answered_s is not None,
        "vip": tally.vip,
        "reason": record.cause.reason.value if record.cause else "",
        "call_back": tally.call_back,
    }
    return {name: value for name, value in facts.items() if value != ""}


class CallWatch:
    """Tells ``happenings`` what calls make of them. ``clock``: seconds on the core's clock. To be closed."""

    def __init__(self, news: CallNews, happenings: Happenings, clock: Callable[[], float]) -> None:
        self._news = news
        self._happenings = happenings
        self._clock = clock
        self._timer = DeadlineTimer(news.next_deadline, clock, self._expire)

    def hear_entries(self, entries: Iterable[Entry]) -> None:
        self._news.entries(entries, self._clock())
        self._timer.arm()

    def hear_bad_second(self, call_id: str, hop: str, cause: str) -> None:
        self._tell(self._news.bad_second(call_id, hop, cause, self._clock()))

    def hear_record(self, record: CallRecord) -> None:
        self._tell(self._news.record(record, self._clock()))

    def close(self) -> None:
        self._timer.close()

    def _expire(self) -> None:
        self._tell(self._news.expire(self._clock()))

    def _tell(self, happenings: Iterable[Happening]) -> None:
        for happening in happenings:
            self._happenings.tell(happening)
