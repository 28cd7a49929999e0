"""What is wrong with flows beyond the text of each: names that nothing has, steps that nobody reaches, ways round without a pause.

A way round is allowed where the caller hears, says or presses something on it; without that a call would spin. ``rooms/flows/run.py`` ends
a run after so many steps all the same.
"""

import difflib
from collections.abc import Collection, Iterable, Mapping

from rooms.document import Fault
from rooms.flows import flow as kinds
from rooms.flows.flow import WORDS, Flow, SpokenStep, Step

_Place = tuple[str, str]
"""A flow and one of its steps."""


def check(
    flows: Mapping[str, Flow],
    queues: Collection[str] | None,
    calendars: Collection[str] | None,
    boxes: Collection[str] | None,
    webhooks: Collection[str] | None,
    prompts: Mapping[str, Collection[str]],
) -> list[Fault]:
    """Everything that is wrong with these flows together, by flow and line; empty: none of them can go wrong in a run.

    None: which there are is not known, and their names are not looked at. ``prompts``: the languages in which each sentence can be said,
    recorded or spoken, beside those that the flows bring along.
    """
    every = {"queue": queues, "calendar": calendars, "box": boxes, "webhook": webhooks, "flow": flows}
    names = {what: known for what, known in every.items() if known is not None}
    faults = [*_rounds(flows)]
    for flow in flows.values():
        faults += _unreached(flow)
        faults += _unsaid(flow, prompts)
        for step in flow.steps.values():
            faults += _unknown(flow, step, names)
    return sorted(set(faults))


def _unknown(flow: Flow, step: Step, names: Mapping[str, Collection[str]]) -> Iterable[Fault]:
    for what, known in names.items():
        name = getattr(step, what, None)
        if name is not None and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            advice = f"did you mean {near[0]!r}?" if near else "add it, or name another."
            yield Fault(flow.name, step.line(what), f"There is no {what} {name!r}; {advice}")


def _unreached(flow: Flow) -> Iterable[Fault]:
    reached, waiting = {flow.start}, [flow.start]
    while waiting:
        step = flow.steps.get(waiting.pop())
        found = {leads.to for leads in step.exits()} if step is not None else set()
        waiting += (found - reached) & flow.steps.keys()
        reached |= found
    for name in flow.steps.keys() - reached:
        yield Fault(flow.name, flow.steps[name].line(), f"Nobody reaches {name!r}: let a step lead there, or remove it.")


# ------------------------------------------------------------------ what is said


def _unsaid(flow: Flow, prompts: Mapping[str, Collection[str]]) -> Iterable[Fault]:
    for step in flow.steps.values():
        if isinstance(step, SpokenStep):
            for name in step.say:
                yield from _missing(flow, step.line("say"), name, step.speak or flow.languages, prompts)
    for name in WORDS:
        yield from _missing(flow, 1, name, flow.languages, prompts)


def _missing(flow: Flow, line: int, name: str, languages: tuple[str, ...], prompts: Mapping[str, Collection[str]]) -> Iterable[Fault]:
    known = {*flow.texts.get(name, ()), *prompts.get(name, ())}
    missing = [language for language in languages if language not in known]
    if missing and known:
        yield Fault(flow.name, line, f"{name!r} cannot be said in {', '.join(missing)}: record it, or write a text in each language.")
    elif missing:
        near = difflib.get_close_matches(name, prompts, 1)
        advice = f"did you mean {near[0]!r}?" if near else "record it, or write a text in each language."
        yield Fault(flow.name, line, f"There is no sentence {name!r}; {advice}")


# ------------------------------------------------------------------ ways round


def _rounds(flows: Mapping[str, Flow]) -> Iterable[Fault]:
    ways = {(flow.name, name): _at_once(flow, step, flows) for flow in flows.values() for name, step in flow.steps.items()}
    for places in _knots(ways):
        flow_name, first = min(places, key=lambda place: (place[0], flows[place[0]].steps[place[1]].line(), place[1]))
        others = sorted(name if flow == flow_name else f"{name} of {flow}" for flow, name in places if (flow, name) != (flow_name, first))
        through = f" through {', '.join(others)}" if others else ""
        message = f"From {first!r} a call can come back to it{through}, and the caller hears and is asked nothing: let one of them speak."
        yield Fault(flow_name, flows[flow_name].steps[first].line(), message)


def _at_once(flow: Flow, step: Step, flows: Mapping[str, Flow]) -> list[_Place]:
    """Where a call may be right after this step without a pause."""
    if isinstance(step, kinds.GoOn):
        return [(step.flow, flows[step.flow].start)] if step.flow in flows else []
    return [(flow.name, leads.to) for leads in step.exits() if leads.to in flow.steps and not leads.pauses]


def _knots(ways: Mapping[_Place, list[_Place]]) -> list[set[_Place]]:
    """The sets of places from each of which each can be reached, and be come back to.

    Tarjan, Depth-first search and linear graph algorithms (1972), without recursion.
    """
    order: dict[_Place, int] = {}
    lowest: dict[_Place, int] = {}
    stack: dict[_Place, None] = {}
    found: list[set[_Place]] = []
    for root in ways:
        if root in order:
            continue
        path = [(root, iter(ways[root]))]
        order[root] = lowest[root] = len(order)
        stack[root] = None
        while path:
            place, onward = path[-1]
            for following in onward:
                if following not in order:
                    order[following] = lowest[following] = len(order)
                    stack[following] = None
                    path.append((following, iter(ways.get(following, ()))))
                    break
                if following in stack:
                    lowest[place] = min(lowest[place], order[following])
            else:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[place])
                if lowest[place] == order[place]:
                    knot: set[_Place] = set()
                    while place in stack:
                        knot.add(stack.popitem()[0])
                    if len(knot) > 1 or place in ways.get(place, ()):
                        found.append(knot)
    return found
