"""Default-deny for numbers on which money is stolen: a short list of kinds and countries that may be dialled, and how risky each number is.

Emergency numbers always pass, whatever the rules say. What follows from a risk stands in ``pbx/toll.py``.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from pbx.numbers import Number, NumberKind

EUROPE_AND_NORTH_AMERICA = (
    "AD",
    "AT",
    "BE",
    "BG",
    "CA",
    "CH",
    "CY",
    "CZ",
    "DE",
    "DK",
    "EE",
    "ES",
    "FI",
    "FR",
    "GB",
    "GG",
    "GI",
    "GR",
    "HR",
    "HU",
    "IE",
    "IM",
    "IS",
    "IT",
    "JE",
    "LI",
    "LT",
    "LU",
    "LV",
    "MC",
    "MT",
    "NL",
    "NO",
    "PL",
    "PT",
    "RO",
    "SE",
    "SI",
    "SK",
    "SM",
    "US",
    "VA",
)  # fmt: skip
"""Where a travel company's calls mostly go, and hardly a minute is dear. The Caribbean islands under +1 are not among them."""

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
    """Which numbers may be dialled. ``regions``: ISO countries, or None for all; ``blocked_regions`` wins. ``home``: of our own numbers."""

    kinds: frozenset[NumberKind] = _USUAL
    regions: frozenset[str] | None = None
    blocked_regions: frozenset[str] = field(default_factory=frozenset)
    home: str = "ES"


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


class Risk(IntEnum):
    """The table stands in ``pbx/toll.py``; a larger one is worse."""

    FREE = 0
    TRUSTED = 1
    STANDARD = 2
    ELEVATED = 3
    HIGH = 4
    BLOCKED = 5


def risk_of(number: Number, rules: DialRules, *, known: bool) -> Risk:
    """``known``: did somebody here call the number's country lately?"""
    if number.e164 is None:
        return Risk.FREE
    if dial_objection(number, rules) is not None:
        return Risk.BLOCKED
    if number.kind not in _USUAL:
        return Risk.HIGH
    if number.kind is NumberKind.TOLL_FREE or number.region == rules.home:
        return Risk.TRUSTED
    return Risk.STANDARD if known else Risk.ELEVATED
