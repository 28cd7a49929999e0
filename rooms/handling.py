"""What a person wants done with calls to them, while they cannot or do not want to answer: forwarding, and do-not-disturb.

A call to a person goes, first row that holds:

    calls are always forwarded              to that target
    in a call or a consultation, or one rings already
                                            to the target for busy; none: busy
    no page open                            to the target for offline; none: nobody there
    does not want to be disturbed           to the target for busy; none: busy
    takes no calls (break)                  to the target for busy; none: nobody there
    else                                    to them, and after a while unanswered to the target for no answer

A call for nobody in particular follows no one's forwarding: it rings at whoever takes calls, and people who forward always, or do not want
to be disturbed, do not.
"""

from dataclasses import dataclass

from rooms.causes import Cause
from rooms.move import Target


@dataclass(frozen=True, slots=True)
class Handling:
    """``no_answer_s``: for so long it rings before the call goes on to ``no_answer``. None: it goes nowhere."""

    do_not_disturb: bool = False
    always: Target | None = None
    busy: Target | None = None
    no_answer: Target | None = None
    offline: Target | None = None
    no_answer_s: float = 20.0

    @property
    def withdrawn(self) -> bool:
        """Does this person stay out of what rings for everybody?"""
        return self.do_not_disturb or self.always is not None


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a call to a person goes now: to ``target``, led on by ``by`` (empty: to the person), after so many ``hops``; or, for this
    ``cause``, nowhere."""

    target: Target
    hops: int
    by: str = ""
    cause: Cause | None = None
