"""Which PBX a new call goes to, and which ones after it: the lowest priority first, by weight within one, as much as its health allows.

Counted out, not drawn: of 20 calls exactly one goes to a PBX that takes 5 %, and equal weights alternate.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pbx.trunk_health import TrunkHealth


@dataclass(slots=True)
class Candidate:
    """One PBX. A lower ``priority`` is asked first; of one priority each takes its ``weight``'s part."""

    name: str
    health: TrunkHealth
    priority: int = 1
    weight: int = 1
    credit: float = 0.0


class Choice:
    """Remembers what each PBX is owed."""

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self._candidates = sorted(candidates, key=lambda candidate: candidate.priority)
        self._owed: dict[int, float] = {}

    def order(self) -> list[Candidate]:
        """All of them, in the order in which this call tries them. Those that are down stand last: better tried than not called at all."""
        first = self._first()
        rest = [candidate for candidate in self._candidates if candidate is not first]
        rest.sort(key=lambda candidate: (-int(candidate.health.share), not candidate.health.share, candidate.priority, -candidate.credit))
        return [first, *rest] if first is not None else rest

    def _first(self) -> Candidate | None:
        priority = self._tier()
        taking = [one for one in self._candidates if one.priority == priority and one.health.share > 0]
        if not taking:
            return None
        # Smooth weighted rounds: everybody is owed their part of each call, and who is owed most has it.
        for one in taking:
            one.credit += one.weight * one.health.share
        chosen = max(taking, key=lambda one: one.credit)
        chosen.credit -= sum(one.weight * one.health.share for one in taking)
        return chosen

    def _tier(self) -> int | None:
        """The priority whose turn it is; None where nobody is up."""
        shares: dict[int, float] = {}
        for one in self._candidates:
            shares[one.priority] = max(shares.get(one.priority, 0.0), one.health.share)
        for priority, share in shares.items():
            self._owed[priority] = self._owed.get(priority, 0.0) + share if share else 0.0
            if self._owed[priority] >= 1.0 - 1e-9:
                self._owed[priority] -= 1.0
                return priority
        return next((priority for priority, share in shares.items() if share), None)
