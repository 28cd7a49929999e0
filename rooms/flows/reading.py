"""A call flow as text, TOML or JSON.

    languages = ["es", "en"]            # the first is for who has none of them
    start = "hello"                     # the first step where it is not named

    [texts.hello]                       # said in several places, or in place of the server's own goodbye, nothing-heard and the like
    es = "Bienvenido."
    en = "Welcome."

    [steps.hello]
    kind = "menu"
    say = ["hello", { es = "Para ventas, pulse 1.", en = "For sales, press 1." }]
    choices = { 1 = "sales" }

    [steps.sales]
    kind = "queue"
    queue = "sales"

What is said is the name of a sentence, a text in each language, or a list of these. Which keys each kind of step has stands below, kind by
kind, and what they mean in ``rooms/flows/flow.py``.
"""

import difflib
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import TypedDict

from rooms.causes import EndReason
from rooms.document import Document, Table
from rooms.flows import flow as kinds
from rooms.flows.conditions import Condition
from rooms.flows.fact_reading import FACT_NAME, condition, fact, fact_value
from rooms.flows.flow import KEYS, Flow, Prompt, Step
from rooms.queues.queue_plan import SkillNeed

NAME = r"[a-z0-9][a-z0-9-]{0,63}"
_STEP_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
_LANGUAGE = r"[a-z]{2}"
_NUMBER = r"\+?[0-9*#]{2,20}"
MOST_STEPS = 500
MOST_TEXT = 1_000
MOST_SENTENCES = 20
MOST_WAYS = 50
_REASONS = tuple(
    reason.value
    for reason in (
        EndReason.COMPLETED,
        EndReason.BUSY,
        EndReason.DECLINED,
        EndReason.NOT_FOUND,
        EndReason.NOBODY_AVAILABLE,
        EndReason.FORBIDDEN,
    )
)


class _Spoken(TypedDict):
    say: Prompt
    speak: tuple[str, ...]
    interruptible: bool


class _Named(TypedDict):
    name: str
    lines: Mapping[str, int]


def read_flow(text: str, name: str) -> Flow:
    """The flow that a text describes. Raises ``DocumentError`` with everything that is wrong."""
    document = Document(text, name)
    found = _FlowReader(document.root, name).flow()
    document.finish()
    return found


class _FlowReader:
    """Reads one flow; what is wrong is told to its document."""

    def __init__(self, table: Table, name: str) -> None:
        self._table, self._name = table, name
        self._texts: dict[str, dict[str, str]] = {}
        self._languages: tuple[str, ...] = ()
        self._targets: list[tuple[Table, str, str]] = []

    def flow(self) -> Flow:
        table = self._table
        self._languages = table.texts("languages", required=True, like=_LANGUAGE, such_as='"en"')
        language = table.text("language", self._languages[0] if self._languages else "")
        if language and language not in self._languages:
            table.complain("language", f"{language!r} is none of this flow's languages: {', '.join(self._languages)}.")
        for name, text in table.table("texts").named(NAME, "welcome"):
            self._texts[name] = self._text(text, self._languages)
        music = _music(table, "hold")
        steps = self._steps(table.table("steps", required=True))
        start = table.text("start", next(iter(steps), ""))
        if start and start not in steps:
            table.complain("start", _unknown_step(start, steps))
        for where, key, to in self._targets:
            if to not in steps:
                where.complain(key, _unknown_step(to, steps))
        table.close()
        return Flow(self._name, self._languages, language, start, steps, self._texts, music)

    def _steps(self, table: Table) -> dict[str, Step]:
        found: dict[str, Step] = {}
        for name, step in table.named(_STEP_NAME, "welcome"):
            kind = step.one_of("kind", tuple(_KINDS))
            if kind == step.values.get("kind"):
                found[name] = _KINDS[kind](self, step, {"name": name, "lines": _lines_of(step)})
                step.close()
            else:  # its name is one all the same, and nothing more can be said of it
                found[name] = Step(name=name)
        if "steps" in self._table and not found:
            self._table.complain("steps", "There is no step: a flow has one at least.")
        if len(found) > MOST_STEPS:
            self._table.complain("steps", f"There are {len(found)} steps: {MOST_STEPS} at most; let some be a flow of their own.")
        return found

    # ------------------------------------------------------------------ what is said

    def _prompt(self, table: Table, key: str, languages: tuple[str, ...]) -> Prompt:
        value = table.take(key)
        several = value if isinstance(value, list) else [] if value is None else [value]
        found: list[str] = []
        if (key in table and not several) or len(several) > MOST_SENTENCES:
            table.complain(key, f"{key!r} has {len(several)} sentences: from one to {MOST_SENTENCES}.")
        for index, each in enumerate(several):
            path = (*table.path, key, index) if isinstance(value, list) else (*table.path, key)
            if isinstance(each, dict):
                texts = self._text(Table(table.document, path, each), languages)
                found.append(f"text-{hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()[:20]}")
                self._texts[found[-1]] = texts
            elif isinstance(each, str) and _matches(NAME, each):
                found.append(each)
            else:
                table.document.complain(
                    path, f'{each!r} cannot be said: write the name of a sentence, or a text in each language, {{ en = "..." }}.'
                )
        return tuple(found)

    def _text(self, table: Table, languages: tuple[str, ...]) -> dict[str, str]:
        """What is said, in each of these languages."""
        texts = {language: table.text(language, "", most=MOST_TEXT) for language in languages}
        missing = [language for language in languages if language not in table]
        if missing:
            table.complain("", f"The text in {', '.join(missing)} is missing: this is said in {', '.join(languages)}.")
        table.close()
        return texts

    def _spoken(self, table: Table, *, required: bool = False, interruptible: bool = True) -> _Spoken:
        speak = table.texts("speak")
        for index, language in enumerate(speak):
            if language not in self._languages:
                table.document.complain((*table.path, "speak", index), f"{language!r} is none of this flow's languages.")
        if required and "say" not in table:
            table.complain("", "'say' is missing: write the name of a sentence, or a text in each language.")
        languages = tuple(each for each in self._languages if each in speak) or self._languages
        say = self._prompt(table, "say", languages)
        return {"say": say, "speak": speak, "interruptible": table.flag("interruptible", interruptible)}

    # ------------------------------------------------------------------ where it goes on

    def _to(self, table: Table, key: str, *, required: bool = False) -> str:
        """The name of a step that this exit leads to."""
        to = table.text(key, None if required else "")
        if to:
            self._targets.append((table, key, to))
        return to

    # ------------------------------------------------------------------ kinds of steps

    def _say(self, table: Table, named: _Named) -> Step:
        return kinds.Say(**named, **self._spoken(table, required=True), next=self._to(table, "next", required=True))

    def _menu(self, table: Table, named: _Named) -> Step:
        choices = table.table("choices", required=True)
        for key in choices.values:
            if key not in KEYS or len(key) != 1:
                choices.complain(key, f"{key!r} is no key of a telephone: one of {' '.join(KEYS)}.")
        if "choices" in table and not choices.values:
            table.complain("choices", "There is nothing to choose: give a key and a step at least.")
        return kinds.Menu(
            **named,
            **self._spoken(table, required=True),
            choices={key: self._to(choices, key, required=True) for key in choices.values},
            tries=table.whole("tries", 3, least=1, most=10),
            wait_s=table.number("wait_s", 6.0, least=1, most=60),
            no_input=self._to(table, "no_input"),
            no_match=self._to(table, "no_match"),
        )

    def _ask(self, table: Table, named: _Named) -> Step:
        least = table.whole("least", 1, least=1, most=32)
        most = table.whole("most", max(20, least), least=1, most=32)
        if table.values.get("fact") == "language":
            table.complain("fact", "Digits are no language: ask for something else, and let a 'set' step choose the language.")
        if most < least:
            table.complain("most", f"'most' is {most} and 'least' {least}: nothing could ever be enough.")
        return kinds.Ask(
            **named,
            **self._spoken(table, required=True),
            fact=fact(table, "fact"),
            next=self._to(table, "next", required=True),
            least=least,
            most=most,
            tries=table.whole("tries", 3, least=1, most=10),
            wait_s=table.number("wait_s", 8.0, least=1, most=60),
            between_s=table.number("between_s", 4.0, least=1, most=30),
            no_input=self._to(table, "no_input"),
            no_match=self._to(table, "no_match"),
        )

    def _hours(self, table: Table, named: _Named) -> Step:
        return kinds.Hours(
            **named,
            calendar=table.text("calendar"),
            open=self._to(table, "open", required=True),
            closed=self._to(table, "closed", required=True),
            holiday=self._to(table, "holiday"),
        )

    def _choose(self, table: Table, named: _Named) -> Step:
        ways = [kinds.Way(*self._way(way)) for way in table.tables("when")]
        if not 1 <= len(ways) <= MOST_WAYS:
            table.complain("when" if "when" in table else "", f"'when' has {len(ways)} ways: from one to {MOST_WAYS}.")
        return kinds.Choose(**named, ways=tuple(ways), otherwise=self._to(table, "otherwise", required=True))

    def _way(self, table: Table) -> tuple[tuple[Condition, ...], str]:
        """``{ fact = "vip", is = true, go = "vip" }``, or several conditions as ``all = [{ fact = ... }, ...]``."""
        go = self._to(table, "go", required=True)
        together = table.tables("all")
        conditions = [condition(each, close=True) for each in together] if "all" in table else [condition(table, close=False)]
        if "all" in table and not together:
            table.complain("all", "'all' names no condition: it would always hold. Let 'otherwise' lead there.")
        table.close()
        return tuple(conditions), go

    def _set(self, table: Table, named: _Named) -> Step:
        language = table.text("language", "")
        if language and language not in self._languages:
            table.complain("language", f"{language!r} is none of this flow's languages: {', '.join(self._languages)}.")
        facts = table.table("facts")
        for key in facts.values:
            if not _matches(FACT_NAME, key) or key == "language":
                facts.complain(key, f"{key!r} is no fact that can be set: write it like trip_kind.")
        return kinds.Set(
            **named,
            next=self._to(table, "next", required=True),
            language=language,
            priority=table.whole("priority", 0, least=-100, most=100) if "priority" in table else None,
            facts={key: fact_value(facts, key) for key in facts.values},
        )

    def _queue(self, table: Table, named: _Named) -> Step:
        needs = table.table("needs")
        return kinds.Queue(
            **named,
            queue=table.text("queue"),
            priority=table.whole("priority", 0, least=-100, most=100) if "priority" in table else None,
            needs=tuple(SkillNeed(skill, max(1, needs.whole(skill, least=1, most=100))) for skill in needs.values if skill),
            music=_music(table, ""),
            full=self._to(table, "full"),
            nobody=self._to(table, "nobody"),
            timeout=self._to(table, "timeout"),
            call_back=self._to(table, "call_back"),
        )

    def _voicemail(self, table: Table, named: _Named) -> Step:
        return kinds.Voicemail(
            **named,
            **self._spoken(table),
            box=table.text("box"),
            max_s=table.number("max_s", 120.0, least=5, most=600),
            taken=self._to(table, "taken"),
            empty=self._to(table, "empty"),
            failed=self._to(table, "failed"),
        )

    def _call_back(self, table: Table, named: _Named) -> Step:
        return kinds.CallBack(
            **named,
            queue=table.text("queue"),
            number=fact(table, "number", "caller"),
            kept=self._to(table, "kept"),
            refused=self._to(table, "refused"),
        )

    def _webhook(self, table: Table, named: _Named) -> Step:
        return kinds.Webhook(
            **named,
            webhook=table.text("webhook"),
            ok=self._to(table, "ok", required=True),
            failed=self._to(table, "failed"),
            tell=table.texts("tell", like=FACT_NAME, such_as="booking"),
            wait_s=table.number("wait_s", 5.0, least=0.5, most=30),
        )

    def _transfer(self, table: Table, named: _Named) -> Step:
        targets = [key for key in ("number", "agent", "number_fact", "agent_fact") if key in table]
        if len(targets) != 1:
            table.complain("", "To whom? Give exactly one of 'number', 'agent', 'number_fact' and 'agent_fact'.")
        return kinds.Transfer(
            **named,
            number=table.text("number", "", like=_NUMBER, such_as="+34911234567 or 600"),
            agent=table.text("agent", ""),
            number_fact=fact(table, "number_fact", ""),
            agent_fact=fact(table, "agent_fact", ""),
            ring_s=table.number("ring_s", 30.0, least=5, most=180),
            busy=self._to(table, "busy"),
            no_answer=self._to(table, "no_answer"),
            failed=self._to(table, "failed"),
        )

    def _go_on(self, table: Table, named: _Named) -> Step:
        return kinds.GoOn(**named, flow=table.text("flow", like=NAME, such_as="after-hours"))

    def _hang_up(self, table: Table, named: _Named) -> Step:
        reason = EndReason(table.one_of("reason", _REASONS)) if "reason" in table else None
        return kinds.HangUp(**named, **self._spoken(table, interruptible=False), reason=reason)


_KINDS: dict[str, Callable[[_FlowReader, Table, _Named], Step]] = {
    kinds.Say.kind: _FlowReader._say,
    kinds.Menu.kind: _FlowReader._menu,
    kinds.Ask.kind: _FlowReader._ask,
    kinds.Hours.kind: _FlowReader._hours,
    kinds.Choose.kind: _FlowReader._choose,
    kinds.Set.kind: _FlowReader._set,
    kinds.Queue.kind: _FlowReader._queue,
    kinds.Voicemail.kind: _FlowReader._voicemail,
    kinds.CallBack.kind: _FlowReader._call_back,
    kinds.Webhook.kind: _FlowReader._webhook,
    kinds.Transfer.kind: _FlowReader._transfer,
    kinds.GoOn.kind: _FlowReader._go_on,
    kinds.HangUp.kind: _FlowReader._hang_up,
}


def _music(table: Table, default: str) -> str:
    """``hold`` is the music of calls on hold, everything else a piece."""
    name = table.text("music", default, like=NAME, such_as="bossa-nova")
    return name if name in ("", "hold") else f"music/{name}"


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text) is not None


def _lines_of(table: Table) -> dict[str, int]:
    return {"": table.line(), **{key: table.line(key) for key in table.values}}


def _unknown_step(name: str, steps: Mapping[str, Step]) -> str:
    near = difflib.get_close_matches(name, steps, 1)
    return f"There is no step {name!r}" + (f"; did you mean {near[0]!r}?" if near else ": write it, or lead elsewhere.")
