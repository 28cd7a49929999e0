"""A call flow and the kinds of its steps: data only. ``rooms/flows/reading.py`` makes it of text, ``rooms/flows/run.py`` goes through it.

A step has exits, each with the step that follows. Where the exit of a failure names none, the caller hears the flow's goodbye and the call
ends. Exits at which the caller was told or asked something, or waited long, ``pause``; a way round without one is a fault.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from rooms.causes import EndReason
from rooms.flows.conditions import Condition, FactValue
from rooms.queues.queue_plan import SkillNeed

Prompt = tuple[str, ...]
"""Names of sentences, as in ``prompt/LANGUAGE/NAME``, said one after the other."""
KEYS = "0123456789*#"
WORDS = ("goodbye", "nothing-heard", "invalid-choice", "technical-problem")
"""Sentences that a run says by itself."""


class Exit(NamedTuple):
    """``to``: the step that follows, or empty. ``pauses``: did the caller hear, say or press something meanwhile?"""

    outcome: str
    to: str
    pauses: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """``lines``: where its keys stand in the text, and itself under the empty one; it is no part of what a step is."""

    kind: ClassVar[str]
    name: str
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    def line(self, key: str = "") -> int:
        """0 where it stands in no text."""
        return self.lines.get(key, self.lines.get("", 0))

    def exits(self) -> Iterable[Exit]:
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenStep(Step):
    """What begins with something said. ``speak``: in these languages one after the other, empty: in the caller's.
    ``interruptible``: does a digit end it?"""

    say: Prompt = ()
    speak: tuple[str, ...] = ()
    interruptible: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Say(SpokenStep):
    kind = "say"
    next: str

    def exits(self) -> Iterable[Exit]:
        return (Exit("next", self.next, True),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu(SpokenStep):
    """One digit chooses. ``wait_s`` is from the end of what is said, ``tries`` how often it is said in all."""

    kind = "menu"
    choices: Mapping[str, str]
    tries: int = 3
    wait_s: float = 6.0
    no_input: str = ""
    no_match: str = ""

    def exits(self) -> Iterable[Exit]:
        chosen = (Exit(key, to, True) for key, to in self.choices.items())
        return (*chosen, Exit("no_input", self.no_input, True), Exit("no_match", self.no_match, True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask(SpokenStep):
    """Digits become the fact ``fact``. ``#`` ends them, ``*`` begins them anew, as many as ``most`` or ``between_s`` without one end them
    too."""

    kind = "ask"
    fact: str
    next: str
    least: int = 1
    most: int = 20
    tries: int = 3
    wait_s: float = 8.0
    between_s: float = 4.0
    no_input: str = ""
    no_match: str = ""

    def exits(self) -> Iterable[Exit]:
        return (Exit("next", self.next, True), Exit("no_input", self.no_input, True), Exit("no_match", self.no_match, True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours(Step):
    """``holiday`` where it differs from ``closed``."""

    kind = "hours"
    calendar: str
    open: str
    closed: str
    holiday: str = ""

    def exits(self) -> Iterable[Exit]:
        return (Exit("open", self.open), Exit("closed", self.closed), Exit("holiday", self.holiday or self.closed))


class Way(NamedTuple):
    """Taken where all conditions hold."""

    conditions: tuple[Condition, ...]
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choose(Step):
    """The first way whose conditions hold, as far as the facts are known by now."""

    kind = "choose"
    ways: tuple[Way, ...]
    otherwise: str

    def exits(self) -> Iterable[Exit]:
        return (*(Exit(f"way {number}", way.to) for number, way in enumerate(self.ways, 1)), Exit("otherwise", self.otherwise))


@dataclass(frozen=True, slots=True, kw_only=True)
class Set(Step):
    """From here on: another language (empty: as it is), another priority in queues (None: as it is), further facts."""

    kind = "set"
    next: str
    language: str = ""
    priority: int | None = None
    facts: Mapping[str, FactValue] = field(default_factory=dict)

    def exits(self) -> Iterable[Exit]:
        return (Exit("next", self.next),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue(Step):
    """``priority`` beside the queue's own; None: the caller's so far. ``needs`` and ``music`` in place of the queue's own."""

    kind = "queue"
    queue: str
    priority: int | None = None
    needs: tuple[SkillNeed, ...] = ()
    music: str = ""
    full: str = ""
    nobody: str = ""
    timeout: str = ""
    call_back: str = ""

    def exits(self) -> Iterable[Exit]:
        return (
            Exit("full", self.full),
            Exit("nobody", self.nobody),
            Exit("timeout", self.timeout, True),
            Exit("call_back", self.call_back, True),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Voicemail(SpokenStep):
    kind = "voicemail"
    box: str
    max_s: float = 120.0
    taken: str = ""
    empty: str = ""
    failed: str = ""

    def exits(self) -> Iterable[Exit]:
        return (Exit("taken", self.taken, True), Exit("empty", self.empty, bool(self.say)), Exit("failed", self.failed, bool(self.say)))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBack(Step):
    """``number``: the fact that holds the number to call, the caller's own by default."""

    kind = "call_back"
    queue: str
    number: str = "caller"
    kept: str = ""
    refused: str = ""

    def exits(self) -> Iterable[Exit]:
        return (Exit("kept", self.kept), Exit("refused", self.refused))


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook(Step):
    """``tell``: the facts that the other program is told."""

    kind = "webhook"
    webhook: str
    ok: str
    failed: str = ""
    tell: tuple[str, ...] = ()
    wait_s: float = 5.0

    def exits(self) -> Iterable[Exit]:
        return (Exit("ok", self.ok), Exit("failed", self.failed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Step):
    """To exactly one of: a number or extension, an agent, the number or the agent that a fact names."""

    kind = "transfer"
    number: str = ""
    agent: str = ""
    number_fact: str = ""
    agent_fact: str = ""
    ring_s: float = 30.0
    busy: str = ""
    no_answer: str = ""
    failed: str = ""

    def exits(self) -> Iterable[Exit]:
        return (Exit("busy", self.busy), Exit("no_answer", self.no_answer, True), Exit("failed", self.failed))


@dataclass(frozen=True, slots=True, kw_only=True)
class GoOn(Step):
    """In another flow, from its start; there is no way back."""

    kind = "flow"
    flow: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp(SpokenStep):
    """``reason`` None: completed where the call was answered, else nobody available."""

    kind = "hang_up"
    interruptible: bool = False
    reason: EndReason | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """``languages`` it is spoken in, ``language`` for who has none of them. ``music`` while the caller is waited for.

    ``texts``: what is spoken where nobody recorded it, by name and language. Some of
    ``WORDS`` there are said in place of the server's.
    """

    name: str
    languages: tuple[str, ...]
    language: str
    start: str
    steps: Mapping[str, Step]
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    music: str = "hold"
