"""One caller in one flow: digits, outcomes and time in, acts out. No clock, no sound, no call: ``now`` is an argument.

What is decided here:

- ``Answer`` comes right before the first act that is heard: hours and conditions may refuse a call that was never answered.
- A digit ends what is said, unless its step wants to be heard, and counts as pressed. Digits that come early are kept, up to
  ``MOST_KEYS``, and what is said is passed over while some are left, no step twice for the same ones; they are dropped after a wrong one
  and before whatever is no question.
- Every step has an end: by a named outcome, by its deadline, or by both. What is said ends after ``LONGEST_SAYING_S`` even if nobody says
  so; in a queue it is the queue that bounds the stay.
- Whoever is waited for hears music after ``QUIET_S``, or ringing before the call is answered. That counts from when it became quiet: steps
  that follow one another quickly are one silence for the caller.
- Whoever goes through ``MOST_STEPS`` steps is told of a technical problem: no fault in a flow spins.
- A fact that is learned late counts from the next condition on. It changes the language only before anything is heard; one that a webhook
  answers always does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from rooms.calendar import Calendar
from rooms.causes import Cause, EndReason
from rooms.flows import flow as kinds
from rooms.flows.acts import (
    Act,
    Answer,
    AskWebhook,
    Connect,
    Finish,
    JoinQueue,
    Music,
    OfferCallBack,
    Ring,
    Say,
    StopSaying,
    TakeMessage,
)
from rooms.flows.conditions import Facts, FactValue
from rooms.flows.flow import Flow, Prompt, SpokenStep, Step
from rooms.sound_names import sentence

MOST_STEPS = 500
MOST_KEYS = 32
MOST_FACTS = 100
MOST_CHARACTERS = 500
QUIET_S = 1.5
LONGEST_SAYING_S = 180.0
_AT_ONCE_S = 0.1
_SLACK_S = 10.0
"""What a message, a connection or a call-back has beyond its own time to tell how it went."""
_DIGIT_TIMES = 2
"""Somebody who begins their digits anew has as long as for twice as many as are asked for."""

_GOODBYE = "(goodbye)"
_NOBODY = frozenset({"full", "nobody", "timeout", "busy", "no_answer"})
"""Outcomes after which a goodbye means that nobody could be reached."""


class Phase(StrEnum):
    """What a run waits for: ``SAYING`` what it says, ``KEYS`` digits, ``OUTCOME`` what somebody else does."""

    NEW = "new"
    SAYING = "saying"
    KEYS = "keys"
    OUTCOME = "outcome"
    OVER = "over"


@dataclass(slots=True)
class Passed:
    """One step of the way of a caller. ``outcome`` is empty while they are in it."""

    flow: str
    step: str
    since_s: float
    outcome: str = ""


class FlowRun:
    """``facts``: what is known of the caller by now; ``caller``, ``called`` and ``language`` among them. ``epoch_s``: the time of day at
    ``now``. ``flows`` and ``calendars`` are those of one version of the plan, and stay so for this run.

    ``deadline``: when ``expire`` has something to do, None where only an outcome can follow. ``trail``: the steps gone through, the last of
    which is ``step``.
    """

    def __init__(
        self, flow: Flow, flows: Mapping[str, Flow], facts: Facts, calendars: Mapping[str, Calendar], epoch_s: float, now: float
    ) -> None:
        self.trail: list[Passed] = []
        self.answered = False
        self.phase = Phase.NEW
        self.step: Step = kinds.HangUp(name=_GOODBYE)
        self._flow, self._flows, self._calendars = flow, flows, calendars
        self._epoch_at_0 = epoch_s - now
        self._facts: dict[str, FactValue] = {}
        self._priority = 0
        self._early = ""
        self._passed_over: set[str] = set()
        self._keys = ""
        self._tries = 0
        self._keys_until = 0.0
        self._ends_at: float | None = None
        self._quiet_at: float | None = None
        self._quiet_since_s: float | None = None
        """Since when the caller hears nothing, as far as this run has to do with it."""
        self._acts: list[Act] = []
        self._fault = ""
        self._remember(facts)
        self._facts["language"] = self._language_among(str(facts.get("language", "")))

    # ------------------------------------------------------------------ what others read

    @property
    def language(self) -> str:
        """In which the caller is spoken to."""
        return str(self._facts["language"])

    @property
    def facts(self) -> Facts:
        return self._facts

    @property
    def over(self) -> bool:
        return self.phase is Phase.OVER

    @property
    def outcomes(self) -> frozenset[str]:
        """By which the step can end that waits for what somebody else does; empty while it waits for something else."""
        return _OUTCOMES[type(self.step)] if self.phase is Phase.OUTCOME else frozenset()

    @property
    def deadline(self) -> float | None:
        return min((at for at in (self._ends_at, self._quiet_at) if at is not None), default=None)

    # ------------------------------------------------------------------ what happens

    def begin(self, now: float) -> list[Act]:
        if self.phase is Phase.NEW:
            self._go(self._flow.start, now)
        return self._taken()

    def digit(self, key: str, now: float) -> list[Act]:
        """The caller pressed one of ``flow.KEYS``; anything else is no digit."""
        if key not in kinds.KEYS or len(key) != 1:
            return []
        self._passed_over.clear()
        if self.phase is Phase.KEYS:
            self._key(key, now)
        elif self.phase in (Phase.SAYING, Phase.OUTCOME) and len(self._early) < MOST_KEYS:
            self._early += key
            if self.phase is Phase.SAYING and isinstance(self.step, SpokenStep) and self.step.interruptible:
                self._acts.append(StopSaying())
                self._said(now)
        return self._taken()

    def done(self, outcome: str, now: float, facts: Facts | None = None) -> list[Act]:
        """What was waited for ended so; an outcome that nothing waits for is none."""
        if self.phase is Phase.SAYING and outcome == "said":
            self._said(now)
        elif outcome in self.outcomes:
            if facts:
                self._remember(facts)
                self._facts["language"] = self._language_among(str(facts.get("language", "")), self.language)
            self._ended(outcome, now)
        return self._taken()

    def learn(self, facts: Facts) -> None:
        """What became known of the caller meanwhile."""
        self._remember(facts)
        if not self.answered:
            self._facts["language"] = self._language_among(str(facts.get("language", "")), self.language)

    def expire(self, now: float) -> list[Act]:
        """What follows from the deadline, if it has come. After it ``deadline`` is later than ``now``."""
        if self._ends_at is not None and self._ends_at <= now:
            self._ran_out(now)
        elif self._quiet_at is not None and self._quiet_at <= now:
            self._quiet_at = self._quiet_since_s = None
            self._acts.append(Music(self._flow.music) if self.answered else Ring())
        return self._taken()

    def _taken(self) -> list[Act]:
        acts, self._acts = self._acts, []
        return acts

    # ------------------------------------------------------------------ from step to step

    def _go(self, to: str, now: float) -> None:
        """Through all steps that take no time, to the first that waits, or to the end."""
        following: str | None = to
        while following is not None:
            following = self._enter(following, now)

    def _enter(self, name: str, now: float) -> str | None:
        """Begin a step. The name of the next one where this one takes no time; None where it waits or was the last."""
        if len(self.trail) >= MOST_STEPS:
            return self._give_up(f"The flow {self._flow.name!r} went through {MOST_STEPS} steps.", now)
        step = self._flow.steps.get(name)
        if step is None:
            return self._give_up(f"The flow {self._flow.name!r} has no step {name!r}.", now)
        return self._begin(step, now)

    def _begin(self, step: Step, now: float) -> str | None:
        self.trail.append(Passed(self._flow.name, step.name, now))
        self.step, self._keys, self._tries = step, "", 0
        self._ends_at = self._quiet_at = None
        if not isinstance(step, _KEEP_KEYS):
            self._early = ""
        if isinstance(step, SpokenStep) and step.say and self._is_to_be_said(step):
            self._say(step.say, now)
            return None
        return self._act(now)

    def _is_to_be_said(self, step: SpokenStep) -> bool:
        if not self._early or not step.interruptible:
            return True
        if step.name in self._passed_over:
            self._early = ""
            return True
        self._passed_over.add(step.name)
        return False

    def _leave(self, outcome: str, to: str, now: float) -> str | None:
        """The step ended so; empty ``to``: with the goodbye."""
        if not isinstance(self.step, _KEEP_KEYS):
            self._early = ""
        self.trail[-1].outcome = outcome
        if to:
            return to
        reason = EndReason.NOBODY_AVAILABLE if outcome in _NOBODY else EndReason.COMPLETED
        return self._begin(kinds.HangUp(name=_GOODBYE, say=("goodbye",), reason=reason), now)

    def _give_up(self, fault: str, now: float) -> str | None:
        """The fault is the flow's, not the caller's, who is told of it."""
        self._fault = fault
        return self._begin(kinds.HangUp(name=_GOODBYE, say=("technical-problem",), reason=EndReason.FAILED), now)

    # ------------------------------------------------------------------ what is said

    def _say(self, prompt: Prompt, now: float) -> None:
        self._quiet_since_s = None
        speak = self.step.speak if isinstance(self.step, SpokenStep) else ()
        self._answer()
        languages, texts = speak or (self.language,), self._flow.texts
        self._acts.append(
            Say(tuple(sentence(language, name, texts.get(name, {}).get(language, "")) for language in languages for name in prompt))
        )
        self._wait(Phase.SAYING, now + LONGEST_SAYING_S)

    def _answer(self) -> None:
        if not self.answered:
            self.answered = True
            self._acts.append(Answer())

    def _quiet_until_s(self, now: float) -> float:
        """When the caller has heard nothing for long enough."""
        if self._quiet_since_s is None:
            self._quiet_since_s = now
        return max(now + _AT_ONCE_S, self._quiet_since_s + QUIET_S)

    def _said(self, now: float) -> None:
        self._quiet_since_s = now
        following = self._act(now)
        if following is not None:
            self._go(following, now)

    def _wait(self, phase: Phase, ends_at: float | None, quiet_at: float | None = None) -> None:
        self.phase, self._ends_at, self._quiet_at = phase, ends_at, quiet_at

    # ------------------------------------------------------------------ what a step does once it has spoken

    def _act(self, now: float) -> str | None:
        step = self.step
        if not isinstance(step, _KEEP_KEYS):
            self._early = ""
        match step:
            case kinds.Say():
                return self._leave("next", step.next, now)
            case kinds.Menu() | kinds.Ask():
                return self._listen(step, now)
            case kinds.Hours():
                return self._look_at_hours(step, now)
            case kinds.Choose():
                way = next((found for found in step.ways if all(each.holds(self._facts) for each in found.conditions)), None)
                return self._leave("otherwise" if way is None else "way", step.otherwise if way is None else way.to, now)
            case kinds.Set():
                return self._set(step, now)
            case kinds.GoOn():
                return self._go_on(step, now)
            case kinds.HangUp():
                self._finish(step)
            case kinds.Webhook():
                told = tuple((name, self._facts[name]) for name in step.tell if name in self._facts)
                self._acts.append(AskWebhook(step.webhook, told))
                self._wait(Phase.OUTCOME, now + step.wait_s, self._quiet_until_s(now))
            case kinds.CallBack():
                return self._offer_call_back(step, now)
            case _:
                return self._hand_over(step, now)
        return None

    def _hand_over(self, step: Step, now: float) -> str | None:
        """To a queue, a box or another phone: all of them are heard."""
        self._quiet_since_s = None
        match step:
            case kinds.Queue():
                self._answer()
                priority = self._priority if step.priority is None else step.priority
                self._acts.append(JoinQueue(step.queue, priority, step.needs, step.music))
                self._wait(Phase.OUTCOME, None)
            case kinds.Voicemail():
                self._answer()
                self._acts.append(TakeMessage(step.box, step.max_s))
                self._wait(Phase.OUTCOME, now + step.max_s + _SLACK_S)
            case kinds.Transfer():
                agent = step.agent or self._text(step.agent_fact)
                target = agent or step.number or self._text(step.number_fact)
                if not target:
                    return self._leave("failed", step.failed, now)
                self._answer()
                self._acts.append(Connect(target, step.ring_s, is_agent=bool(agent)))
                self._wait(Phase.OUTCOME, now + step.ring_s + _SLACK_S)
        return None

    def _look_at_hours(self, step: kinds.Hours, now: float) -> str | None:
        calendar = self._calendars.get(step.calendar)
        if calendar is None:
            return self._give_up(f"The flow {self._flow.name!r} asks for the calendar {step.calendar!r}, which the plan has not.", now)
        found = calendar.is_open(self._epoch_at_0 + now)
        return self._leave(found, {"open": step.open, "closed": step.closed, "holiday": step.holiday or step.closed}[found], now)

    def _set(self, step: kinds.Set, now: float) -> str | None:
        self._remember(step.facts)
        self._facts["language"] = step.language or self.language
        if step.priority is not None:
            self._priority = step.priority
        return self._leave("next", step.next, now)

    def _go_on(self, step: kinds.GoOn, now: float) -> str | None:
        flow = self._flows.get(step.flow)
        if flow is None:
            return self._give_up(f"The flow {self._flow.name!r} goes on in {step.flow!r}, which the plan has not.", now)
        self._flow = flow
        self._passed_over.clear()
        self._facts["language"] = self._language_among(self.language)
        return self._leave("next", flow.start, now)

    def _offer_call_back(self, step: kinds.CallBack, now: float) -> str | None:
        number = self._text(step.number)
        if not number:
            return self._leave("refused", step.refused, now)
        self._acts.append(OfferCallBack(step.queue, number))
        self._wait(Phase.OUTCOME, now + _SLACK_S, self._quiet_until_s(now))
        return None

    def _finish(self, step: kinds.HangUp) -> None:
        reason = step.reason or (EndReason.COMPLETED if self.answered else EndReason.NOBODY_AVAILABLE)
        self._acts.append(Finish(Cause(reason, detail=self._fault)))
        self._close()

    def _close(self) -> None:
        self._wait(Phase.OVER, None)
        self._early = ""

    # ------------------------------------------------------------------ digits

    def _listen(self, step: kinds.Menu | kinds.Ask, now: float) -> str | None:
        self._answer()
        self._keys_until = now + step.wait_s + (_DIGIT_TIMES * step.most * step.between_s if isinstance(step, kinds.Ask) else 0.0)
        self._wait(Phase.KEYS, now + step.wait_s, self._quiet_until_s(now))
        while self._early and self.phase is Phase.KEYS:
            key, self._early = self._early[0], self._early[1:]
            following = self._take_key(key, now)
            if following is not None:
                return following
        return None

    def _key(self, key: str, now: float) -> None:
        following = self._take_key(key, now)
        if following is not None:
            self._go(following, now)

    def _take_key(self, key: str, now: float) -> str | None:
        step = self.step
        self._passed_over.clear()
        if isinstance(step, kinds.Menu):
            return self._leave(key, step.choices[key], now) if key in step.choices else self._missed("no_match", now)
        assert isinstance(step, kinds.Ask)
        if key == "#":
            return self._asked(step, now)
        self._keys = "" if key == "*" else self._keys + key
        if len(self._keys) >= step.most:
            return self._asked(step, now)
        self._ends_at = min(now + (step.between_s if self._keys else step.wait_s), self._keys_until)
        return None

    def _asked(self, step: kinds.Ask, now: float) -> str | None:
        if len(self._keys) < step.least:
            return self._missed("no_match" if self._keys else "no_input", now)
        self._facts[step.fact] = self._keys
        return self._leave("next", step.next, now)

    def _missed(self, how: str, now: float) -> str | None:
        """Nothing or nothing useful was pressed: once more, or by that exit."""
        step = self.step
        assert isinstance(step, kinds.Menu | kinds.Ask)
        self._tries, self._keys, self._early = self._tries + 1, "", ""
        if self._tries >= step.tries:
            return self._leave(how, step.no_match if how == "no_match" else step.no_input, now)
        self._say(("invalid-choice" if how == "no_match" else "nothing-heard", *step.say), now)
        return None

    # ------------------------------------------------------------------ the ends of waiting

    def _ended(self, outcome: str, now: float) -> None:
        if outcome == "answered":
            self.trail[-1].outcome = outcome
            self._close()
            return
        to = next(found.to for found in self.step.exits() if found.outcome == outcome)
        following = self._leave(outcome, to, now)
        if following is not None:
            self._go(following, now)

    def _ran_out(self, now: float) -> None:
        step = self.step
        if self.phase is Phase.SAYING:
            self._acts.append(StopSaying())
            self._said(now)
        elif isinstance(step, kinds.Ask) and self.phase is Phase.KEYS and self._keys:
            self._key("#", now)
        elif self.phase is Phase.KEYS:
            following = self._missed("no_input", now)
            if following is not None:
                self._go(following, now)
        else:
            self._ended(_RUN_OUT[type(step)], now)

    # ------------------------------------------------------------------ facts

    def _text(self, fact: str) -> str:
        value = self._facts.get(fact, "")
        return value if isinstance(value, str) else f"{value:g}" if not isinstance(value, bool) else ""

    def _remember(self, facts: Facts) -> None:
        for name, value in facts.items():
            if name != "language" and (name in self._facts or len(self._facts) < MOST_FACTS):
                self._facts[name] = value[:MOST_CHARACTERS] if isinstance(value, str) else value

    def _language_among(self, wanted: str, otherwise: str = "") -> str:
        """The one wanted, if the flow is spoken in it."""
        languages = self._flow.languages
        return next((each for each in (wanted, otherwise) if each in languages), self._flow.language)


_KEEP_KEYS = (kinds.Say, kinds.Menu, kinds.Ask, kinds.Hours, kinds.Choose, kinds.Set, kinds.GoOn, kinds.Webhook)
"""Steps on the way to a question: digits pressed in them may be its answer."""
_OUTCOMES: dict[type[Step], frozenset[str]] = {
    kinds.Queue: frozenset({"full", "nobody", "timeout", "call_back", "answered"}),
    kinds.Voicemail: frozenset({"taken", "empty", "failed"}),
    kinds.Webhook: frozenset({"ok", "failed"}),
    kinds.Transfer: frozenset({"busy", "no_answer", "failed", "answered"}),
    kinds.CallBack: frozenset({"kept", "refused"}),
}
_RUN_OUT: dict[type[Step], str] = {
    kinds.Voicemail: "failed",
    kinds.Webhook: "failed",
    kinds.Transfer: "no_answer",
    kinds.CallBack: "refused",
}
