"""What XAPI shows, the join of the PBX's call log to our calls, and agents in step on both sides."""

from random import Random

import pytest

from pbx.threecx.agent_step import AgentStep, Shown, Take, Words, Write
from pbx.threecx.directory import Licence, LoggedCall, PbxQuality, PbxUser, digits_of, matching, seconds_of

AVAILABLE, AWAY = Shown("Available", "LoggedIn"), Shown("Away", "LoggedOut")


def test_people_are_read_as_odata_writes_them() -> None:
    row = {"Id": 17, "Number": "205", "FirstName": "Ana", "LastName": None, "EmailAddress": "ana@example.com", "IsRegistered": True}
    assert PbxUser.read(row) == PbxUser(17, "205", "Ana", "ana@example.com", registered=True)


def test_the_licence_is_put_together_of_what_could_be_had() -> None:
    licence = Licence.read(
        {"MaxSimCalls": 8, "CallsActive": 3, "Version": "20.0.9.1"}, {}, {"License": {"IsCfdEnabled": True, "MaxSimCalls": 9}}
    )
    assert licence == Licence("", 8, 3, "20.0.9.1", call_flows=True)
    assert Licence.read({}) == Licence()


def test_no_quality_is_not_the_worst_quality() -> None:
    good = {"MOS": 4.4, "Party1": {"MOSFromPBX": "4.4", "MOSToPBX": 4.1, "RTT": 20, "RxLost": 2, "RxPackets": 500, "Codec": "PCMA"}}
    assert PbxQuality.read(good) == PbxQuality(4.1, 20.0, None, 2.0, 500, "PCMA")
    short = PbxQuality.read({"MOS": 0, "Reason": "Too short", "Party1": {"MOSFromPBX": 0}})
    assert short is not None and short.mos is None and short.reason == "Too short"
    assert PbxQuality.read(None) is PbxQuality.read({}) is PbxQuality.read(True) is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("PT1M2.5S", 62.5), ("PT1H", 3600.0), ("0:01:05", 65.0), ("12.5", 12.5), (None, 0.0), ("x", 0.0)]
)
def test_durations_come_in_several_spellings(text: object, seconds: float) -> None:
    assert seconds_of(text) == seconds


def logged(identifier: str, at: int, source: str, other: str, answered: bool = True) -> LoggedCall:
    start = f"2026-03-01T10:{at // 60:02}:{at % 60:02}Z"
    row = {"CdrId": identifier, "StartTime": start, "SourceDn": source, "DestinationCallerId": other, "Answered": answered}
    return LoggedCall.read(row)


def test_a_call_is_found_in_the_pbxs_log_by_agent_number_and_time() -> None:
    at = logged("x", 0, "", "").at
    rows = [
        logged("far", 400, "205", "+34600111222"),
        logged("near", 20, "205", "0034 600 111 222"),
        logged("other", 5, "206", "600111222"),
    ]
    found = matching(rows, agent="205", number="600111222", at=at)
    assert found is not None and found.id == "near"
    assert matching(rows, agent="205", number="600111223", at=at) is None
    assert matching([logged("a", 3, "205", "201", False), logged("b", 9, "205", "201")], agent="205", number="201", at=at).id == "b"  # type: ignore[union-attr]
    assert digits_of("+34 910 000 000") == "910000000" and digits_of("201") == "201"


# --- agents in step -----------------------------------------------------------------------------------------------------------------


def begun(ours: bool = True, theirs: Shown = AVAILABLE) -> AgentStep:
    step = AgentStep(Words())
    assert step.look(ours, theirs, 0.0) == []
    return step


def test_a_break_here_is_written_once_and_not_taken_back_while_3cx_is_late() -> None:
    step = begun()
    assert step.look(False, AVAILABLE, 10.0) == [Write("Away", "LoggedOut")]
    assert step.look(False, AVAILABLE, 15.0) == []  # not shown yet
    assert step.look(False, AWAY, 30.0) == []
    assert step.look(True, AWAY, 40.0) == [Write("Available", "LoggedIn")]


def test_a_profile_chosen_in_3cx_is_a_break_here_with_its_name() -> None:
    step = begun()
    lunch = Shown("Custom 1", "LoggedIn")
    assert step.look(True, lunch, 10.0) == [Take(False, "Custom 1"), Write("", "LoggedOut")]
    assert step.look(False, Shown("Custom 1", "LoggedOut"), 20.0) == []
    assert step.look(False, Shown("Available", "LoggedOut"), 30.0) == [Take(True), Write("", "LoggedIn")]


def test_who_logs_out_of_the_queues_takes_a_break_too() -> None:
    step = begun()
    assert step.look(True, Shown("Available", "LoggedOut"), 10.0) == [Take(False), Write("Away", "")]


def test_when_both_changed_the_persons_word_here_counts() -> None:
    step = begun()
    assert step.look(False, Shown("Out of office", "LoggedIn"), 10.0) == [Write("", "LoggedOut")]
    back = begun(False, AWAY)
    assert back.look(True, Shown("Custom 2", "LoggedOut"), 10.0) == [Write("Available", "LoggedIn")]


def test_what_3cx_does_not_take_in_time_is_not_so() -> None:
    step = begun()
    step.look(False, AVAILABLE, 10.0)
    assert step.look(False, AVAILABLE, 69.0) == []
    assert step.look(False, AVAILABLE, 70.0) == [Take(True)]


def test_at_first_who_takes_no_calls_on_one_side_takes_none() -> None:
    assert AgentStep(Words()).look(True, AWAY, 0.0) == [Take(False, "Away")]
    assert AgentStep(Words()).look(False, AVAILABLE, 0.0) == [Write("Away", "LoggedOut")]
    assert AgentStep(Words()).look(False, Shown("Away", "LoggedIn"), 0.0) == []
    assert AgentStep(Words()).look(True, Shown("Available", "LoggedOut"), 0.0) == []  # who has nothing to do with queues


def test_without_queues_only_the_profile_is_looked_at() -> None:
    step = AgentStep(Words(queues=False))
    assert step.look(True, AVAILABLE, 0.0) == []
    assert step.look(True, Shown("Available", "LoggedOut"), 1.0) == []
    assert step.look(False, Shown("Available", "LoggedOut"), 2.0) == [Write("Away")]


def test_two_programs_that_quarrel_are_noticed() -> None:
    """Something in 3CX sets the profile back and forth: after six times in a minute ours is written and nothing more is taken."""
    step, ours, taken = begun(), True, 0
    for at in range(1, 40):
        theirs = Shown("Away" if at % 2 else "Available", "")
        for deed in step.look(ours, theirs, float(at)):
            if isinstance(deed, Take):
                ours, taken = deed.available, taken + 1
    assert taken <= 7 and step.quarrels > 0


@pytest.mark.parametrize("seed", range(40))
def test_both_sides_agree_soon_after_the_last_change_and_write_little(seed: int) -> None:
    """Random people on both sides, a PBX that shows what was written up to 20 s late, a look every 5 s."""
    random, step, ours, pbx = Random(seed), AgentStep(Words()), True, AVAILABLE
    late: list[tuple[float, Shown]] = []
    writes = changes = 0
    for now in range(0, 1_200, 5):
        if now < 900 and random.random() < 0.03:
            ours, changes = not ours, changes + 1
        if now < 900 and random.random() < 0.03:
            pbx, changes = Shown(random.choice(["Available", "Away", "Custom 1"]), random.choice(["LoggedIn", "LoggedOut"])), changes + 1
        for due, shown in [each for each in late if each[0] <= now]:
            pbx = Shown(shown.profile or pbx.profile, shown.queue_status or pbx.queue_status)
            late.remove((due, shown))
        for deed in step.look(ours, pbx, float(now)):
            if isinstance(deed, Take):
                ours = deed.available
            else:
                writes += 1
                late.append((now + random.uniform(0, 20), Shown(deed.profile, deed.queue_status)))
    assert ours is (pbx.profile == "Available") and pbx.queue_status == ("LoggedIn" if ours else "LoggedOut")
    assert writes <= 2 * changes + 2
