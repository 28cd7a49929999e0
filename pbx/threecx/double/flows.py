"""How calls appear: the usual ones, played by the emulator in no time, each marked as confirmed or assumed and with what is to be seen.

To be recorded on a real PBX (``centralita threecx record``) and compared: then what is assumed here is either confirmed or corrected.
"""

import json
from dataclasses import dataclass
from random import Random

from pbx.threecx.double.calls import Calls, Change, Upserted
from pbx.threecx.double.control import Control
from pbx.threecx.double.directory import Reaction, demo_directory
from pbx.threecx.double.events import event, hears
from pbx.threecx.double.legs import Leg
from pbx.threecx.double.manners import Basis, Manners
from pbx.threecx.double.trace import Trace

CALLER = "+34600111222"


@dataclass(frozen=True, slots=True)
class Act:
    """After ``after_s``: ``arrive`` (DID), ``answer``, ``drop`` or ``press`` (DN, ``line`` for the trunk), ``ask`` (DN, action and
    destination, as over the API)."""

    after_s: float
    what: str
    who: str = ""
    action: str = ""
    destination: str = ""


@dataclass(frozen=True, slots=True)
class Flow:
    """``seen``: the shape of what the demo client sees (``Trace.shape``)."""

    name: str
    basis: Basis
    what: str
    acts: tuple[Act, ...]
    seen: tuple[str, ...]


FLOWS: tuple[Flow, ...] = (
    Flow(
        "pstn_to_route_point",
        Basis.CONFIRMED,
        "Somebody outside calls the route point, presses a digit and hangs up.",
        (Act(0, "arrive", "+34910000000"), Act(2, "press", "line"), Act(2, "drop", "line")),
        ("870 Connected with externalline", "870 digits", "870 removed"),
    ),
    Flow(
        "pstn_to_extension",
        Basis.CONFIRMED,
        "Somebody outside calls a monitored extension, which answers and later hangs up.",
        (Act(0, "arrive", "+34910000001"), Act(3, "answer", "200"), Act(5, "drop", "200")),
        ("200 Ringing with externalline", "200 Connected with externalline", "200 removed"),
    ),
    Flow(
        "pstn_unanswered",
        Basis.CONFIRMED,
        "The same, and the caller gives up.",
        (Act(0, "arrive", "+34910000001"), Act(6, "drop", "line")),
        ("200 Ringing with externalline", "200 removed"),
    ),
    Flow(
        "queue",
        Basis.ASSUMED,
        "A queue rings two members; one answers.",
        (Act(0, "arrive", "+34910000002"), Act(4, "answer", "201"), Act(5, "drop", "line")),
        (
            "800 Connected with externalline",
            "200 Ringing with externalline for 800",
            "201 Ringing with externalline for 800",
            "200 removed",
            "800 removed",
            "201 Connected with externalline for 800",
            "201 removed",
        ),
    ),
    Flow(
        "outgoing",
        Basis.CONFIRMED,
        "A monitored extension calls somebody outside, who answers; the extension hangs up.",
        (Act(0, "ask", "200", "makecall", CALLER), Act(5, "drop", "200")),
        ("200 Dialing with externalline", "200 Connected with externalline", "200 removed"),
    ),
    Flow(
        "routeto",
        Basis.ASSUMED,
        "The route point sends its caller to an extension and leaves once it has answered.",
        (
            Act(0, "arrive", "+34910000000"),
            Act(2, "ask", "870", "routeto", "201"),
            Act(3, "answer", "201"),
            Act(1, "ask", "870", "drop"),
            Act(5, "drop", "line"),
        ),
        (
            "870 Connected with externalline",
            "201 Ringing with externalline for 870",
            "201 Connected with externalline for 870",
            "870 removed",
            "201 removed",
        ),
    ),
    Flow(
        "transferto",
        Basis.ASSUMED,
        "An extension transfers its caller to another one, which answers.",
        (
            Act(0, "arrive", "+34910000001"),
            Act(2, "answer", "200"),
            Act(2, "ask", "200", "transferto", "201"),
            Act(3, "answer", "201"),
            Act(4, "drop", "201"),
        ),
        (
            "200 Ringing with externalline",
            "200 Connected with externalline",
            "200 removed",
            "201 Ringing with externalline from 200",
            "201 Connected with externalline from 200",
            "201 removed",
        ),
    ),
    Flow(
        "voicemail",
        Basis.ASSUMED,
        "The route point calls an extension that leaves the call to its voicemail.",
        (Act(0, "ask", "870", "makecall", "203"), Act(40, "ask", "870", "drop")),
        (
            "870 Dialing with extension",
            "203 unread, 403",
            "203 removed",
            "870 Connected with specialmenu",
            "203 unread, 403",
            "870 removed",
            "203 removed",
        ),
    ),
)


def play(flow: Flow, manners: Manners | None = None) -> Trace:
    """What the demo client would have seen of a flow: every frame, and the entity read as each Upsert told of it."""
    return _Stage(flow, manners or Manners()).trace


class _Stage:
    def __init__(self, flow: Flow, manners: Manners) -> None:
        self._directory = demo_directory()
        self._directory.dns["203"].voicemail = True
        self._directory.others = Reaction(answer_after_s=1.0)
        self._client = self._directory.principals["870"]
        self._calls = Calls(self._directory, manners, self._changed, random=Random(flow.name))
        self._control = Control(self._calls)
        self._sequence = 0
        self.trace = Trace(flow.name, flow.basis.value, "3CX double")
        now = 0.0
        for act in flow.acts:
            now += act.after_s
            self._until(now)
            self._perform(act)
        self._until(now + 1)

    def _until(self, now: float) -> None:
        timers = self._calls.timers
        while (due := timers.next_deadline()) is not None and due <= now:
            timers.expire(due)
        timers.expire(now)

    def _perform(self, act: Act) -> None:
        if act.what == "arrive":
            self._calls.arrive(CALLER, act.who)
        elif act.what == "ask":
            ids = [] if act.action == "makecall" else ["participants", str(self._leg(act.who).id)]
            body = json.dumps({"destination": act.destination} if act.destination else {}).encode()
            self._control.handle(self._client, "POST", [act.who, *ids, act.action], body, lambda reply: None)
        elif act.what == "press":
            self._calls.press(self._leg(act.who), "5")
        else:
            (self._calls.answer if act.what == "answer" else self._calls.drop)(self._leg(act.who))

    def _leg(self, who: str) -> Leg:
        return self._calls.of(self._directory.trunk if who == "line" else who)[0]

    def _changed(self, change: Change) -> None:
        if not hears(self._client, change):
            return
        self._sequence += 1
        now, told = self._calls.timers.now, event(change)
        self.trace.frame(now, json.dumps({"sequence": self._sequence, "event": told}))
        if isinstance(change, Upserted):
            path = str(told["entity"])
            parts = path.split("/")[2:]
            self._control.handle(self._client, "GET", parts, b"", lambda reply: self.trace.read(now, path, reply.status, reply.body))
