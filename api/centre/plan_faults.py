"""A plan that is not taken."""

from collections.abc import Sequence

from signaling.refusal import Refusal, TextFault

MOST_TOLD = 100


class PlanBroken(Refusal):
    """The plan in force goes on. ``faults``: everything that is wrong with this one, document by document."""

    def __init__(self, faults: Sequence[TextFault]) -> None:
        found = sorted(faults)
        more = f" And {len(found) - 1} more." if len(found) > 1 else ""
        super().__init__("plan_broken", f"The plan stays as it was. {found[0]}{more}", faults=found[:MOST_TOLD])
