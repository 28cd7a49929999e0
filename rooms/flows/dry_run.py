"""A flow gone through by a caller of whom it is written down what they press, and what becomes of them elsewhere. In virtual time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from rooms.centre_plan import CentrePlan
from rooms.flows import acts as do
from rooms.flows.conditions import FactValue
from rooms.flows.flow import Flow, Hours
from rooms.flows.run import FlowRun, Passed, Phase
from rooms.sound_names import sentence

NOTHING = "-"
_INTERRUPT = "!"
_CHARACTERS_PER_S = 14.0
_DIGIT_S = 0.5
_OUTCOME_S = {"webhook": 1.0, "call_back": 1.0, "transfer": 10.0}
_USUAL_OUTCOME_S = 20.0
_USUAL = {"queue": "answered", "voicemail": "taken", "webhook": "failed", "transfer": "answered", "call_back": "kept"}


@dataclass(frozen=True, slots=True)
class Script:
    """``epoch_s``: when the call comes. ``facts``: what is known of the caller by then. ``presses``: what they press, one text of digits
    for each time they are asked, ``-`` for nothing; one that begins with ``!`` is pressed into what is said. ``outcomes``: by the name of a
    step or its kind, where it is not the usual one. ``answers``: facts that a webhook answers, by its step; one that has some is ``ok``."""

    epoch_s: float
    facts: Mapping[str, FactValue] = field(default_factory=dict)
    presses: tuple[str, ...] = ()
    outcomes: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, Mapping[str, FactValue]] = field(default_factory=dict)


def dry_run(flow: Flow, plan: CentrePlan, script: Script, texts: Mapping[str, Mapping[str, str]] | None = None) -> list[str]:
    """What the caller hears, where they are led, and how it ends, one line each with minutes and seconds.

    ``texts``: the words of sentences that the flows do not bring along. Raises ValueError for an outcome that a step cannot have.
    """
    return _Rehearsal(flow, plan, script, texts or {}).lines()


class _Rehearsal:
    def __init__(self, flow: Flow, plan: CentrePlan, script: Script, texts: Mapping[str, Mapping[str, str]]) -> None:
        self._script = script
        self._words = {sentence(language, name): words for name, text in texts.items() for language, words in text.items()}
        for each in (*plan.flows.values(), flow):
            self._words |= {sentence(of, name, words): words for name, text in each.texts.items() for of, words in text.items()}
        self._flows, self._calendars = {**plan.flows, flow.name: flow}, plan.calendars
        self._run = FlowRun(flow, self._flows, script.facts, plan.calendars, script.epoch_s, 0.0)
        self._presses = list(script.presses)
        self._saying_s = 0.0
        self._now = 0.0
        self._passed = 0

    def lines(self) -> list[str]:
        return list(self._go())

    def _go(self) -> Iterator[str]:
        yield from self._tell(self._run.begin(0.0))
        while not self._run.over:
            if self._run.phase is Phase.SAYING:
                yield from self._listen()
            elif self._run.phase is Phase.KEYS:
                yield from self._answer_question()
            else:
                yield from self._wait_elsewhere()

    def _listen(self) -> Iterator[str]:
        if self._presses and self._presses[0].startswith(_INTERRUPT):
            self._now += self._saying_s / 2
            yield from self._press(self._presses.pop(0)[1:])
        else:
            self._now += self._saying_s
            yield from self._tell(self._run.done("said", self._now))

    def _answer_question(self) -> Iterator[str]:
        wanted = self._presses.pop(0).removeprefix(_INTERRUPT) if self._presses else NOTHING
        trail = len(self._run.trail)
        if wanted != NOTHING:
            yield from self._press(wanted)
        while self._run.phase is Phase.KEYS and len(self._run.trail) == trail:
            self._now = self._run.deadline or self._now
            yield from self._tell(self._run.expire(self._now))

    def _press(self, digits: str) -> Iterator[str]:
        yield self._line(f"presses {digits}")
        for digit in digits:
            self._now += _DIGIT_S
            yield from self._tell(self._run.digit(digit, self._now))

    def _wait_elsewhere(self) -> Iterator[str]:
        step = self._run.step
        answers = self._script.answers.get(step.name)
        usual = "ok" if answers is not None else _USUAL[step.kind]
        outcome = next((self._script.outcomes[name] for name in (step.name, step.kind) if name in self._script.outcomes), usual)
        if outcome not in self._run.outcomes:
            raise ValueError(f"{step.name!r} cannot end by {outcome!r}: {', '.join(sorted(self._run.outcomes))}.")
        until = self._now + _OUTCOME_S.get(step.kind, _USUAL_OUTCOME_S)
        while self._run.deadline is not None and self._run.deadline < until and step is self._run.step:
            self._now = self._run.deadline
            yield from self._tell(self._run.expire(self._now))
        if step is self._run.step and self._run.outcomes:
            self._now = until
            yield self._line(outcome.replace("_", " "))
            yield from self._tell(self._run.done(outcome, self._now, answers))

    # ------------------------------------------------------------------ in words

    def _tell(self, acts: list[do.Act]) -> Iterator[str]:
        for passed in self._run.trail[self._passed :]:
            yield self._line(f"[{passed.step}: {passed.outcome}{self._until(passed)}]" if passed.outcome else f"[{passed.step}]")
        self._passed = len(self._run.trail)
        for act in acts:
            words = self._told(act)
            if words:
                yield self._line(words)

    def _until(self, passed: Passed) -> str:
        """How long it stays open, or closed."""
        step = self._flows[passed.flow].steps.get(passed.step)
        calendar = self._calendars.get(step.calendar) if isinstance(step, Hours) else None
        change = calendar.next_change(self._script.epoch_s + passed.since_s) if calendar is not None else None
        if calendar is None or change is None:
            return ""
        return f" until {datetime.fromtimestamp(change, ZoneInfo(calendar.zone)):%Y-%m-%d %H:%M}"

    def _told(self, act: do.Act) -> str:
        match act:
            case do.Answer():
                return "is answered"
            case do.Ring():
                return "hears ringing"
            case do.Say(sounds):
                said = " ".join(self._words.get(sound, f"<{sound}>") for sound in sounds)
                self._saying_s = round(len(said) / _CHARACTERS_PER_S, 1)
                return f"hears: {said}"
            case do.Music(sound):
                return f"hears music: {sound.removeprefix('music/')}"
            case do.JoinQueue(queue, priority):
                return f"waits in the queue {queue}" + (f" with priority {priority}" if priority else "")
            case do.TakeMessage(box, max_s):
                return f"leaves a message in the box {box}, of {max_s:g} s at most"
            case do.AskWebhook(webhook, facts):
                return f"the webhook {webhook} is asked" + "".join(f", {name}: {value}" for name, value in facts)
            case do.Connect(target, ring_s):
                return f"hears {target} ring, for {ring_s:g} s at most"
            case do.OfferCallBack(queue, number):
                return f"is to be called back at {number} in the order of the queue {queue}"
            case do.Finish(cause):
                return f"over: {cause.reason.value.replace('_', ' ')}" + (f". {cause.detail}" if cause.detail else "")
        return ""

    def _line(self, words: str) -> str:
        return f"{int(self._now) // 60:02}:{int(self._now) % 60:02}  {words}"
