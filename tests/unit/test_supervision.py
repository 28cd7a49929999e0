"""Who may monitor whose calls, and what is written of it in the log."""

import asyncio

import pytest

from api.supervision import Supervision
from rooms import events as ev
from rooms.effects import Notify
from rooms.record import CallState
from signaling.grants import Grant, Permission
from signaling.messages import Monitor, TakeOver
from signaling.refusal import Refusal
from tests.kit.calls import BEA, Desk, live_in

TEAMS = {"ana": frozenset({"hotels"}), "bea": frozenset({"flights"})}


class Office:
    """Ana's call is live, and supervisors may ask for it. ``log`` holds (kind, whose, by whom, detail)."""

    def __init__(self) -> None:
        self.desk: Desk = live_in()
        self.log: list[tuple[str, str, str, str]] = []
        self.ended: set[str] = set()
        self.now = 10.0
        self.supervision = Supervision(
            self.desk.switchboard,
            self.feed,
            teams_of=lambda identity: TEAMS.get(identity, frozenset()),
            note=lambda *entry: self.log.append(entry),
            has_ended=self.ended.__contains__,
            clock=lambda: self.now,
        )

    def feed(self, event: ev.Event) -> None:
        for effect in self.desk.at(self.now, event):
            if isinstance(effect, Notify):
                self.supervision.hear(effect.view)

    def written(self) -> list[tuple[str, str, str, str]]:
        entries, self.log = self.log, []
        return entries


def supervisor(identity: str = "eva", *teams: str, **more: object) -> Grant:
    return Grant(identity, identity, "supervisor", "1", 0.0, 0.0, 0.0, session_id="s1", teams=frozenset(teams), **more)  # type: ignore[arg-type]


async def test_every_step_is_written_down_with_whose_call_it_is_and_no_number() -> None:
    office = Office()
    eva = supervisor("eva", "hotels")
    office.supervision.monitor(eva, Monitor("c", "listen"))
    office.supervision.monitor(eva, Monitor("c", "listen"))
    office.supervision.monitor(eva, Monitor("c", "whisper"))
    office.now = 45.0
    office.supervision.take_over(eva, TakeOver("c"))
    assert office.written() == [
        ("call.monitored", "ana", "eva", "listen c"),
        ("call.monitored", "ana", "eva", "whisper c"),
        ("call.monitor_ended", "ana", "eva", "take_over c after 35 s"),
        ("call.taken_over", "ana", "eva", "c"),
    ]
    office.supervision.take_over(eva, TakeOver("c"))
    office.feed(ev.HangUpRequested("c", "eva"))
    assert office.written() == []


@pytest.mark.parametrize(("who", "why"), [("eva", "completed"), ("ana", "completed")])
async def test_an_end_is_written_whoever_brings_it_about(who: str, why: str) -> None:
    office = Office()
    office.supervision.monitor(supervisor(), Monitor("c", "barge"))
    office.now = 12.4
    office.feed(ev.HangUpRequested("c", who))
    assert office.written()[1:] == [("call.monitor_ended", "ana", "eva", f"{why} c after 2 s")]


async def test_who_stays_as_a_listener_is_written_down_too() -> None:
    office = Office()
    office.supervision.take_over(supervisor(), TakeOver("c", agent_stays=True))
    assert office.written() == [("call.monitored", "eva", "ana", "listen c"), ("call.taken_over", "ana", "eva", "c")]


@pytest.mark.parametrize(
    "grant",
    [
        supervisor("eva", "flights"),
        supervisor("eva", narrowed_to=frozenset({Permission.CALL_WHISPER})),
        Grant("ben", "Ben", "agent", "1", 0.0, 0.0, 0.0),
        Grant("ben", "Ben", "service", "1", 0.0, 0.0, 0.0),
    ],
)
async def test_who_may_not_is_refused_and_changes_nothing(grant: Grant) -> None:
    office = Office()
    for ask in (
        lambda: office.supervision.monitor(grant, Monitor("c", "listen")),
        lambda: office.supervision.monitor(grant, Monitor("c", "barge")),
        lambda: office.supervision.take_over(grant, TakeOver("c")),
    ):
        with pytest.raises(Refusal) as refused:
            ask()
        assert refused.value.code == "forbidden"
    assert office.written() == [] and not office.desk.switchboard.calls_of(grant.identity)


async def test_each_mode_needs_its_own_right() -> None:
    office = Office()
    listener = supervisor(narrowed_to=frozenset({Permission.CALL_LISTEN}))
    office.supervision.monitor(listener, Monitor("c", "listen"))
    for mode in ("whisper", "barge"):
        with pytest.raises(Refusal) as refused:
            office.supervision.monitor(listener, Monitor("c", mode))  # type: ignore[arg-type]
        assert refused.value.code == "forbidden"
    assert office.desk.shown("eva").mode == "listen"
    with pytest.raises(Refusal) as refused:
        office.supervision.monitor(listener, Monitor("x", "listen"))
    assert refused.value.code == "unknown_call"


@pytest.mark.parametrize(("teams", "stays"), [(("hotels",), False), (("hotels", "flights"), True), ((), True)])
async def test_a_call_that_comes_to_an_agent_of_another_team_is_heard_no_longer(teams: tuple[str, ...], stays: bool) -> None:
    office = Office()
    office.supervision.monitor(supervisor("eva", *teams), Monitor("c", "listen"))
    office.feed(ev.TransferRequested("c", "ana", BEA, ask=False))
    office.feed(ev.CallAccepted("c", "bea"))
    await asyncio.sleep(0)
    assert (office.desk.shown("eva").state is CallState.LIVE) is stays
    assert office.desk.shown("bea").state is CallState.LIVE
    forbidden = [("forbidden", "eva", "eva", "call.monitor listen c"), ("call.monitor_ended", "bea", "eva", "forbidden c after 0 s")]
    assert office.written()[1:] == ([] if stays else forbidden)


async def test_whose_session_ends_listens_no_longer() -> None:
    office = Office()
    office.supervision.monitor(supervisor(), Monitor("c", "listen"))
    office.supervision.look_again("eva")
    assert office.desk.shown("eva").mode == "listen"
    office.ended.add("s1")
    office.supervision.look_again("ana")
    office.supervision.look_again("eva")
    assert office.desk.shown("eva").state is CallState.ENDED and office.desk.shown("ana").state is CallState.LIVE
