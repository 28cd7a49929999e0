"""The journal of calls: what happened, each thing once, and the sums that a call's record is made of."""

from rooms import events as ev
from rooms.agent import AgentState
from rooms.causes import Cause, EndReason
from rooms.effects import WriteRecord
from rooms.entries import What
from rooms.policy import RecordingMode, RecordingPolicy
from rooms.queues.ticket import Left
from rooms.record import CallRecord
from rooms.recording import RecordingAction
from rooms.switchboard import CallPolicy
from tests.kit.calls import DONE, GAVE_UP, GONE, NUMBER, Desk, arrived, consulting, dialed, live_in, live_out, parked, ringing_in, sent
from tests.kit.centre import Centre


def story(desk: Desk, since: int = 0) -> list[str]:
    """The entries so far, in words, from the ``since``-th on."""
    assert [entry.seq for entry in desk.entries] == list(range(1, len(desk.entries) + 1)), "numbered without a gap"
    return [
        " ".join(filter(None, (entry.what, entry.party, entry.detail, entry.by and f"by {entry.by}"))) for entry in desk.entries[since:]
    ]


def last_record(desk: Desk) -> CallRecord:
    return desk.all(WriteRecord)[-1].record


def test_a_call_that_is_answered_held_and_ended() -> None:
    desk = live_in()
    desk.at(10, ev.MuteRequested("c", "ana", True))
    desk.at(11, ev.HoldRequested("c", "ana", True))
    desk.at(11, ev.HoldRequested("c", "ana", True))
    desk.at(15, ev.HoldRequested("c", "ana", False))
    desk.at(16, ev.LegHeld("c-phone", True))
    desk.at(20, ev.LegHungUp("c-phone", DONE))
    assert story(desk) == [
        "arrived +34600111222 900",
        "offered ana rung",
        "offered bea rung",
        "withdrawn bea answered_elsewhere 200 by ana",
        "accepted ana rung by ana",
        "answered +34600111222 by ana",
        "connected ana by ana",
        "muted ana by ana",
        "held +34600111222 by ana",
        "resumed +34600111222 by ana",
        "held_by_other +34600111222 by +34600111222",
        "ended completed by +34600111222",
    ]
    assert [entry.at_s for entry in desk.entries] == [0, 0, 0, 5, 5, 5, 6, 10, 11, 15, 16, 20]
    record = last_record(desk)
    assert (record.tally.answered_by, record.tally.talk_s, record.tally.hold_s, record.tally.ended_by) == ("ana", 15, 4, "+34600111222")
    assert {leg.party: (leg.hold_s, leg.ended_by) for leg in record.legs} == {
        "+34600111222": (4, "+34600111222"),
        "ana": (0, "+34600111222"),
        "bea": (0, "ana"),
    }
    assert record.tally.entries == len(desk.entries)


def test_an_outgoing_call_that_the_agent_ends_while_the_phone_is_held() -> None:
    desk = live_out()
    desk.at(8, ev.HoldRequested("c", "ana", True))
    desk.at(10, ev.HangUpRequested("c", "ana"))
    assert story(desk) == [
        "dialed ana 600 by ana",
        "connected ana by ana",
        "rang 600 by 600",
        "answered 600 by 600",
        "held 600 by ana",
        "ended completed by ana",
    ]
    assert (last_record(desk).tally.talk_s, last_record(desk).tally.hold_s, last_record(desk).tally.answered_by) == (5, 2, "")


def test_who_declines_who_is_not_there_and_who_gives_up() -> None:
    desk = ringing_in("ana", "bea")
    desk.at(1, ev.CallDeclined("c", "ana"))
    desk.at(2, ev.LegHungUp("c-phone", GAVE_UP))
    assert story(desk)[3:] == ["declined ana declined by ana", "ended gave_up 487 by +34600111222"]
    nobody = Desk()
    nobody.at(0, arrived("c"))
    assert story(nobody) == ["arrived +34600111222 900", "ended nobody_available 480"]
    assert last_record(nobody).tally.talk_s == 0
    unanswered = Desk()
    unanswered.at(0, dialed())
    unanswered.wait_until(60)
    assert story(unanswered) == ["dialed ana 600 by ana", "ended no_answer"], "time ended it, and nobody"


def test_a_page_that_goes_and_comes_back() -> None:
    desk = live_in()
    desk.at(10, ev.LegLost("c-ana", GONE))
    desk.at(12, ev.LegConnected("c-ana"))
    assert story(desk)[-2:] == ["lost ana by ana", "connected ana by ana"]


def test_a_consultation_that_is_completed_merged_or_cancelled() -> None:
    begun = len(live_in().entries)
    completed = consulting()
    completed.at(15, ev.TransferActed("c", "ana", ev.TransferAction.COMPLETE))
    assert story(completed, begun) == [
        "offered bea consultation by ana",
        "held +34600111222 by ana",
        "consultation_called bea by ana",
        "accepted bea consultation by bea",
        "consulting bea by bea",
        "connected bea by bea",
        "left ana transferred by ana",
        "resumed +34600111222 by ana",
        "transfer_completed bea by ana",
    ]
    completed.at(30, ev.LegHungUp("c-phone", DONE))
    assert (last_record(completed).tally.transfers, last_record(completed).tally.hold_s, last_record(completed).tally.talk_s) == (1, 5, 25)
    merged = consulting()
    merged.at(15, ev.TransferActed("c", "ana", ev.TransferAction.MERGE))
    assert story(merged)[-1] == "merged bea by ana"
    cancelled = consulting()
    cancelled.at(15, ev.TransferActed("c", "ana", ev.TransferAction.CANCEL))
    assert story(cancelled)[-3:] == ["left bea gave_up by ana", "resumed +34600111222 by ana", "consultation_ended bea by ana"]
    assert last_record(cancelled).tally.transfers == 0


def test_a_blind_transfer_that_is_answered_and_one_that_comes_back() -> None:
    begun = len(live_in().entries)
    answered = sent()
    answered.at(12, ev.LegRang("c-1"))
    answered.at(15, ev.LegAnswered("c-1"))
    assert story(answered, begun) == [
        "left ana transferred by ana",
        f"called {NUMBER.number} transfer by ana",
        f"transferred {NUMBER.number} by ana",
        f"rang {NUMBER.number} by {NUMBER.number}",
        f"answered {NUMBER.number} by {NUMBER.number}",
        f"transfer_completed {NUMBER.number} by {NUMBER.number}",
    ]
    back = sent()
    back.at(12, ev.LegRefused("c-1", Cause(EndReason.BUSY, 486)))
    assert story(back, begun + 3) == [
        f"left {NUMBER.number} busy 486 by {NUMBER.number}",
        f"offered ana return by {NUMBER.number}",
        f"returned {NUMBER.number} busy 486 by {NUMBER.number}",
    ]
    assert last_record(back).tally.transfers == 1


def test_a_parked_call_is_picked_up() -> None:
    desk = parked()
    desk.at(15, ev.PickUpRequested("c", "bea"))
    assert story(desk)[-4:] == ["left ana transferred by ana", "parked 1 by ana", "accepted bea pick_up by bea", "picked_up bea by bea"]
    desk.at(20, ev.HangUpRequested("c", "bea"))
    assert last_record(desk).tally.talk_s == 5 + 5, "nobody talks with a parked caller"


def test_recording_is_in_the_journal() -> None:
    desk = Desk(CallPolicy(recording=RecordingPolicy(incoming=RecordingMode.ON_DEMAND)))
    desk.at(0, ev.AgentConnected("ana"))
    desk.at(0, arrived("c", "ana"))
    desk.at(1, ev.CallAccepted("c", "ana"))
    desk.at(2, ev.LegConnected("c-ana"))
    before = len(desk.entries)
    for now, action in enumerate((RecordingAction.START, RecordingAction.PAUSE, RecordingAction.RESUME, RecordingAction.STOP), start=3):
        desk.at(now, ev.RecordingRequested("c", "ana", action))
    assert story(desk, before) == [
        f"recording_{what} 1 by ana" for what in ("begun", "paused", "resumed", "stopped")
    ]  # the detail is the part of the recording


def test_the_journal_is_bounded_and_its_last_entry_is_the_end() -> None:
    desk = Desk(CallPolicy(most_entries=10))
    desk.at(0, ev.AgentConnected("ana"))
    desk.at(0, arrived("c", "ana"))
    desk.at(1, ev.CallAccepted("c", "ana"))
    for now in range(2, 20):
        desk.at(now, ev.MuteRequested("c", "ana", now % 2 == 0))
    desk.at(20, ev.HangUpRequested("c", "ana"))
    assert len(desk.entries) == 10 and desk.entries[-1].what is What.ENDED
    tally = last_record(desk).tally
    assert (tally.entries, tally.left_out) == (10, 13)


def test_what_is_refused_leaves_nothing() -> None:
    desk = live_in()
    before = len(desk.entries)
    try:
        desk.at(7, ev.CallAccepted("c", "bea"))
    except Exception:  # noqa: BLE001 - which one is told elsewhere
        assert desk.switchboard.entries == ()
    desk.at(8, ev.LegAnswered("nobody"))
    assert len(desk.entries) == before


def stays(desk: Desk) -> list[tuple[str, str, float, str, int]]:
    return [(stay.queue, stay.outcome, stay.left_s - stay.joined_s, stay.agent, stay.offers) for stay in desk.visits]


def test_a_caller_is_led_waits_and_is_served() -> None:
    centre = Centre()
    centre.queue(10, vip=True)
    centre.at(15, ev.CallDeclined("c", "ana"))
    centre.at(18, ev.CallAccepted("c", "bea"))
    centre.at(40, ev.LegHungUp("c-phone", DONE))
    assert story(centre) == [
        "arrived +34600111222 900",
        "guided Main",
        "step main menu",
        "answered +34600111222",
        "step main sales by +34600111222",
        "queued sales by +34600111222",
        "offered ana queue by +34600111222",
        "declined ana declined by ana",
        "offered bea queue by ana",
        "accepted bea queue by bea",
        "ended completed by +34600111222",
    ]
    assert stays(centre) == [("sales", Left.SERVED, 8, "bea", 2)]
    (stay,) = centre.visits
    assert stay.in_time and stay.wraps_up and not stay.short and stay.leg_id == "c-2"
    tally = last_record(centre).tally
    assert (tally.entry, tally.language, tally.queue, tally.waited_s, tally.answered_by) == ("Main", "es", "sales", 8, "bea")
    assert (tally.talk_s, tally.transfers, tally.vip) == (22, 0, True)


def test_callers_who_are_not_served_say_how_their_stay_ended() -> None:
    given_up = Centre(agents=("eva",))
    given_up.queue(10, key="2")
    given_up.at(12, ev.LegHungUp("c-phone", GAVE_UP))
    assert stays(given_up) == [("help", Left.ABANDONED, 2, "", 1)] and given_up.visits[0].short
    assert last_record(given_up).tally.waited_s == 2
    nobody = Centre(agents=())
    nobody.queue(10)
    assert stays(nobody) == [("sales", "nobody", 0, "", 0)] and story(nobody)[-2:] == [
        "turned_away sales nobody by +34600111222",
        "step main leave by +34600111222",
    ]
    late = Centre()
    for call_id in ("a", "b", "c"):
        late.queue(10, call_id)
    for agent, call_id in (("ana", "a"), ("bea", "b")):
        late.at(11, ev.CallAccepted(call_id, agent))
        late.at(11, ev.LegConnected(f"{call_id}-1"))
    late.until(130)
    late.at(140, ev.DrainRequested())
    assert stays(late)[2:] == [("sales", Left.TIMEOUT, 120, "", 0), ("help", Left.CLOSED, 10, "", 0)]
    assert last_record(late).tally.waited_s == 130
    words = [entry.what for entry in late.entries if entry.call_id == "c"]
    assert words[-5:] == [What.QUEUED, What.LED_ON, What.STEP, What.QUEUED, What.ENDED]


def test_agents_states_are_told_as_they_change_and_once() -> None:
    desk = live_in()
    desk.at(7, ev.MuteRequested("c", "ana", True))
    desk.at(8, ev.AvailabilityChanged("bea", False))
    desk.at(9, ev.HangUpRequested("c", "ana"))
    desk.at(10, ev.AgentDisconnected("bea"))
    desk.at(11, ev.AgentDisconnected("ana"))
    told = [(change.identity, change.at_s, change.state) for change in desk.states]
    assert told == [
        ("ana", 0, AgentState.AVAILABLE),
        ("bea", 0, AgentState.AVAILABLE),
        ("ana", 0, AgentState.RINGING),
        ("bea", 0, AgentState.RINGING),
        ("ana", 5, AgentState.ON_CALL),
        ("bea", 5, AgentState.AVAILABLE),
        ("bea", 8, AgentState.BREAK),
        ("ana", 9, AgentState.AVAILABLE),
        ("bea", 10, AgentState.OFFLINE),
        ("ana", 11, AgentState.OFFLINE),
    ]
