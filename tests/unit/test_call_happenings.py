"""Which happenings calls make: each once, whatever is told again."""

from api.call_happenings import CallNews
from api.happenings import Happening, Happenings
from rooms.causes import Cause, EndReason
from rooms.entries import Entry, What
from rooms.record import CallRecord, CallState, CallTally

FACTS = {"caller": "+34600111222", "vip": True}


def news(*waits_s: float) -> CallNews:
    return CallNews(waits_s, lambda call_id: FACTS, lambda at_s: 1_000.0 + at_s)


def entry(what: What, at_s: float = 0.0, party: str = "") -> Entry:
    return Entry("c1", 1, at_s, what, party)


def record(answered_s: float | None = None, ended_s: float | None = None, direction: str = "in") -> CallRecord:
    state = CallState.ENDED if ended_s is not None else CallState.LIVE
    cause = Cause(EndReason.GAVE_UP) if ended_s is not None else None
    tally = CallTally(queue="sales", waited_s=3.0)
    return CallRecord("c1", direction, "+34600111222", "", "100", "", state, 0.0, answered_s, ended_s, cause, (), tally)


def kinds(told: list[Happening]) -> list[str]:
    return [happening.kind for happening in told]


def test_a_caller_is_told_of_when_what_is_known_of_them_is_there() -> None:
    core = news()
    core.entries([entry(What.ARRIVED)], 0.0)
    assert core.next_deadline() == 1.0 and core.expire(0.9) == []
    [told] = core.expire(1.0)
    assert (told.kind, told.facts, told.call_id, told.at) == ("caller.arrived", FACTS, "c1", 1_001.0)
    assert core.next_deadline() is None


def test_who_gives_up_at_once_has_arrived_ended_and_was_missed_once() -> None:
    core = news()
    core.entries([entry(What.ARRIVED)], 0.0)
    told = core.record(record(ended_s=0.5), 0.5)
    assert kinds(told) == ["caller.arrived", "call.ended", "call.missed"]
    assert told[1].facts["queue"] == "sales" and told[1].facts["answered"] is False and told[1].facts["reason"] == EndReason.GAVE_UP.value
    assert core.record(record(ended_s=0.5), 0.6) == [] and core.next_deadline() is None


def test_an_answered_call_and_one_that_we_placed_were_not_missed() -> None:
    assert kinds(news().record(record(answered_s=1.0, ended_s=9.0), 9.0)) == ["call.ended"]
    assert kinds(news().record(record(ended_s=9.0, direction="out"), 9.0)) == ["call.ended"]
    assert news().record(record(answered_s=1.0), 1.0) == []


def test_a_long_wait_is_told_at_each_bound_and_ends_with_the_wait() -> None:
    core = news(120.0, 30.0)
    core.entries([entry(What.QUEUED, party="sales")], 0.0)
    [first] = core.expire(30.0)
    assert first.facts["waited_s"] == 30.0 and first.happening_id == "c1-call.waited-30"
    [second] = core.expire(120.0)
    assert second.facts["waited_s"] == 120.0
    core.entries([entry(What.QUEUED, party="sales")], 200.0)
    core.entries([entry(What.ACCEPTED)], 210.0)
    assert core.next_deadline() is None


def test_five_bad_seconds_of_ten_are_told_once() -> None:
    core = news()
    assert [core.bad_second("c1", "caller", "loss", at) for at in (0.0, 3.0, 12.0, 13.0, 14.0, 15.0)] == [[]] * 6
    [told] = core.bad_second("c1", "caller", "loss", 16.0)
    assert (told.kind, told.facts["hop"], told.facts["cause"]) == ("quality.bad", "caller", "loss")
    assert core.bad_second("c1", "caller", "loss", 17.0) == []


def test_a_hearer_that_fails_costs_nobody_else_and_what_is_told_meanwhile_comes_after() -> None:
    happenings, heard = Happenings(), []

    def fails(happening: Happening) -> None:
        raise RuntimeError("a defect")

    def answers(happening: Happening) -> None:
        heard.append(happening.subject)
        if happening.subject == "first":
            happenings.tell(Happening("call.ended", "second", 0.0, {}))
            heard.append("told")

    happenings.listen(fails)
    happenings.listen(answers)
    happenings.tell(Happening("call.ended", "first", 0.0, {}))
    assert heard == ["first", "told", "second"] and happenings.counts == {"call.ended": 2, "faults": 2}
