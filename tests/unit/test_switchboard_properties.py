"""Call control under random events: what must hold whatever happens in whatever order.

Identifiers are drawn from a few, so that events meet: late ones, repeated ones, ones for another agent's call.
"""

from contextlib import suppress
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from rooms import effects as fx
from rooms import events as ev
from rooms.agent import AgentState
from rooms.causes import Cause, EndReason
from rooms.entries import Entry, What
from rooms.handling import Handling
from rooms.monitor import Announce, MonitorMode, SupervisionPolicy
from rooms.move import Target
from rooms.policy import RecordingMode, RecordingPolicy
from rooms.record import CallRecord, CallState, CallView
from rooms.recording import RecordingAction, RecordingState
from rooms.switchboard import CallPolicy, NotPossible, Switchboard

AGENTS = ("ana", "bea")
SUPERVISORS = ("bea", "eva")
PEOPLE = ("ana", "bea", "eva")
CALLS = ("c", "d")
agents = st.sampled_from(AGENTS)
supervisors = st.sampled_from(SUPERVISORS)
calls = st.sampled_from(CALLS)
later_legs = st.builds("{}-{}".format, calls, st.integers(1, 4))
phones = st.one_of(calls.map("{}-phone".format), later_legs)
agent_legs = st.one_of(st.builds("{}-{}".format, calls, agents), later_legs)
targets = st.one_of(agents.map(lambda agent: Target(agent=agent)), st.just(Target(number="600333444", trunk="pbx")))
forwards = st.one_of(st.none(), targets)
legs = st.one_of(phones, agent_legs)
parts = st.builds("{}-{}".format, calls, st.integers(1, 3))
causes = st.sampled_from([EndReason.COMPLETED, EndReason.BUSY, EndReason.MEDIA_LOST]).map(Cause)


def dialed(call_id: str, agent: str) -> ev.CallDialed:
    return ev.CallDialed(call_id, agent, f"{call_id}-{agent}", f"{call_id}-phone", "600", "pbx")


def arrived(call_id: str, rung: list[str]) -> ev.CallArrived:
    return ev.CallArrived(call_id, f"{call_id}-phone", "pbx", "601", "", "900", tuple((agent, f"{call_id}-{agent}") for agent in rung))


moving = st.one_of(
    st.builds(ev.TransferRequested, calls, agents, targets, st.booleans(), st.booleans()),
    st.builds(ev.TransferActed, calls, agents, st.sampled_from(ev.TransferAction), st.booleans()),
    st.builds(ev.ParkRequested, calls, agents, st.integers(0, 2)),
    st.builds(ev.PickUpRequested, calls, agents),
    st.builds(ev.TransferAsked, phones, targets, st.just("trunk.pbx")),
    st.builds(ev.JoinAsked, phones, phones, st.just("trunk.pbx")),
    st.builds(ev.ReferProgressed, phones, st.sampled_from([100, 200, 405, 486])),
    st.builds(ev.LegAnswered, later_legs),
    st.builds(ev.LegRang, later_legs, st.booleans()),
    st.builds(ev.LegConnected, later_legs),
    st.builds(ev.CallAccepted, calls, agents),
    st.builds(ev.HandlingChanged, agents, st.builds(Handling, st.booleans(), forwards, forwards, forwards, forwards)),
)
"""What is done with answered calls."""
monitoring = st.one_of(
    st.builds(ev.MonitorRequested, calls, supervisors, st.sampled_from(MonitorMode)),
    st.builds(ev.MonitorRequested, calls, supervisors, st.sampled_from(MonitorMode)),
    st.builds(ev.TakeOverRequested, calls, supervisors, st.booleans()),
    st.builds(ev.HangUpRequested, calls, supervisors),
    st.builds(ev.MonitorEnded, calls, supervisors, causes),
    st.builds(ev.LegConnected, later_legs),
    st.builds(ev.LegLost, later_legs, causes),
)
"""What supervisors do."""
onward = st.one_of(
    st.builds(dialed, calls, agents),
    st.builds(arrived, calls, st.permutations(AGENTS)),
    st.builds(ev.CallAccepted, calls, agents),
    st.builds(ev.LegConnected, agent_legs),
    st.builds(ev.LegRang, phones, st.booleans()),
    st.builds(ev.LegAnswered, phones),
)
"""What brings a call forward."""
within = st.one_of(
    st.builds(ev.LegHeld, phones, st.booleans()),
    st.builds(ev.LegLost, agent_legs, causes),
    st.builds(ev.MuteRequested, calls, agents, st.booleans()),
    st.builds(ev.HoldRequested, calls, agents, st.booleans()),
    st.builds(ev.DigitsPressed, calls, agents, st.just("1")),
    st.builds(ev.CallDeclined, calls, agents),
    st.builds(ev.AgentConnected, agents),
    st.builds(ev.AgentDisconnected, agents),
    st.builds(ev.AvailabilityChanged, agents, st.booleans()),
    st.builds(ev.AgentEngaged, agents, st.sampled_from([None, AgentState.RINGING, AgentState.ON_CALL])),
    st.builds(ev.RecordingRequested, calls, agents, st.sampled_from(RecordingAction), st.booleans()),
    st.builds(ev.RecordingRequested, calls, agents, st.sampled_from([RecordingAction.PAUSE, RecordingAction.RESUME])),
    st.builds(ev.RecordingBegan, calls, parts),
    st.builds(ev.RecordingBroke, calls, parts, st.booleans()),
    st.builds(ev.SoundEnded, legs, st.sampled_from(["announcement", "recording", "supervision"])),
    st.builds(ev.EffectFailed, calls, legs, causes, st.sampled_from(["PlayOnce", "StartRecording", "PauseRecording", "ResumeRecording"])),
)
"""What happens in its course."""
ending = st.one_of(
    st.builds(arrived, calls, st.just([])),
    st.builds(ev.LegLost, phones, causes),
    st.builds(ev.LegRefused, phones, causes),
    st.builds(ev.LegHungUp, phones, causes),
    st.builds(ev.HangUpRequested, calls, agents),
    st.builds(ev.EffectFailed, calls, legs, causes, st.sampled_from(["", "Play", "JoinBridge"])),
)
"""What ends it."""
noise = st.integers(0, 10).flatmap(
    lambda die: onward if die < 4 else moving if die < 7 else within if die < 9 else monitoring if die < 10 else ending
)
waits = st.sampled_from([0, 0, 0, 0, 0, 0, 1, 1, 2, 5, 20, 50])


@st.composite
def stories(draw: st.DrawFn, call_id: str) -> list[ev.Event]:
    """One call as it would go if nothing came between, with some of it left out."""
    agent = draw(agents)
    phone, leg = f"{call_id}-phone", f"{call_id}-{agent}"
    if draw(st.booleans()):
        begin = [dialed(call_id, agent), ev.LegConnected(leg), ev.LegRang(phone, draw(st.booleans())), ev.LegAnswered(phone)]
    else:
        begin = [arrived(call_id, list(AGENTS)), ev.LegConnected(leg), ev.CallAccepted(call_id, agent), ev.LegConnected(leg)]
    talk = st.one_of(
        st.builds(ev.HoldRequested, st.just(call_id), st.just(agent), st.booleans()),
        st.builds(ev.MuteRequested, st.just(call_id), st.just(agent), st.booleans()),
        st.builds(ev.LegLost, st.just(leg), causes),
        st.just(ev.LegConnected(leg)),
        st.builds(ev.LegHeld, st.just(phone), st.booleans()),
        st.builds(ev.RecordingRequested, st.just(call_id), st.just(agent), st.sampled_from(RecordingAction)),
        st.just(ev.SoundEnded(phone, "announcement")),
        moving,
        st.just(ev.TransferActed(call_id, agent, ev.TransferAction.SWAP)),
        st.builds(ev.TransferRequested, st.just(call_id), st.just(agent), targets, st.booleans()),
        st.sampled_from(AGENTS).map(lambda colleague: ev.CallAccepted(call_id, colleague)),
        st.just(ev.LegAnswered(f"{call_id}-1")),
        monitoring,
        st.builds(ev.MonitorRequested, st.just(call_id), st.just("eva"), st.sampled_from(MonitorMode)),
        st.builds("{}-{}".format, st.just(call_id), st.integers(1, 2)).map(ev.LegConnected),
    )
    if draw(st.booleans()):
        begin += [ev.MonitorRequested(call_id, "eva", draw(st.sampled_from(MonitorMode))), ev.LegConnected(f"{call_id}-1")]
    whole = begin + draw(st.lists(talk, max_size=12))
    left_out = draw(st.sets(st.integers(1, 12), max_size=3))
    return [event for at, event in enumerate(whole) if at not in left_out]


@st.composite
def many_steps(draw: st.DrawFn) -> list[tuple[int, ev.Event]]:
    """Two calls' stories woven into one another and into noise, with time passing between."""
    threads = [draw(stories("c")), draw(stories("d")), draw(st.lists(noise, max_size=15)), draw(stories(draw(calls)))]
    woven: list[tuple[int, ev.Event]] = []
    while any(threads):
        thread = draw(st.sampled_from([thread for thread in threads if thread]))
        woven.append((draw(waits), thread.pop(0)))
    return woven


steps = many_steps()
WATCHED = SupervisionPolicy(Announce.AGENT, most_per_call=1)
TOLD = SupervisionPolicy(Announce.EVERYONE, "supervision")
RECORDED = RecordingPolicy(RecordingMode.ALWAYS, RecordingMode.ON_DEMAND, "announcement", "announced", beep_every_s=12)


@dataclass
class Room:
    """One call as its effects tell it."""

    joined: list[str] = field(default_factory=list)
    gains: dict[tuple[str, str], float] = field(default_factory=dict)
    sounds: dict[str, str | None] = field(default_factory=dict)
    hung_up: list[str] = field(default_factory=list)
    ended_there: set[str] = field(default_factory=set)
    """Phones that ended by themselves."""
    record: CallRecord | None = None
    announced: bool = False
    parts: list[str] = field(default_factory=list)
    kept: bool = False
    """Is what is said kept now, as far as the media plane was told?"""
    recorded: str = ""
    """The leg that is: with it ends its recording."""


class Witness:
    """Performs effects on paper and objects to what must not be."""

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}

    def see(self, event: ev.Event | None, effects: list[fx.Effect]) -> None:
        if isinstance(event, ev.SoundEnded) and event.sound == "announcement" and (room := self.rooms.get(event.leg_id.split("-")[0])):
            room.announced = True
        news = bool(effects)  # what comes too late has none
        if news and isinstance(event, ev.LegHungUp | ev.LegRefused) and (room := self.rooms.get(event.leg_id.split("-")[0])):
            room.ended_there |= {event.leg_id} - set(room.hung_up)
        for effect in effects:
            if isinstance(effect, fx.OpenRoom):
                assert effect.room_id not in self.rooms
                self.rooms[effect.room_id] = Room()
            else:
                self._see(effect)

    def _see(self, effect: fx.Effect) -> None:
        if isinstance(effect, fx.ShowParked) or (isinstance(effect, fx.TellReferrer) and effect.leg_id.split("-")[0] not in self.rooms):
            return
        room = self._room_of(effect)
        match effect:
            case fx.JoinBridge(room_id=room_id, leg_id=leg_id):
                assert leg_id.startswith(f"{room_id}-") and leg_id not in room.joined
                room.joined.append(leg_id)
            case fx.SetGains(room_id=room_id, gains=gains):
                for hears, speaks, gain in gains:
                    assert hears.startswith(f"{room_id}-") and speaks.startswith(f"{room_id}-") and hears != speaks
                    assert room.gains.get((hears, speaks), 1.0) != gain, "an entry that changes nothing"
                    room.gains[hears, speaks] = gain
            case fx.CloseLeg(leg_id=leg_id):
                room.joined = [leg for leg in room.joined if leg != leg_id]
                room.gains = {pair: gain for pair, gain in room.gains.items() if leg_id not in pair}
                room.sounds.pop(leg_id, None)
            case fx.Play(leg_id=leg_id, sound=sound):
                assert room.sounds.get(leg_id) != sound
                room.sounds[leg_id] = sound
            case fx.PlayOnce(leg_id=leg_id, sound=sound):
                assert leg_id in room.joined and (sound == "announcement" or room.sounds.get(leg_id) is None)
            case fx.StartRecording(recording_id=part, phone_leg=phone, agent_leg=agent):
                assert phone in room.joined and (not agent or agent in room.joined) and part not in room.parts
                assert room.announced, "nothing is kept before it was announced"
                room.parts.append(part)
                room.kept, room.recorded = True, phone
            case fx.ResumeRecording(recording_id=part):
                assert part == room.parts[-1] and not room.kept
                room.kept = True
            case fx.PauseRecording(recording_id=part) | fx.StopRecording(recording_id=part):
                assert part == room.parts[-1]
                room.kept = False
            case fx.EraseRecording(recording_id=part):
                assert part in room.parts and not room.kept
                room.parts = [part for part in room.parts if part > effect.recording_id]
                room.announced = False
            case fx.HangUp(leg_id=leg_id):
                assert leg_id not in room.hung_up
                room.hung_up.append(leg_id)
                room.kept = room.kept and leg_id != room.recorded
            case fx.WriteRecord(record=record):
                room.record = record
            case fx.CloseRoom(room_id=room_id):
                self._closed(self.rooms.pop(room_id))

    def _room_of(self, effect: fx.Effect) -> Room:
        """Fails for effects of rooms that are not open."""
        match effect:
            case fx.Notify(view=view):
                return self.rooms[view.call_id]
            case fx.WriteRecord(record=record):
                return self.rooms[record.call_id]
            case fx.CloseRoom(room_id=room_id) | fx.JoinBridge(room_id=room_id) | fx.SetGains(room_id=room_id):
                return self.rooms[room_id]
            case fx.PlaceCall() | fx.ExpectAgent() | fx.AnswerCall():
                return self.rooms[effect.call_id]
            case (
                fx.StartRecording()
                | fx.PauseRecording()
                | fx.ResumeRecording()
                | fx.StopRecording()
                | fx.EraseRecording()
                | fx.KeepConsent()
            ):
                return self.rooms[effect.call_id]
            case _:
                return self.rooms[effect.leg_id.split("-")[0]]  # type: ignore[union-attr]

    def _closed(self, room: Room) -> None:
        record = room.record
        assert record is not None and record.state is CallState.ENDED
        assert record.cause is not None and record.ended_s is not None and record.ended_s >= record.started_s
        assert all(leg.ended_s is not None and leg.cause is not None for leg in record.legs)
        for leg in record.legs:
            if leg.kind == "phone":
                assert (leg.leg_id in room.hung_up) is (leg.leg_id not in room.ended_there), "each phone is hung up once, or hangs up"

    def check(self, switchboard: Switchboard) -> None:
        """What holds between any two events."""
        assert len(switchboard) == len(self.rooms)
        own = {view.agent_leg: view for agent in PEOPLE for view in switchboard.calls_of(agent)}
        for call_id, room in self.rooms.items():
            view = switchboard.call(call_id)
            assert view is not None and view.state is not CallState.ENDED
            held = {party.leg_id for party in view.parties if party.held}
            muted = {leg_id for leg_id, shown in own.items() if shown.muted}
            there = {party.leg_id for party in view.parties if party.there} | ({view.agent_leg} if view.agent else set())
            for leg_id in room.joined:
                assert leg_id not in own or own[leg_id].state is not CallState.RINGING or own[leg_id].direction == "out", (
                    "who is rung hears nothing"
                )
            if view.state is CallState.LIVE:
                assert {party.leg_id for party in view.parties if party.there and party.kind == "phone"} <= set(room.joined)
                assert len(there) >= 2 or view.move is not None, "nobody is left alone"
            for hears in room.joined:
                for speaks in room.joined:
                    cut = hears in held or speaks in held or speaks in muted or self._parted(room, own, hears, speaks)
                    assert hears == speaks or room.gains.get((hears, speaks), 1.0) == (0.0 if cut else 1.0)
            if view.recording is RecordingState.FAILED:
                room.kept = False
            if view.recording in (RecordingState.OFF, RecordingState.ANNOUNCING, RecordingState.PAUSED):
                assert not room.kept
            for leg_id in held & set(room.joined):
                assert room.sounds[leg_id] == "hold" or leg_id in own
            if view.agent_connected and view.move is None and view.state is CallState.LIVE:
                assert all(room.sounds.get(leg_id) is None for leg_id in room.joined if leg_id not in held), (
                    "somebody is there to talk with"
                )
        for agent in PEOPLE:
            own = [view for view in switchboard.calls_of(agent) if view.state is not CallState.RINGING or view.direction == "out"]
            assert len(own) <= 1, "never two calls at one pair of ears"

    @staticmethod
    def _parted(room: Room, own: dict[str, CallView], hears: str, speaks: str) -> bool:
        """Does one of them monitor the call, so that the other must not hear?"""
        heard, listens = own.get(speaks), own.get(hears)
        if not any(view is not None and view.mode for view in (heard, listens)):
            return False
        if any(room.sounds.get(leg_id) and not (leg_id in own and own[leg_id].owned) for leg_id in (hears, speaks)):
            return True  # who waits with music or ringing is left alone
        if heard is None or heard.mode in ("", MonitorMode.BARGE):
            return False
        return heard.mode == MonitorMode.LISTEN or listens is None or not listens.owned


@settings(max_examples=200)
@given(steps)
def test_whatever_happens(steps: list[tuple[int, ev.Event]]) -> None:
    switchboard, witness, now = Switchboard(CallPolicy(max_calls=2, recording=RECORDED, supervision=WATCHED)), Witness(), 0
    for wait, event in steps:
        now += wait
        witness.see(None, switchboard.expire(now))
        deadline = switchboard.next_deadline()
        assert deadline is None or deadline > now
        with suppress(NotPossible):
            witness.see(event, switchboard.handle(event, now))
        witness.check(switchboard)
    witness.see(ev.DrainRequested(), switchboard.handle(ev.DrainRequested(), now))
    assert not witness.rooms and len(switchboard) == 0 and switchboard.next_deadline() is None
    assert not any(switchboard.calls_of(agent) for agent in PEOPLE)


@settings(max_examples=200)
@given(steps)
def test_a_refusal_changes_nothing(steps: list[tuple[int, ev.Event]]) -> None:
    """Two switchboards, one spared every request that the other refuses, stay the same."""
    (tried, spared), now = (Switchboard(CallPolicy(recording=RECORDED, supervision=TOLD)) for _ in range(2)), 0
    for wait, event in steps:
        now += wait
        assert tried.expire(now) == spared.expire(now)
        try:
            effects = tried.handle(event, now)
        except NotPossible:
            continue
        assert spared.handle(event, now) == effects
    assert tried.next_deadline() == spared.next_deadline()


@settings(max_examples=200)
@given(steps)
def test_every_call_ends_when_nobody_does_anything_more_but_those_that_are_live(steps: list[tuple[int, ev.Event]]) -> None:
    """Time alone ends every call that is not two sides talking."""
    switchboard, now = Switchboard(CallPolicy(recording=RECORDED, supervision=TOLD)), 0
    for wait, event in steps:
        now += wait
        switchboard.expire(now)
        with suppress(NotPossible):
            switchboard.handle(event, now)
    for later in range(1, 8):
        switchboard.expire(now + 1000 * later)
    left = [view for call_id in CALLS if (view := switchboard.call(call_id)) is not None]
    assert all(view.state is CallState.LIVE and (view.agent_connected or not view.agent) for view in left)
    assert all(view.move is None or view.move.state == "consulting" for view in left)


@settings(max_examples=200)
@given(steps)
def test_the_journal_tells_each_change_once_and_adds_up_to_what_is(steps: list[tuple[int, ev.Event]]) -> None:
    """Whoever reads entries and agents' states alone knows which calls there are, who is held in them and what agents are doing."""
    switchboard, now = Switchboard(CallPolicy(max_calls=2, recording=RECORDED, supervision=TOLD)), 0
    told: dict[str, list[Entry]] = {}
    states = dict.fromkeys(PEOPLE, AgentState.OFFLINE)

    def read() -> None:
        for entry in switchboard.entries:
            of_call = told.setdefault(entry.call_id, [])
            of_call.append(entry)
            assert entry.seq == len(of_call) and entry.at_s == now
            if entry.what is What.ENDED:
                del told[entry.call_id]
        for change in switchboard.agent_changes(now):
            assert states.get(change.identity) is not change.state or change.reason or change.state is AgentState.BREAK
            states[change.identity] = change.state

    for wait, event in steps:
        now += wait
        switchboard.expire(now)
        read()
        with suppress(NotPossible):
            switchboard.handle(event, now)
        read()
        assert len(told) == len(switchboard)
        assert states == {agent: switchboard.agent_state(agent) for agent in PEOPLE}
        for call_id, entries in told.items():
            view = switchboard.call(call_id)
            assert view is not None
            held = {leg.leg_id: leg.held for leg in view.parties if leg.there}
            for leg_id, is_held in held.items():
                last = [entry.what for entry in entries if entry.leg_id == leg_id and entry.what in (What.HELD, What.RESUMED)]
                assert (bool(last) and last[-1] is What.HELD) is is_held
            recorded = [entry.what for entry in entries if entry.what.startswith("recording_")]
            assert bool(recorded) or view.recording is RecordingState.OFF
    switchboard.handle(ev.DrainRequested(), now)
    read()
    assert not told
