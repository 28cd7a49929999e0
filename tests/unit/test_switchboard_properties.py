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
from rooms.policy import RecordingMode, RecordingPolicy
from rooms.record import CallRecord, CallState
from rooms.recording import RecordingAction, RecordingState
from rooms.switchboard import CallPolicy, NotPossible, Switchboard

AGENTS = ("ana", "bea")
CALLS = ("c", "d")
agents = st.sampled_from(AGENTS)
calls = st.sampled_from(CALLS)
phones = calls.map("{}-phone".format)
agent_legs = st.builds("{}-{}".format, calls, agents)
legs = st.one_of(phones, agent_legs)
parts = st.builds("{}-{}".format, calls, st.integers(1, 3))
causes = st.sampled_from([EndReason.COMPLETED, EndReason.BUSY, EndReason.MEDIA_LOST]).map(Cause)


def dialed(call_id: str, agent: str) -> ev.CallDialed:
    return ev.CallDialed(call_id, agent, f"{call_id}-{agent}", f"{call_id}-phone", "600", "pbx")


def arrived(call_id: str, rung: list[str]) -> ev.CallArrived:
    return ev.CallArrived(call_id, f"{call_id}-phone", "pbx", "601", "", "900", tuple((agent, f"{call_id}-{agent}") for agent in rung))


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
    st.builds(ev.SoundEnded, legs, st.sampled_from(["announcement", "recording"])),
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
noise = st.integers(0, 9).flatmap(lambda die: onward if die < 5 else within if die < 9 else ending)
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
    )
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
RECORDED = RecordingPolicy(RecordingMode.ALWAYS, RecordingMode.ON_DEMAND, "announcement", "announced", beep_every_s=12)


@dataclass
class Room:
    """One call as its effects tell it."""

    joined: list[str] = field(default_factory=list)
    gains: dict[tuple[str, str], float] = field(default_factory=dict)
    sounds: dict[str, str | None] = field(default_factory=dict)
    hang_ups: int = 0
    record: CallRecord | None = None
    announced: bool = False
    parts: list[str] = field(default_factory=list)
    kept: bool = False
    """Is what is said kept now, as far as the media plane was told?"""


class Witness:
    """Performs effects on paper and objects to what must not be."""

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}

    def see(self, event: ev.Event | None, effects: list[fx.Effect]) -> None:
        if isinstance(event, ev.SoundEnded) and event.sound == "announcement" and (room := self.rooms.get(event.leg_id.split("-")[0])):
            room.announced = True
        for effect in effects:
            if isinstance(effect, fx.OpenRoom):
                assert effect.room_id not in self.rooms
                self.rooms[effect.room_id] = Room()
            else:
                self._see(event, effect)

    def _see(self, event: ev.Event | None, effect: fx.Effect) -> None:
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
            case fx.Play(leg_id=leg_id, sound=sound):
                assert room.sounds.get(leg_id) != sound
                room.sounds[leg_id] = sound
            case fx.PlayOnce(leg_id=leg_id, sound=sound):
                assert leg_id in room.joined and (sound == "announcement" or room.sounds.get(leg_id) is None)
            case fx.StartRecording(recording_id=part, phone_leg=phone, agent_leg=agent):
                assert {phone, agent} <= set(room.joined) and part not in room.parts
                assert room.announced, "nothing is kept before it was announced"
                room.parts.append(part)
                room.kept = True
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
            case fx.HangUp():
                room.hang_ups += 1
            case fx.WriteRecord(record=record):
                room.record = record
            case fx.CloseRoom(room_id=room_id):
                self._closed(event, self.rooms.pop(room_id))

    def _room_of(self, effect: fx.Effect) -> Room:
        """Fails for effects of rooms that are not open."""
        match effect:
            case fx.Notify(view=view):
                return self.rooms[view.call_id]
            case fx.WriteRecord(record=record):
                return self.rooms[record.call_id]
            case fx.CloseRoom(room_id=room_id) | fx.JoinBridge(room_id=room_id) | fx.SetGains(room_id=room_id):
                return self.rooms[room_id]
            case fx.StartRecording() | fx.PauseRecording() | fx.ResumeRecording() | fx.StopRecording() | fx.EraseRecording():
                return self.rooms[effect.call_id]
            case _:
                return self.rooms[effect.leg_id.split("-")[0]]  # type: ignore[union-attr]

    def _closed(self, event: ev.Event | None, room: Room) -> None:
        record = room.record
        assert record is not None and record.state is CallState.ENDED
        assert record.cause is not None and record.ended_s is not None and record.ended_s >= record.started_s
        assert all(leg.ended_s is not None and leg.cause is not None for leg in record.legs)
        by_itself = isinstance(event, ev.LegHungUp | ev.LegRefused)
        assert room.hang_ups == (0 if by_itself else 1)

    def check(self, switchboard: Switchboard) -> None:
        """What holds between any two events."""
        assert len(switchboard) == len(self.rooms)
        for call_id, room in self.rooms.items():
            view, phone = switchboard.call(call_id), f"{call_id}-phone"
            assert view is not None and view.state is not CallState.ENDED
            assert room.hang_ups == 0
            assert {leg for leg in room.joined if leg != phone} <= {view.agent_leg}, "only the owner is ever heard"
            if not view.agent:
                assert not room.joined, "nothing is heard before somebody accepts"
            if view.state is CallState.LIVE:
                assert phone in room.joined and (view.agent_leg in room.joined or not view.agent_connected)
            if {phone, view.agent_leg} <= set(room.joined):
                assert room.gains.get((phone, view.agent_leg), 1.0) == (0.0 if view.muted or view.held else 1.0)
                assert room.gains.get((view.agent_leg, phone), 1.0) == (0.0 if view.held else 1.0)
            if view.recording is RecordingState.FAILED:
                room.kept = False
            if view.recording in (RecordingState.OFF, RecordingState.ANNOUNCING, RecordingState.PAUSED):
                assert not room.kept
            if view.held:
                assert room.sounds[phone] == "hold"
            elif view.agent_connected:
                assert room.sounds.get(phone) is None, "somebody is there to talk with"
        for agent in AGENTS:
            own = [view for view in switchboard.calls_of(agent) if view.state is not CallState.RINGING or view.direction == "out"]
            assert len(own) <= 1, "never two calls at one pair of ears"


@settings(max_examples=200)
@given(steps)
def test_whatever_happens(steps: list[tuple[int, ev.Event]]) -> None:
    switchboard, witness, now = Switchboard(CallPolicy(max_calls=2, recording=RECORDED)), Witness(), 0
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
    assert not any(switchboard.calls_of(agent) for agent in AGENTS)


@settings(max_examples=200)
@given(steps)
def test_a_refusal_changes_nothing(steps: list[tuple[int, ev.Event]]) -> None:
    """Two switchboards, one spared every request that the other refuses, stay the same."""
    (tried, spared), now = (Switchboard(CallPolicy(recording=RECORDED)) for _ in range(2)), 0
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
    switchboard, now = Switchboard(CallPolicy(recording=RECORDED)), 0
    for wait, event in steps:
        now += wait
        switchboard.expire(now)
        with suppress(NotPossible):
            switchboard.handle(event, now)
    switchboard.expire(now + 1000)
    left = [view for call_id in CALLS if (view := switchboard.call(call_id)) is not None]
    assert all(view.state is CallState.LIVE and view.agent_connected for view in left)
