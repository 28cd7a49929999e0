"""The way of a caller through the contact centre: one who comes through a flow, waits in a queue, or is called back."""

from dataclasses import dataclass, field

from rooms.call_back import CallBack
from rooms.flows.run import FlowRun
from rooms.queues.queue_plan import QueuePlan
from rooms.record import CentreView

_OWN_FACTS = frozenset({"caller", "called", "language"})
"""Said elsewhere in a call already."""
_MOST_SHOWN = 40


@dataclass(slots=True)
class Journey:
    """``entry``: label of the number that was called. ``run``: the way through a flow, kept when it is over for what it learned.

    ``saying``: sounds that are still to be heard once, the first of them being played. ``music``: what plays on and on otherwise.
    ``plan``: of the queue in which it waits, or waited; ``since_s``: from when its place there counts, ``joined_s``: since when it waits
    now. ``overdue``: it has waited for too long, only that it rings at somebody. ``keys``: which key asks for a call-back, once offered.
    ``served``: who took it from a queue, and how that one wraps up. ``seeks``: a target is being looked for.
    """

    entry: str = ""
    language: str = ""
    run: FlowRun | None = None
    saying: list[str] = field(default_factory=list)
    music: str = ""
    plan: QueuePlan | None = None
    since_s: float = 0.0
    joined_s: float | None = None
    waited_s: float | None = None
    overdue: bool = False
    call_back_key: str = ""
    served: dict[str, QueuePlan] = field(default_factory=dict)
    seeks: float | None = None
    """For so long the target may be rung, while it is being looked for."""
    call_back: CallBack | None = None

    def speaks(self) -> str:
        """The caller's language."""
        return self.run.language if self.run is not None else self.language

    def view(self) -> CentreView:
        """What the agent is to know."""
        facts = self.run.facts if self.run is not None else {}
        shown = ((name, _worded(value)) for name, value in facts.items() if name not in _OWN_FACTS and value != "")
        return CentreView(
            entry=self.entry,
            queue=self.plan.name if self.plan is not None else "",
            language=self.speaks(),
            facts=tuple(fact for fact, _ in zip(shown, range(_MOST_SHOWN), strict=False)),
            queued_s=self.since_s if self.joined_s is not None else None,
            waited_s=self.waited_s,
            call_back=self.call_back.call_back_id if self.call_back is not None else "",
        )


def _worded(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float | int) else value
