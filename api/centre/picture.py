"""The plan of the contact centre as something to be drawn: flows as steps and the ways between them, and what stands around them."""

from collections.abc import Iterable, Mapping
from dataclasses import fields

from msgspec import Struct

from api.centre.plan_documents import FLOWS
from rooms.centre_plan import CentrePlan, NumberEntry
from rooms.flows.conditions import Condition
from rooms.flows.flow import Choose, Flow, GoOn, SpokenStep, Step
from rooms.queues.queue_plan import QueuePlan

_LONGEST_SAID = 400
_NOT_SHOWN = frozenset({"name", "lines", "say", "speak", "interruptible", "choices", "ways", "next", "otherwise"})


class DrawnWay(Struct, frozen=True):
    """``outcome``: a key of the telephone, ``way 1``, or the exit's name. ``to`` empty: the caller hears goodbye. ``when``: what has to
    hold."""

    outcome: str
    to: str
    when: str = ""


class DrawnStep(Struct, frozen=True):
    """``line``: where it stands in the document, from 1. ``said``: what is said, in the flow's first language where it is a text; else the
    sentence's name. ``settings``: its keys, in words."""

    name: str
    kind: str
    line: int
    said: list[str]
    settings: dict[str, str]
    ways: list[DrawnWay]
    goes_to_flow: str = ""


class DrawnFlow(Struct, frozen=True):
    """``steps`` in the order in which a caller may come to them. ``numbers``: that lead into it."""

    name: str
    document: str
    languages: list[str]
    start: str
    steps: list[DrawnStep]
    numbers: list[str]


class DrawnNumber(Struct, frozen=True):
    pattern: str
    flow: str
    label: str
    language: str
    callers: list[str]
    calendar: str
    during: str


class DrawnQueue(Struct, frozen=True):
    """``needs``: levels by skill. ``used_by``: flows that lead into it. Times in seconds."""

    name: str
    titles: dict[str, str]
    strategy: str
    needs: dict[str, int]
    priority: int
    max_waiting: int
    max_wait_s: float
    ring_s: float
    wrap_up_s: float
    service_level_s: float
    call_back_after_s: float
    used_by: list[str]


class DrawnBox(Struct, frozen=True):
    name: str
    titles: dict[str, str]
    keep_days: int
    agents: list[str]
    teams: list[str]


class PlanPicture(Struct, frozen=True):
    """``version``: of the plan in force, on which this stands. ``blocked``, ``vip``: callers, as the plan writes them."""

    version: int
    flows: list[DrawnFlow]
    numbers: list[DrawnNumber]
    queues: list[DrawnQueue]
    boxes: list[DrawnBox]
    calendars: list[str]
    webhooks: dict[str, str]
    breaks: list[str]
    blocked: list[str]
    vip: list[str]


def picture_of(plan: CentrePlan, version: int) -> PlanPicture:
    flows = [_flow(flow, plan.entries) for _, flow in sorted(plan.flows.items())]
    return PlanPicture(
        version=version,
        flows=flows,
        numbers=[_number(entry) for entry in plan.entries],
        queues=[_queue(queue, plan.flows) for _, queue in sorted(plan.queues.items())],
        boxes=[
            DrawnBox(box.name, dict(box.titles), box.keep_days, list(box.agents), list(box.teams)) for _, box in sorted(plan.boxes.items())
        ],
        calendars=sorted(plan.calendars),
        webhooks={name: hook.url for name, hook in sorted(plan.webhooks.items())},
        breaks=list(plan.break_reasons),
        blocked=list(plan.callers.blocked),
        vip=list(plan.callers.vip),
    )


def worded(condition: Condition) -> str:
    """As somebody would say it: ``vip is true``."""
    values = " or ".join(_word(value) for value in condition.values)
    return f"{condition.fact} {condition.comparison.value.replace('_', ' ')} {values}"


def _flow(flow: Flow, entries: Iterable[NumberEntry]) -> DrawnFlow:
    numbers = [entry.pattern for entry in entries if entry.flow == flow.name]
    steps = [_step(flow.steps[name], flow) for name in _in_order(flow)]
    return DrawnFlow(flow.name, FLOWS + flow.name, list(flow.languages), flow.start, steps, numbers)


def _in_order(flow: Flow) -> list[str]:
    """Broadly first: a step stands behind the first that leads to it."""
    order, waiting = [flow.start], [flow.start]
    while waiting:
        for each in flow.steps[waiting.pop(0)].exits():
            if each.to in flow.steps and each.to not in order:
                order.append(each.to)
                waiting.append(each.to)
    return order + [name for name in flow.steps if name not in order]


def _step(step: Step, flow: Flow) -> DrawnStep:
    whens = [" and ".join(map(worded, way.conditions)) for way in step.ways] if isinstance(step, Choose) else []
    ways = [DrawnWay(way.outcome, way.to, whens[at] if at < len(whens) else "") for at, way in enumerate(step.exits())]
    said = [_said(name, flow) for name in step.say] if isinstance(step, SpokenStep) else []
    to_flow = step.flow if isinstance(step, GoOn) else ""
    return DrawnStep(step.name, step.kind, step.line(), said, _settings(step, {way.outcome for way in ways}), ways, to_flow)


def _said(name: str, flow: Flow) -> str:
    texts = flow.texts.get(name, {})
    return next((texts[language] for language in flow.languages if language in texts), name)[:_LONGEST_SAID]


def _settings(step: Step, outcomes: set[str]) -> dict[str, str]:
    """What is not what it usually is. ``outcomes`` are ways, and no settings."""
    found = {}
    for each in fields(step):
        value = getattr(step, each.name)
        if each.name in _NOT_SHOWN or each.name in outcomes or value in ("", (), None, {}):
            continue
        found[each.name] = _word(value)
    return found


def _word(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_word(each)}" for key, each in value.items())
    if isinstance(value, tuple | list | frozenset):
        return ", ".join(map(_word, value))
    need = getattr(value, "skill", None)
    return f"{need} {getattr(value, 'level', '')}".strip() if need else str(value)


def _number(entry: NumberEntry) -> DrawnNumber:
    during = entry.during if entry.calendar else ""
    return DrawnNumber(entry.pattern, entry.flow, entry.label, entry.language, list(entry.callers), entry.calendar, during)


def _queue(queue: QueuePlan, flows: Mapping[str, Flow]) -> DrawnQueue:
    used_by = [
        name for name, flow in sorted(flows.items()) if any(getattr(step, "queue", "") == queue.name for step in flow.steps.values())
    ]
    return DrawnQueue(
        name=queue.name,
        titles=dict(queue.titles),
        strategy=queue.strategy.value,
        needs={need.skill: need.level for need in queue.needs},
        priority=queue.priority,
        max_waiting=queue.max_waiting,
        max_wait_s=queue.max_wait_s,
        ring_s=queue.ring_s,
        wrap_up_s=queue.wrap_up_s,
        service_level_s=queue.service_level_s,
        call_back_after_s=queue.call_back_after_s,
        used_by=used_by,
    )
