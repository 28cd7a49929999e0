"""Default-deny for numbers on which money is stolen: a short list of kinds and countries that may be dialled.

Emergency numbers always pass, whatever the rules say.
"""

from dataclasses import dataclass, field

from pbx.numbers import Number, NumberKind

_USUAL = frozenset(
    {
        NumberKind.EXTENSION,
        NumberKind.FIXED,
        NumberKind.MOBILE,
        NumberKind.FIXED_OR_MOBILE,
        NumberKind.TOLL_FREE,
        NumberKind.VOIP,
        NumberKind.OTHER,
    }
)
_SPOKEN = {
    NumberKind.PREMIUM: "a premium-rate number",
    NumberKind.SHARED_COST: "a shared-cost number",
    NumberKind.SATELLITE: "a satellite number",
    NumberKind.UNCLASSIFIED: "in no published number range",
}


@dataclass(frozen=True, slots=True)
class DialRules:
    """Which numbers may be dialled. ``regions``: ISO countries, or None for all; ``blocked_regions`` wins."""

    kinds: frozenset[NumberKind] = _USUAL
    regions: frozenset[str] | None = None
    blocked_regions: frozenset[str] = field(default_factory=frozenset)


def dial_objection(number: Number, rules: DialRules) -> str | None:
    """Why this number may not be dialled, in words for the person who dialled it; None where it may."""
    if number.kind is NumberKind.EMERGENCY:
        return None
    if number.kind not in rules.kinds:
        what = _SPOKEN.get(number.kind, f"of the kind {number.kind}")
        return f"{number.display} is {what}, and such calls are not allowed here: check it, or ask an administrator to allow them."
    allowed = rules.regions is None or number.region in rules.regions
    if number.e164 is not None and (not allowed or number.region in rules.blocked_regions):
        return (
            f"{number.display} lies in a country ({number.region or 'unknown'}) to which calls are not allowed here: ask an administrator."
        )
    return None
