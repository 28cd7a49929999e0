"""A contact centre on paper: callers, browsers, media and other systems that do what effects say, and object to what must not be.

Sounds take their time and are told to have ended; whoever is dialled, asked or expected can be made to answer. Every caller who was
answered has ears: silence is measured in virtual time.
"""

from contextlib import suppress
from dataclasses import dataclass, field

from rooms import effects as fx
from rooms import events as ev
from rooms.agent import AgentState
from rooms.call_back import CallBack
from rooms.record import CallRecord, CallState
from rooms.switchboard import NotPossible, Switchboard

SAID_S = 3.0
"""How long every sound takes that is played once."""
MOST_SILENCE_S = 2.0


@dataclass
class Ear:
    """What a leg hears. ``once``: what is played once, and when it ends. ``speaks``: it leaves a message."""

    music: str | None = None
    once: tuple[str, float] | None = None
    speaks: bool = False
    quiet_since_s: float | None = None


@dataclass
class Room:
    joined: list[str] = field(default_factory=list)
    gains: dict[tuple[str, str], float] = field(default_factory=dict)
    ears: dict[str, Ear] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    hung_up: list[str] = field(default_factory=list)
    records: list[CallRecord] = field(default_factory=list)

    def hears(self, leg_id: str) -> bool:
        ear = self.ears.setdefault(leg_id, Ear())
        others = any(other != leg_id and self.gains.get((leg_id, other), 1.0) for other in self.joined) and leg_id in self.joined
        return bool(ear.music or ear.once or ear.speaks or others)


class World:
    """``at(event)`` and ``pass_time(s)``; ``check`` holds between any two of them."""

    def __init__(self, switchboard: Switchboard) -> None:
        self.switchboard = switchboard
        self.now = 0.0
        self.rooms: dict[str, Room] = {}
        self.closed: dict[str, Room] = {}
        self.legs: dict[str, str] = {}
        """Whose browser is expected at which leg, the newest for each agent."""
        self.dialled: list[str] = []
        self.sought: list[str] = []
        self.taking: list[str] = []
        self.asking: list[str] = []
        self.call_backs: dict[str, CallBack] = {}
        self.done: list[str] = []
        self.effects: list[fx.Effect] = []

    # ------------------------------------------------------------------ time and events

    def at(self, event: ev.Event) -> bool:
        """False where it was refused."""
        with suppress(NotPossible):
            self.perform(self.switchboard.handle(event, self.now))
            self._listen()
            return True
        return False

    def pass_time(self, seconds: float) -> None:
        """Every deadline and the end of every sound in its moment."""
        until_s = self.now + seconds
        while True:
            ends = [(ear.once[1], leg_id) for room in self.rooms.values() for leg_id, ear in room.ears.items() if ear.once is not None]
            deadline = self.switchboard.next_deadline()
            next_s = min([*(at_s for at_s, _ in ends), *([deadline] if deadline is not None else [])], default=until_s)
            if next_s >= until_s:
                break
            self.now = max(self.now, next_s)
            self._listen()
            if deadline is not None and deadline <= self.now:
                self.perform(self.switchboard.expire(self.now))
                later = self.switchboard.next_deadline()
                assert later is None or later > self.now, "what has come is done with"
            for room in list(self.rooms.values()):
                for leg_id, ear in list(room.ears.items()):
                    if ear.once is not None and ear.once[1] <= self.now:
                        sound, ear.once = ear.once[0], None
                        self.at(ev.SoundEnded(leg_id, sound))
            self._listen()
        self.now = until_s
        self._listen()
        self.perform(self.switchboard.expire(self.now))
        self._listen()

    # ------------------------------------------------------------------ effects

    def perform(self, effects: list[fx.Effect]) -> None:
        for effect in effects:
            self.effects.append(effect)
            self._do(effect)

    def _do(self, effect: fx.Effect) -> None:
        match effect:
            case fx.OpenRoom(room_id=room_id):
                assert room_id not in self.rooms and room_id not in self.closed, "no call is there twice"
                self.rooms[room_id] = Room()
            case fx.ExpectAgent(leg_id=leg_id, agent=agent):
                self.legs[agent] = leg_id
            case fx.AnswerCall(call_id=call_id, leg_id=leg_id):
                assert leg_id not in self.rooms[call_id].answered, "answered once"
                self.rooms[call_id].answered.add(leg_id)
            case fx.JoinBridge(room_id=room_id, leg_id=leg_id):
                assert leg_id not in self.rooms[room_id].joined
                self.rooms[room_id].joined.append(leg_id)
            case fx.SetGains(room_id=room_id, gains=gains):
                self.rooms[room_id].gains |= {(hears, speaks): gain for hears, speaks, gain in gains}
            case fx.Play(leg_id=leg_id, sound=sound):
                self._ear(leg_id).music = sound
            case fx.PlayOnce(leg_id=leg_id, sound=sound):
                assert leg_id in self._room(leg_id).joined
                self._ear(leg_id).once = (sound, self.now + SAID_S)
            case fx.Hush(leg_id=leg_id):
                self._ear(leg_id).once = None
            case fx.TakeMessage(leg_id=leg_id, call_id=call_id):
                self._ear(leg_id).speaks = True
                self.taking.append(call_id)
            case fx.AskWebhook(call_id=call_id):
                self.asking.append(call_id)
            case fx.FindTarget(call_id=call_id):
                self.sought.append(call_id)
            case fx.PlaceCall(leg_id=leg_id):
                self.dialled.append(leg_id)
            case fx.CloseLeg(leg_id=leg_id):
                room = self._room(leg_id)
                room.joined = [leg for leg in room.joined if leg != leg_id]
                room.ears.pop(leg_id, None)
                room.gone.add(leg_id)
            case fx.HangUp(leg_id=leg_id):
                room = self._room(leg_id)
                assert leg_id not in room.hung_up
                room.hung_up.append(leg_id)
                room.gone.add(leg_id)
            case fx.WriteRecord(record=record):
                self.rooms[record.call_id].records.append(record)
            case fx.CloseRoom(room_id=room_id):
                self._close(room_id)
            case fx.KeepCallBack(call_back=call_back):
                assert call_back.call_back_id not in self.done
                known = self.call_backs.get(call_back.call_back_id)
                assert known is None or known.seq + 1 == call_back.seq, "each word of it once, in order"
                self.call_backs[call_back.call_back_id] = call_back
            case fx.CallBackOver(call_back=call_back):
                del self.call_backs[call_back.call_back_id]
                self.done.append(call_back.call_back_id)

    def _close(self, room_id: str) -> None:
        room = self.closed[room_id] = self.rooms.pop(room_id)
        ends = [record for record in room.records if record.state is CallState.ENDED]
        assert len(ends) == 1 and ends[0] is room.records[-1], "the end is written once"
        assert all(leg.ended_s is not None and leg.cause is not None for leg in ends[0].legs)

    def _room(self, leg_id: str) -> Room:
        return self.rooms[leg_id.split("-")[0]]

    def _ear(self, leg_id: str) -> Ear:
        return self._room(leg_id).ears.setdefault(leg_id, Ear())

    # ------------------------------------------------------------------ what must hold

    def _listen(self) -> None:
        """Nobody who calls us hears nothing for long."""
        for room_id, room in self.rooms.items():
            leg_id = f"{room_id}-phone"
            if leg_id not in room.answered or leg_id in room.gone:
                continue
            ear = room.ears.setdefault(leg_id, Ear())
            if room.hears(leg_id):
                ear.quiet_since_s = None
            elif ear.quiet_since_s is None:
                ear.quiet_since_s = self.now
            assert ear.quiet_since_s is None or self.now - ear.quiet_since_s <= MOST_SILENCE_S, "silence"

    def check(self, agents: tuple[str, ...]) -> None:
        """What holds between any two events."""
        switchboard = self.switchboard
        assert set(self.rooms) == {call_id for call_id in self.rooms if switchboard.call(call_id) is not None}
        assert len(self.rooms) == len(switchboard), "no call lost, none doubled"
        waiting = 0
        for call_id in self.rooms:
            view = switchboard.call(call_id)
            assert view is not None and view.state is not CallState.ENDED
            waits = view.move is not None and view.move.state == "waiting"
            waiting += waits
            assert (view.centre is not None and view.centre.queued_s is not None) is waits
        views = switchboard.call_backs()
        assert {view.call_back.call_back_id: view.call_back for view in views} == self.call_backs
        figures = switchboard.queue_figures(self.now).values()
        assert sum(figure.waiting - figure.call_backs for figure in figures) <= waiting
        for agent in agents:
            own = [view for view in switchboard.calls_of(agent) if view.state is not CallState.RINGING or view.direction == "out"]
            assert len(own) <= 1, "never two calls at one pair of ears"
            if switchboard.agent_state(agent) is AgentState.WRAP_UP and switchboard.wrap_up(agent) is not None:
                assert switchboard.next_deadline() is not None, "it will be over"
