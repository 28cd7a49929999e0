"""The flow of a caller who has chosen a queue already: straight into it, and a word where nobody takes them there."""

from rooms.flows.flow import Flow, Queue, Step, Transfer

_RING_S = 20.0


def straight_to(queue: str, language: str, languages: tuple[str, ...], *, agent: str = "") -> Flow:
    """Into ``queue``, spoken to in ``language``; before that to ``agent``, where one is named. Full, forsaken or too long: goodbye, and
    the call ends."""
    steps: list[Step] = [Queue(name="queue", queue=queue)]
    if agent:
        steps.insert(0, Transfer(name="agent", agent=agent, ring_s=_RING_S, busy="queue", no_answer="queue", failed="queue"))
    return Flow(f"to {queue}", languages, language, steps[0].name, {step.name: step for step in steps})
