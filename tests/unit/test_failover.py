"""Several PBXs as one line, in virtual time: real user agents at both ends, one PBX killed, slow, full or refusing."""

from collections import Counter

import pytest

from pbx.message import AnyMessage, Response
from pbx.trunk import Answered, Arrived, Confirmed, HungUp, Rang, Refused, StatusChanged, TransferAsked, TransferProgressed
from pbx.trunk_health import FailoverSettings
from rooms.causes import Cause, EndReason
from tests.kit.virtual_group import VirtualGroup
from tests.kit.virtual_sip import endpoint

BYE = Cause(EndReason.COMPLETED)


def test_the_first_pbx_takes_calls() -> None:
    group = VirtualGroup()
    group.dial("x")
    group.run(1)
    assert group.where("x") == "a" and len(group.of(Answered, "x")) == 1
    assert not group.pbx["b"].events


def test_a_killed_pbx_costs_one_call_two_seconds_and_later_calls_nothing() -> None:
    group = VirtualGroup()
    group.dial("before-b")
    group.kill("a")
    group.dial("first")
    group.run(1.9)
    assert not group.of(Answered) and not group.pbx["b"].events
    group.run(0.2)
    assert group.where("first") == "b" and len(group.of(Answered, "first")) == 1
    group.dial("second")
    group.run(0.1)
    assert group.where("second") == "b" and len(group.of(Answered, "second")) == 1
    group.run(100)
    assert not group.of(Refused) and not group.of(HungUp)


def test_live_calls_of_the_other_pbx_are_untouched() -> None:
    group = VirtualGroup(priorities=(1, 1))
    group.dial("one")
    group.dial("two")
    group.run(1)
    assert {group.where("one"), group.where("two")} == {"a", "b"}
    group.kill("a")
    group.dial("three")
    group.run(3)
    stays = "one" if group.where("one") == "b" else "two"
    group.run(600)
    assert group.where(stays) == "b" and not group.of(HungUp, stays)
    group.hang_up(stays, BYE)
    group.run(1)
    assert len(group.pbx["b"].events) and isinstance(group.pbx["b"].events[-1], HungUp)


def test_a_late_200_of_the_pbx_that_was_left_gets_ack_and_bye_and_nobody_hears_of_it() -> None:
    group = VirtualGroup()
    group.silent = {"a"}

    def slow(message: AnyMessage) -> list[float]:
        from_a = isinstance(message, Response) and message.cseq[1] == "INVITE" and message.to_address.uri.endswith("10.0.1.1")
        return [3.0] if from_a else [0.01]

    group.network.fate = slow
    group.dial("x")
    group.run(1)
    late = group.pbx["a"].last(Arrived).leg_id
    group.pbx["a"].agent.answer(late, endpoint(group.pbx["a"].host), group.network.now)
    group.run(10)
    assert group.where("x") == "b" and len(group.of(Answered, "x")) == 1
    assert group.pbx["a"].count(Confirmed) == 1 and group.pbx["a"].last(HungUp).leg_id == late
    assert not group.of(Refused) and not group.of(HungUp)
    assert group.near["a"].agent.calls == 0


def test_a_pbx_that_wakes_up_after_it_was_left_is_told_to_cancel() -> None:
    group = VirtualGroup()
    group.silent = {"a"}
    group.kill("a")
    group.dial("x")
    group.run(2.5)
    group.revive("a")
    group.run(10)
    assert group.pbx["a"].last(HungUp).cause.reason is EndReason.GAVE_UP
    assert group.where("x") == "b"


@pytest.mark.parametrize("status", [503, 408])
def test_a_pbx_that_says_it_cannot_is_left_at_once(status: int) -> None:
    group = VirtualGroup()
    group.refusal["a"] = Cause(EndReason.UNREACHABLE, status)
    group.dial("x")
    group.run(0.2)
    assert group.where("x") == "b" and len(group.of(Answered, "x")) == 1
    group.dial("y")
    group.run(0.2)
    assert len(group.pbx["a"].events) == 1, "later calls go to the healthy one at once"


@pytest.mark.parametrize("status", [403, 404, 480, 484, 486, 488, 500, 600, 603])
def test_a_refusal_is_never_asked_for_a_second_time(status: int) -> None:
    group = VirtualGroup()
    group.refusal["a"] = Cause(EndReason.DECLINED, status)
    group.dial("x")
    group.run(60)
    assert [event.cause.sip for event in group.of(Refused, "x")] == [status]
    assert not group.pbx["b"].events
    assert group.core.lines()[0].status.ready, "the PBX is well: it was the person who refused"


def test_a_call_that_rang_is_not_tried_elsewhere() -> None:
    group = VirtualGroup()
    group.silent = {"a"}
    group.dial("x")
    group.run(0.1)
    arrived = group.pbx["a"].last(Arrived).leg_id
    group.pbx["a"].agent.ring(arrived, group.network.now)
    group.run(5)
    group.pbx["a"].agent.hang_up(arrived, Cause(EndReason.UNREACHABLE, 503), group.network.now)
    group.run(5)
    assert len(group.of(Rang, "x")) == 1 and group.of(Refused, "x")[0].cause.sip == 503
    assert not group.pbx["b"].events


def test_100_trying_is_answer_enough() -> None:
    group = VirtualGroup()
    group.silent = {"a"}
    group.dial("x")
    group.run(20)
    assert group.where("x") == "a" and not group.pbx["b"].events


def test_the_last_pbx_has_all_the_time_there_is() -> None:
    group = VirtualGroup()
    group.kill("a")
    group.kill("b")
    group.dial("x")
    group.run(30)
    assert not group.of(Refused)
    group.run(10)
    assert group.of(Refused, "x")[0].cause.reason is EndReason.UNREACHABLE
    assert group.where("x") == ""


def test_giving_up_while_a_pbx_is_silent_ends_it() -> None:
    group = VirtualGroup()
    group.kill("a")
    group.dial("x")
    group.run(1)
    group.hang_up("x", Cause(EndReason.GAVE_UP))
    group.run(60)
    assert len(group.of(Refused, "x")) == 1 and not group.pbx["b"].events
    assert group.where("x") == ""


def test_calls_come_in_from_all_and_are_answered_where_they_came_from() -> None:
    group = VirtualGroup()
    for name in "ab":
        group.pbx[name].dial("100", "in-" + name)
        group.run(0.1)
        arrived = group.of(Arrived)[-1]
        assert arrived.trunk == "pbx"
        trunk = group.core.trunk_of(arrived.leg_id)
        assert trunk is not None and trunk.name == name
        trunk.answer(arrived.leg_id, endpoint("192.0.2.1"))
        group.run(0.1)
        assert group.pbx[name].count(Answered) == 1
        group.hang_up(arrived.leg_id, BYE)
        group.run(0.1)
        assert group.pbx[name].count(HungUp) == 1 and group.where(arrived.leg_id) == ""


def test_a_full_pbx_is_passed_over_and_stays_healthy() -> None:
    group = VirtualGroup(max_calls=1)
    for leg_id in ("one", "two", "three"):
        group.dial(leg_id)
        group.run(0.2)
    assert (group.where("one"), group.where("two"), group.where("three")) == ("a", "b", "")
    (refused,) = group.of(Refused)
    assert refused.leg_id == "three" and "Every PBX carries as many calls as it may" in refused.cause.detail
    assert [line.status.ready and line.full for line in group.core.lines()] == [True, True]


def test_it_returns_by_steps_each_after_health_was_seen() -> None:
    group = VirtualGroup(failover=FailoverSettings(rest_s=10, step_s=10), keepalive_s=1.0)
    group.kill("a")
    group.dial("lost")
    group.run(3)
    group.revive("a")
    dialled: Counter[float] = Counter()
    taken: Counter[float] = Counter()
    for number in range(260):
        share = group.health["a"].share
        leg_id = f"call-{number}"
        group.dial(leg_id)
        group.run(0.1)
        dialled[share] += 1
        taken[share] += group.where(leg_id) == "a"
        group.hang_up(leg_id, BYE)
        group.run(0.1)
    assert list(dialled) == [0.0, 0.05, 0.2, 0.5, 1.0]
    assert all(abs(taken[share] - share * count) <= 1 and count >= 40 for share, count in dialled.items())
    assert not group.of(HungUp) and not group.of(Refused)
    words = [event.status.detail for event in group.of(StatusChanged) if event.trunk == "a"]
    assert [next(part for part in ("no new calls", "5 %", "20 %", "50 %", "answers") if part in text) for text in words[-5:]] == [
        "no new calls",
        "5 %",
        "20 %",
        "50 %",
        "answers",
    ]


def test_one_failure_on_the_way_back_and_it_starts_again_later() -> None:
    group = VirtualGroup(failover=FailoverSettings(rest_s=10, step_s=30))
    group.kill("a")
    group.dial("lost")
    group.run(3)
    group.revive("a")
    group.run(30)
    group.refusal["a"] = Cause(EndReason.UNREACHABLE, 503)
    for number in range(20):
        group.dial(f"try-{number}")
    group.run(0.2)
    assert sum(event.cause.sip == 503 for event in group.of(Refused)) == 0
    assert [line.status.ready for line in group.core.lines()] == [False, True]
    assert "20 s" in group.core.lines()[0].status.detail, "the rest has doubled"


def test_it_is_not_down_before_it_was_ever_up() -> None:
    group = VirtualGroup()
    assert [line.status.ready for line in group.core.lines()] == [True, True]
    assert group.counts["share_changes"] == 2


def test_a_call_of_one_pbx_cannot_take_the_place_of_another_ones() -> None:
    group = VirtualGroup(priorities=(1, 1))
    group.dial("one")
    group.dial("two")
    group.run(1)
    group.core.refer("one", "", "two")
    group.run(0.1)
    assert [(event.leg_id, event.status) for event in group.of(TransferProgressed)] == [("one", 481)]
    group.core.refer("one", "700", "")
    group.run(1)
    asked = group.pbx[group.where("one")].last(TransferAsked)
    assert asked.target == "700"


def test_who_asked_for_a_transfer_is_told_its_outcome_by_its_own_pbx() -> None:
    group = VirtualGroup(priorities=(2, 1))
    group.pbx["a"].dial("100", "in")
    group.run(0.1)
    arrived = group.of(Arrived)[-1].leg_id
    trunk = group.core.trunk_of(arrived)
    assert trunk is not None and trunk.name == "a"
    trunk.answer(arrived, endpoint("192.0.2.1"))
    group.run(0.1)
    group.pbx["a"].agent.refer("in", "700", "", group.network.now)
    group.run(0.1)
    assert group.of(TransferAsked, arrived)[0].target == "700"
    group.timers.advance(group.network.now)
    group.core.dial("out", lambda trunk: trunk.dial("out", "700", "", endpoint("192.0.2.1")), beside=arrived)
    group.run(0.1)
    assert group.where("out") == "a", "at the PBX that asked, though the other one comes first"
    told = group.core.trunk_of(arrived)
    assert told is not None
    told.transfer_progress(arrived, 200)
    group.run(0.1)
    assert group.pbx["a"].last(TransferProgressed).status == 200


def test_a_call_for_help_goes_out_though_every_line_is_full() -> None:
    group = VirtualGroup(max_calls=1, region="ES")
    for leg_id in ("one", "two"):
        group.dial(leg_id)
        group.run(0.2)
    group.timers.advance(group.network.now)
    group.core.dial("help", lambda trunk: trunk.dial("help", "112", "", endpoint("192.0.2.1")), urgent=True)
    group.run(0.2)
    assert len(group.of(Answered, "help")) == 1 and not group.of(Refused)
    elsewhere = VirtualGroup(max_calls=1)
    assert elsewhere.near["a"].settings.region == ""
    elsewhere.dial("one")
    elsewhere.near["a"].agent.dial("help", "112", "", endpoint("192.0.2.1"), elsewhere.network.now)
    elsewhere.run(0.2)
    assert elsewhere.near["a"].last(Refused).leg_id == "help", "which numbers those are depends on the country"
