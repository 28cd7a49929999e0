"""By what a call is judged, and what that comes to. Pure.

A form has criteria with weights. Each is given points from 0 to its ``most``, or is left out because it does not apply to this call; the
total is the weighted mean of the fractions of those that were given, so that what does not apply neither helps nor harms.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from signaling.refusal import Refusal

MOST_CRITERIA = 30
Id = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class Criterion(Struct, frozen=True, forbid_unknown_fields=True):
    """``weight``: against the others. ``most``: points at best, 1 for yes and no. ``hint``: what they are given for."""

    criterion_id: Id
    title: Annotated[str, Meta(min_length=1, max_length=200)]
    weight: Annotated[int, Meta(ge=1, le=100)] = 1
    most: Annotated[int, Meta(ge=1, le=10)] = 5
    hint: Annotated[str, Meta(max_length=1_000)] = ""


def check_criteria(criteria: Sequence[Criterion]) -> None:
    """Raises ``Refusal``."""
    names = [criterion.criterion_id for criterion in criteria]
    if not names or len(names) > MOST_CRITERIA or len(set(names)) != len(names):
        raise Refusal("bad_message", f"A form has 1 to {MOST_CRITERIA} criteria, each with an id of its own.")


def total(criteria: Sequence[Criterion], scores: Mapping[str, int | None]) -> float:
    """0-1. None: does not apply. Raises ``Refusal`` where points are none of the form, one has none, or nothing applies."""
    known = {criterion.criterion_id: criterion for criterion in criteria}
    if set(scores) != set(known):
        raise Refusal("bad_message", "Give points to each criterion of the form, or null where it does not apply.")
    given = {name: points for name, points in scores.items() if points is not None}
    for name, points in given.items():
        if not 0 <= points <= known[name].most:
            raise Refusal("bad_message", f"{name} is given 0 to {known[name].most} points.")
    if not given:
        raise Refusal("bad_message", "Something has to apply to the call, or there is nothing to judge.")
    weights = sum(known[name].weight for name in given)
    return sum(known[name].weight * points / known[name].most for name, points in given.items()) / weights
