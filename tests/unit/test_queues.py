"""Who waits where and who is offered whom: each rule by itself. The rules together: test_queues_properties.py."""

from random import Random

import pytest

from benchmarks.centre import Caller, Centre, Fate
from rooms.erlang import expected
from rooms.queues.figures import Figures
from rooms.queues.needs import course_of
from rooms.queues.queue_plan import QueuePlan, SkillNeed, Strategy
from rooms.queues.queues import Queues
from rooms.queues.ticket import Entered, Left, Medium, Offer, Refused, Ticket

ANYWHERE = frozenset[str]()


class Floor:
    """Queues with agents, told in few words."""

    def __init__(self, *plans: QueuePlan, agents: str = "ana") -> None:
        self.queues = Queues()
        self.queues.plan({plan.name: plan for plan in plans or (QueuePlan("sales"),)}, 0)
        for identity in agents.split():
            self.queues.agent(identity, {}, ANYWHERE, 0)

    def enter(self, ticket_id: str, now: float, queue: str = "sales", **facts: object) -> Entered:
        return self.queues.enter(Ticket(ticket_id, queue, **{"since_s": now, **facts}), now)  # type: ignore[arg-type]

    def decided(self, now: float) -> list[tuple[str, ...]]:
        return [(offer.ticket_id, *offer.agents) for offer in self.queues.decide(now)]

    def figures(self, now: float, queue: str = "sales") -> Figures:
        found = self.queues.figures(queue, now)
        assert found is not None
        return found


def test_first_come_first_served_to_who_has_been_idle_longest() -> None:
    floor = Floor(agents="ana bea cai")
    floor.enter("one", 0)
    floor.enter("two", 1)
    assert floor.decided(1) == []
    for identity, since_s in (("ana", 5), ("bea", 3), ("cai", 4)):
        floor.queues.free(identity, 6, since_s)
    assert floor.decided(6) == [("one", "bea"), ("two", "cai")]
    floor.enter("three", 7)
    assert floor.decided(7) == [("three", "ana")]


@pytest.mark.parametrize(
    ("strategy", "chosen"),
    [
        (Strategy.LONGEST_IDLE, ("ana",)),
        (Strategy.FEWEST_CALLS, ("bea",)),
        (Strategy.SKILL_FIRST, ("cai",)),
        (Strategy.RING_ALL, ("ana", "bea", "cai")),
    ],
)
def test_strategies(strategy: Strategy, chosen: tuple[str, ...]) -> None:
    floor = Floor(QueuePlan("sales", strategy, (SkillNeed("es"),)), agents="")
    for identity, level in (("ana", 1), ("bea", 2), ("cai", 3)):
        floor.queues.agent(identity, {"es": level}, ANYWHERE, 0)
    for identity in ("ana", "cai"):  # one call each, so that the third has the fewest
        floor.queues.free(identity, 1)
        floor.enter("before", 1)
        floor.decided(1)
        floor.queues.answered("before", identity, 1)
    for at, identity in enumerate(("ana", "bea", "cai")):
        floor.queues.free(identity, 10 + at)
    floor.enter("one", 20)
    assert floor.decided(20) == [("one", *chosen)]


@pytest.mark.parametrize(("away_s", "chosen"), [(5, "bea"), (601, "ana")])
def test_who_loads_the_page_again_has_taken_as_many_calls_as_before(away_s: float, chosen: str) -> None:
    floor = Floor(QueuePlan("sales", Strategy.FEWEST_CALLS))
    for now in (1, 2):
        floor.queues.free("ana", now)
        floor.enter("before", now)
        floor.decided(now)
        floor.queues.answered("before", "ana", now)
    floor.queues.forget("ana", 10)
    now = 10 + away_s
    for identity in ("bea", "ana"):
        floor.queues.agent(identity, {}, ANYWHERE, now)
    floor.queues.free("ana", now)
    floor.queues.free("bea", now + 1)
    floor.enter("one", now + 1)
    assert floor.decided(now + 1) == [("one", chosen)]


def test_of_all_who_ring_the_first_to_answer_has_it_and_the_others_are_as_free_as_before() -> None:
    floor = Floor(QueuePlan("sales", Strategy.RING_ALL), agents="ana bea")
    floor.queues.free("ana", 1)
    floor.queues.free("bea", 2)
    floor.enter("one", 3)
    assert floor.decided(3) == [("one", "ana", "bea")]
    assert floor.queues.answered("one", "bea", 4)
    assert not floor.queues.answered("one", "ana", 4)
    floor.enter("two", 5)
    assert floor.decided(5) == [("two", "ana")]


def test_it_rings_on_until_the_last_one_refuses() -> None:
    floor = Floor(QueuePlan("sales", Strategy.RING_ALL), agents="ana bea")
    floor.queues.free("ana", 1)
    floor.queues.free("bea", 2)
    floor.enter("one", 3)
    floor.decided(3)
    floor.queues.refused("one", "ana", 4, Refused.DECLINED)
    assert floor.decided(4) == [] and floor.queues.answered("one", "bea", 5)


def test_needs_fall_while_somebody_waits() -> None:
    floor = Floor(QueuePlan("sales", needs=(SkillNeed("en", 3, ((30, 2), (60, 0))),)), agents="")
    floor.queues.agent("bea", {"en": 2}, ANYWHERE, 0)
    floor.queues.free("bea", 0)
    floor.enter("one", 0)
    assert floor.decided(0) == [] and floor.queues.next_deadline() == 30
    assert floor.decided(29.9) == [] and floor.decided(30) == [("one", "bea")]
    floor.queues.agent("ana", {}, ANYWHERE, 40)
    floor.queues.free("ana", 40)
    floor.enter("two", 40)
    assert floor.decided(40) == [] and floor.decided(70) == [] and floor.queues.next_deadline() == 100
    assert floor.decided(100) == [("two", "ana")]


def test_the_needs_of_a_caller_stand_beside_those_of_the_queue() -> None:
    needs = (SkillNeed("en", 1), SkillNeed("en", 3, ((10, 2),)), SkillNeed("vip", 1, ((20, 0),)))
    assert course_of(needs) == ((0.0, (("en", 3), ("vip", 1))), (10, (("en", 2), ("vip", 1))), (20, (("en", 2),)))
    assert course_of(()) == ((0.0, ()),)


def test_urgent_ones_go_first_but_nobody_starves() -> None:
    """A step of priority is worth a minute: who has waited that long is overtaken by no urgent one who comes later."""
    floor = Floor(QueuePlan("sales", ageing_s=60))
    floor.enter("patient", 0)
    floor.enter("urgent", 59, priority=1)
    floor.enter("later", 61, priority=1)
    assert [floor.queues.position(name) for name in ("urgent", "patient", "later")] == [1, 2, 3]
    order = []
    for now in (70, 80, 90):
        floor.queues.free("ana", now)
        order.append(floor.decided(now)[0][0])
        floor.queues.answered(order[-1], "ana", now)
    assert order == ["urgent", "patient", "later"]


def test_an_agent_of_two_queues_gets_the_weightier_then_the_longer_wait() -> None:
    floor = Floor(QueuePlan("sales"), QueuePlan("gold", priority=2, ageing_s=60), agents="")
    floor.queues.agent("ana", {}, frozenset({"sales", "gold"}), 0)
    floor.enter("plain", 0)
    floor.enter("golden", 100, "gold")
    floor.enter("equal", 120, "gold")  # at 120: the plain one waited for two steps
    floor.queues.free("ana", 120)
    assert floor.decided(120) == [("golden", "ana")]
    floor.queues.leave("golden", Left.ABANDONED, 120)
    assert floor.decided(120) == [("plain", "ana")]


def test_of_equal_worth_who_has_waited_longer() -> None:
    """Also when the other one's needs put them in another lane, and that lane was there before."""
    floor = Floor(QueuePlan("sales", ageing_s=64), agents="")
    floor.queues.agent("ana", {"en": 1}, ANYWHERE, 0)
    floor.enter("short", 100, needs=(SkillNeed("en"),), priority=1)
    floor.enter("long", 100, since_s=36)
    floor.queues.free("ana", 100)
    assert floor.decided(100) == [("long", "ana")]


def test_who_cannot_be_served_holds_up_nobody() -> None:
    floor = Floor(QueuePlan("sales", wait_without_agents=True))
    floor.enter("dutch", 0, needs=(SkillNeed("nl"),))
    floor.enter("other", 1)
    floor.queues.free("ana", 2)
    assert floor.decided(2) == [("other", "ana")] and floor.queues.position("dutch") == 1


def test_the_last_agent_is_waited_for_but_not_for_long() -> None:
    floor = Floor(QueuePlan("sales", sticky_s=15), agents="ana bea")
    floor.queues.free("ana", 0)
    floor.enter("one", 10, last_agent="bea")
    floor.enter("two", 11)
    assert floor.decided(11) == [("two", "ana")] and floor.queues.next_deadline() == 25
    floor.queues.refused("two", "ana", 12, Refused.GONE)
    floor.queues.free("bea", 13)
    assert floor.decided(13) == [("one", "bea")]


@pytest.mark.parametrize("how", ["break", "gone", "in vain", "refuses"])
def test_a_last_agent_who_is_not_there_is_not_waited_for(how: str) -> None:
    floor = Floor(QueuePlan("sales", sticky_s=15), agents="ana bea")
    floor.queues.free("ana", 0)
    if how == "refuses":
        floor.queues.free("bea", 0)
    floor.enter("one", 10, last_agent="bea")
    assert floor.decided(10) == ([("one", "bea")] if how == "refuses" else [])
    match how:
        case "break":
            floor.queues.engaged("bea", 11, away=True)
        case "gone":
            floor.queues.forget("bea", 11)
        case "refuses":
            floor.queues.refused("one", "bea", 11, Refused.DECLINED)
    assert floor.decided(25 if how == "in vain" else 11) == [("one", "ana")]


def test_who_refuses_is_passed_over_for_a_while_and_comes_last() -> None:
    floor = Floor(QueuePlan("sales", ring_s=20), agents="ana bea")
    floor.queues.free("ana", 0)
    floor.queues.free("bea", 5)
    floor.enter("one", 10)
    assert floor.decided(10) == [("one", "ana")]
    floor.queues.refused("one", "ana", 12, Refused.NO_ANSWER)
    assert floor.decided(12) == [("one", "bea")]
    floor.queues.refused("one", "bea", 14, Refused.DECLINED)
    assert floor.decided(14) == [] and floor.queues.next_deadline() == 32
    floor.enter("two", 15)
    assert floor.decided(15) == [("two", "ana")], "bea refused later"
    assert floor.decided(32) == [] and floor.decided(34) == [("one", "bea")]


def test_who_refused_one_comes_last_for_the_next() -> None:
    floor = Floor(agents="ana bea")
    floor.queues.free("ana", 0)
    floor.queues.free("bea", 5)
    floor.enter("one", 10)
    assert floor.decided(10) == [("one", "ana")]
    floor.queues.refused("one", "ana", 12, Refused.DECLINED)
    floor.queues.leave("one", Left.ABANDONED, 12)
    floor.enter("two", 13)
    assert floor.decided(13) == [("two", "bea")]


def test_who_vanishes_gets_nothing_until_back_and_the_caller_goes_to_another() -> None:
    floor = Floor(agents="ana bea")
    floor.queues.free("ana", 0)
    floor.queues.free("bea", 1)
    floor.enter("one", 2)
    assert floor.decided(2) == [("one", "ana")]
    floor.queues.forget("ana", 3)
    assert floor.decided(3) == [("one", "bea")]
    floor.queues.refused("one", "bea", 4, Refused.GONE)
    floor.enter("two", 5)
    assert floor.decided(100) == []
    floor.queues.free("bea", 101)
    assert floor.decided(101) == [("one", "bea")] and floor.queues.position("one") == 1


def test_an_agent_has_one_at_a_time_whatever_the_medium() -> None:
    floor = Floor()
    floor.queues.free("ana", 0)
    floor.enter("call", 1)
    floor.enter("video", 2, medium=Medium.CONSULTATION)
    assert floor.decided(2) == [("call", "ana")]
    assert floor.queues.answered("call", "ana", 3) and floor.decided(3) == []
    floor.queues.free("ana", 60)
    assert floor.decided(60) == [("video", "ana")]
    floor.queues.engaged("ana", 61)  # a call of her own came between
    floor.queues.refused("video", "ana", 61, Refused.DECLINED)
    floor.enter("more", 62)
    assert floor.decided(1000) == []


def test_a_caller_who_leaves_while_it_rings_gives_the_agent_back() -> None:
    floor = Floor()
    floor.queues.free("ana", 0)
    floor.enter("one", 1)
    floor.decided(1)
    assert floor.queues.leave("one", Left.ABANDONED, 2) and not floor.queues.leave("one", Left.ABANDONED, 2)
    assert not floor.queues.answered("one", "ana", 2) and not floor.queues.refused("one", "ana", 2, Refused.DECLINED)
    floor.enter("two", 3)
    assert floor.decided(3) == [("two", "ana")]


def test_full_nobody_and_no_such_queue() -> None:
    floor = Floor(QueuePlan("sales", max_waiting=1), agents="")
    assert floor.enter("one", 0) == "nobody" and floor.enter("one", 0, "nowhere") == "unknown_queue"
    floor.queues.agent("ana", {}, frozenset({"support"}), 0)
    assert floor.enter("one", 0) == "nobody"
    floor.queues.agent("ana", {}, ANYWHERE, 0)
    floor.queues.free("ana", 0)
    assert floor.enter("one", 0) == "waiting" and floor.decided(0) == [("one", "ana")]
    assert floor.enter("two", 0) == "waiting", "who rings at an agent takes no place"
    assert floor.enter("three", 0) == "full"
    assert floor.enter("back", 0, medium=Medium.CALL_BACK) == "waiting" and floor.enter("back2", 0, medium=Medium.CALL_BACK) == "full"
    with pytest.raises(ValueError, match="waits already"):
        floor.enter("two", 0)
    told = floor.figures(10)
    assert (told.full, told.nobody, told.entered, told.waiting, told.call_backs, told.ringing) == (2, 2, 3, 3, 1, 1)


def test_callers_are_forsaken_when_the_last_agent_has_gone_but_not_while_a_page_loads_again() -> None:
    floor = Floor(QueuePlan("sales"), QueuePlan("night", wait_without_agents=True), agents="ana")
    floor.enter("one", 0)
    floor.enter("back", 0, medium=Medium.CALL_BACK)
    floor.enter("patient", 0, "night")
    floor.queues.forget("ana", 10)
    assert floor.queues.next_deadline() == 40 and floor.decided(39) == [] and floor.queues.forsaken(39) == []
    floor.queues.agent("ana", {}, ANYWHERE, 39)
    assert floor.queues.next_deadline() is None
    floor.queues.forget("ana", 50)
    assert floor.decided(80) == [] and floor.queues.forsaken(80) == ["one"]
    floor.queues.leave("one", Left.OVERFLOWED, 80)
    assert floor.queues.forsaken(90) == [] and floor.queues.next_deadline() is None


def test_a_call_back_keeps_the_place_and_waits_for_agents_of_another_day() -> None:
    floor = Floor(agents="ana")
    floor.enter("one", 0)
    floor.enter("two", 5)
    floor.queues.leave("one", Left.CALL_BACK, 60)
    assert floor.enter("one-back", 60, since_s=0, medium=Medium.CALL_BACK) == "waiting"
    assert floor.queues.position("one-back") == 1 and floor.queues.position("two") == 2
    floor.queues.free("ana", 61)
    assert floor.decided(61) == [("one-back", "ana")]
    floor.queues.answered("one-back", "ana", 62)
    told = floor.figures(62)
    assert (told.called_back, told.call_backs_served, told.served, told.service_level) == (1, 1, 0, None)
    floor.queues.forget("ana", 63)
    assert floor.enter("kept", 70, medium=Medium.CALL_BACK) == "waiting"


def test_a_new_plan_takes_hold_of_who_waits_and_a_queue_that_is_gone_serves_to_the_end() -> None:
    floor = Floor(QueuePlan("sales", ageing_s=10), QueuePlan("old"))
    floor.enter("first", 0)
    floor.enter("urgent", 30, priority=1)
    floor.enter("left", 31, "old")
    assert floor.queues.position("urgent") == 2
    floor.queues.plan({"sales": QueuePlan("sales", ageing_s=100, priority=5)}, 40)
    assert floor.queues.position("urgent") == 1
    assert floor.enter("late", 41, "old") == "unknown_queue"
    order = []
    for now in (50, 60, 70):
        floor.queues.free("ana", now)
        order += [name for name, _ in floor.decided(now)]
        floor.queues.answered(order[-1], "ana", now)
    assert order == ["urgent", "first", "left"] and floor.queues.figures("old", 80) is None


def test_the_service_level_and_whom_it_counts() -> None:
    floor = Floor(QueuePlan("sales", service_level_s=20, short_abandon_s=5), agents="ana")
    fates = [("quick", 0, 10), ("slow", 0, 30), ("edge", 0, 20)]
    for name, since_s, now in sorted(fates, key=lambda fate: fate[2]):
        floor.enter(name, since_s)
        floor.queues.free("ana", now)
        assert floor.decided(now) == [(name, "ana")] and floor.queues.answered(name, "ana", now)
    for name, how, waited_s in (
        ("wrong number", Left.ABANDONED, 5),
        ("gave up", Left.ABANDONED, 6),
        ("led on", Left.OVERFLOWED, 60),
        ("called back", Left.CALL_BACK, 60),
        ("too long", Left.TIMEOUT, 90),
        ("picked up", Left.SERVED, 9),
    ):
        floor.enter(name, 100)
        floor.queues.leave(name, how, 100 + waited_s)
    told = floor.figures(200)
    assert (told.served, told.in_time, told.abandoned, told.short_abandoned, told.overflowed, told.timed_out) == (4, 3, 2, 1, 1, 1)
    assert told.service_level == pytest.approx(3 / 7) and told.wait_s == pytest.approx((10 + 20 + 30 + 9) / 4)


def test_the_wait_that_is_told() -> None:
    floor = Floor(QueuePlan("sales"), agents="ana bea")
    floor.enter("one", 0)
    assert floor.queues.estimate_s("one", 0) is None and floor.queues.estimate_s("nobody", 0) is None
    floor.queues.free("ana", 0)
    floor.decided(0)
    assert floor.queues.estimate_s("one", 0) == 0, "it rings"
    floor.queues.answered("one", "ana", 0)
    floor.queues.free("ana", 120)  # the first call took two minutes
    floor.queues.engaged("ana", 120)
    for name in ("two", "three", "four"):
        floor.enter(name, 120)
    assert [floor.queues.estimate_s(name, 120) for name in ("two", "three", "four")] == [60, 120, 180]
    floor.queues.engaged("bea", 121, away=True)
    assert floor.queues.estimate_s("three", 121) == 240, "one agent less"
    floor.queues.engaged("ana", 122, away=True)
    assert floor.queues.estimate_s("three", 122) is None


def test_callers_of_other_queues_count_as_far_as_the_same_agents_serve_them() -> None:
    floor = Floor(QueuePlan("sales"), QueuePlan("tours"), agents="")
    floor.queues.agent("ana", {}, ANYWHERE, 0)
    floor.queues.agent("bea", {}, frozenset({"tours"}), 0)
    floor.queues.free("ana", 0)
    floor.enter("before", 0)
    floor.decided(0)
    floor.queues.answered("before", "ana", 0)
    floor.queues.free("ana", 100)
    floor.queues.engaged("ana", 100)
    floor.enter("tour", 100, "tours")
    floor.enter("sale", 101)
    assert floor.queues.estimate_s("sale", 101) == pytest.approx(100 * 1.5)


def test_words_that_were_too_short_stretch_those_to_come() -> None:
    floor = Floor(agents="ana")
    now = 0.0
    for number in range(400):  # each call takes 60 s, but an agent works on her own for as long after it
        floor.enter(str(number), now)
        floor.queues.estimate_s(str(number), now)
        floor.queues.free("ana", now + 120)
        floor.decided(now + 120)
        floor.queues.answered(str(number), "ana", now + 120)
        floor.queues.free("ana", now + 180)
        floor.queues.engaged("ana", now + 180)
        now += 180
    floor.enter("last", now)
    assert floor.queues.estimate_s("last", now) == pytest.approx(120, rel=0.1)


def test_plans_and_needs_that_mean_nothing_are_refused() -> None:
    for wrong in ({"ageing_s": 0}, {"ring_s": 0}, {"service_level_s": -1}, {"max_waiting": 0}):
        with pytest.raises(ValueError, match="'sales'"):
            QueuePlan("sales", **wrong)  # type: ignore[arg-type]
    for skill, level, relax in (("", 1, ()), ("es", 0, ()), ("es", 1, ((0.0, 1),)), ("es", 1, ((5.0, -1),))):
        with pytest.raises(ValueError):
            SkillNeed(skill, level, relax)


def test_offers_are_what_they_say() -> None:
    floor = Floor()
    floor.queues.free("ana", 0)
    floor.enter("one", 0)
    assert floor.queues.decide(0) == [Offer("one", "sales", ("ana",))]


def test_simulated_callers_fare_as_erlang_a_says() -> None:
    """20,000 calls; 4 sigma of chance are about 6 %. A million, and Erlang C: ``python -m benchmarks queue_simulation``."""
    chance, fates = Random(3), list[Fate]()
    centre = Centre({"sales": QueuePlan("sales", max_waiting=10_000)}, chance, fates.append)
    for number in range(10):
        centre.sign_in((f"agent{number}", {}, ANYWHERE))
    rate, at_s, callers = 10 / 180, 0.0, []
    for number in range(20_000):
        at_s += chance.expovariate(rate)
        callers.append(Caller(str(number), "sales", at_s, chance.expovariate(1 / 180), chance.expovariate(1 / 120)))
    centre.run(iter(callers))
    theory = expected(20_000 / at_s, sum(caller.handle_s for caller in callers) / 20_000, 10, 120, short_abandon_s=5)
    told = centre.queues.figures("sales", centre.now)
    assert told is not None and told.service_level == pytest.approx(theory.service_level, rel=0.04)
    assert sum(fate.wait_s for fate in fates) / 20_000 == pytest.approx(theory.wait_s, rel=0.1)
    assert told.abandoned / 20_000 == pytest.approx(theory.abandoned, rel=0.1)
    assert centre.wrong == 0 and centre.left_over == 0 and len(fates) == 20_000
