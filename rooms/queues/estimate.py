"""How long somebody is likely to wait, from their place, the agents and how long those take.

Theory. While all agents are busy they come free at a pace, one in ``handle_s / agents``; whoever has ``ahead`` before them comes to be
served with the ``ahead + 1``-th of those. Those ahead also give up, each at a rate of ``1 / patience_s``, so that with ``i`` of them still
there the line moves at ``pace + i / patience_s``. The times that this takes, added up, are the mean wait in an M/M/n+M queue of one who
stays (Erlang A; Garnett, Mandelbaum and Reiman 2002).

What this does not know (who will yet come and be served before, how long it rings, what else agents do) is learnt from what came of
earlier words: waits that were longer than told stretch those to come. Only who is answered has waited to the end, and who has to wait long
is answered more seldom; so each stands for all who would have given up by then, ``exp(waited / patience)`` of them.
"""

import math
from dataclasses import dataclass

_MEMORY = 500
"""So many words are remembered, about; a tenth of them count as true before the first."""
_LEAST, _MOST = 0.5, 3.0
_LONGEST = 3.0
"""Who waited for more than so many times the patience of others stands for no more than that."""


def remaining_s(ahead: float, pace_per_s: float, patience_s: float = math.inf) -> float:
    """Mean wait from now on. ``pace_per_s``: agents coming free, more than 0; ``patience_s``: mean time after which others give up.

    The sum of ``1 / (pace_per_s + i / patience_s)`` for i = 0 ... ``ahead``, all but its first term as an integral.
    """
    if math.isinf(patience_s):
        return (ahead + 1) / pace_per_s
    paces = pace_per_s * patience_s
    return 1 / pace_per_s + patience_s * math.log((paces + ahead + 0.5) / (paces + 0.5))


@dataclass(slots=True)
class Stretch:
    """How much longer it takes than was told."""

    waited_s: float = 0.0
    told_s: float = 0.0

    def learn(self, waited_s: float, told_s: float, patience_s: float) -> None:
        """Of one who was answered ``waited_s`` after being told ``told_s``, more than 0."""
        if not self.told_s:
            self.waited_s = self.told_s = told_s * _MEMORY / 10
        stands_for = math.exp(min(_LONGEST, waited_s / patience_s))
        self.waited_s += stands_for * waited_s - self.waited_s / _MEMORY
        self.told_s += stands_for * told_s - self.told_s / _MEMORY

    @property
    def factor(self) -> float:
        return min(_MOST, max(_LEAST, self.waited_s / self.told_s)) if self.told_s else 1.0
