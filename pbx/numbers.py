"""Telephone numbers: what a person typed or a PBX sent, read once, compared as E.164 only.

Order of reading: a SIP or tel address is opened first (``<sip:+34…@pbx>``), then emergency numbers (``112`` would otherwise parse as the
invalid ``+34112``), then the PBX's own extensions (2-6 digits), then the world's numbering plans with a default region for national forms.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType, shortnumberinfo, timezone

MAX_CHARACTERS = 128
_LONGEST_FIELD = 512
_NON_GEOGRAPHIC = "001"
_UNKNOWN_ZONE = "Etc/Unknown"
_SATELLITE_CODES = frozenset({870, 881, 882, 883})
_ADDRESS = re.compile(r"<?\s*(sips?|tel):([^>;?]*)", re.IGNORECASE)
_EXTENSION = re.compile(r"[*#]?[0-9]{2,6}")
_WITHHELD = frozenset({"", "anonymous", "unknown", "unavailable", "private", "restricted", "withheld"})
_TRUNK_ZERO = re.compile(r"(?<=[0-9])\s*\(0\)")
"""As in +44 (0) 20 7946 0000: nobody dials both."""
_OLD_MEXICAN = re.compile(r"^(?:\+|00)\s*52[\s.-]*1[\s.-]*")


class NumberKind(StrEnum):
    """What a number is, as far as the numbering plans tell. ``unclassified``: a possible number in no published range."""

    EMERGENCY = "emergency"
    EXTENSION = "extension"
    FIXED = "fixed"
    MOBILE = "mobile"
    FIXED_OR_MOBILE = "fixed_or_mobile"
    TOLL_FREE = "toll_free"
    VOIP = "voip"
    OTHER = "other"
    PREMIUM = "premium"
    SHARED_COST = "shared_cost"
    SATELLITE = "satellite"
    UNCLASSIFIED = "unclassified"
    WITHHELD = "withheld"
    ADDRESS = "address"


_KIND = {
    PhoneNumberType.FIXED_LINE: NumberKind.FIXED,
    PhoneNumberType.MOBILE: NumberKind.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: NumberKind.FIXED_OR_MOBILE,
    PhoneNumberType.TOLL_FREE: NumberKind.TOLL_FREE,
    PhoneNumberType.PREMIUM_RATE: NumberKind.PREMIUM,
    PhoneNumberType.SHARED_COST: NumberKind.SHARED_COST,
    PhoneNumberType.VOIP: NumberKind.VOIP,
}


@dataclass(frozen=True, slots=True)
class Number:
    """One number. ``raw`` as it came, ``e164`` with plus sign where it is a public one, ``extension`` where it is the PBX's own,
    ``display`` for people, ``region`` the ISO country guess."""

    raw: str
    e164: str | None
    extension: str | None
    display: str
    kind: NumberKind
    region: str = ""


class NotANumber(Exception):
    """The text cannot be dialled. The message says why and what to type instead."""


def is_emergency(digits: str, region: str) -> bool:
    """Do these digits call for help in this country (ISO code)?"""
    return shortnumberinfo.is_emergency_number(digits, region)


def parse_number(text: str, region: str) -> Number:
    """Read what a person wants to dial. ``region``: ISO country whose national forms are understood. Raises ``NotANumber``."""
    body = _body_of(text)
    shown = _shown(body)
    if not body:
        raise NotANumber("There is no number to dial: type one, for example 200 or +34 600 111 222.")
    digits = re.sub(r"[\s()./-]", "", body)
    if is_emergency(digits, region):
        return Number(text, None, digits, digits, NumberKind.EMERGENCY, region)
    if _EXTENSION.fullmatch(digits):
        return Number(text, None, digits, digits, NumberKind.EXTENSION)
    if not re.fullmatch(r"\+?[0-9]+", digits):
        raise NotANumber(f"{shown!r} is not a number: use digits, with + and the country code for other countries.")
    parsed = _parse_public(body, digits, region)
    if parsed is None:
        raise NotANumber(
            f"{shown!r} is too short or too long for a number of {_country(digits, region)}: check it, or add + and the country code."
        )
    return _public(text, parsed, region)


def number_of_caller(text: str, region: str) -> Number:
    """Read the number that a PBX says is calling. Never raises: what is no number is shown as it came, or as withheld."""
    try:
        body = _body_of(text)
        if body.lower().split("@")[0] in _WITHHELD:
            return Number(text, None, None, "", NumberKind.WITHHELD)
        return parse_number(text, region)
    except NotANumber:
        return Number(text, None, None, _shown(text), NumberKind.ADDRESS)


def numbers_in(text: str, region: str) -> tuple[str, ...]:
    """The public numbers, E.164, in what somebody wrote into an address book: one in any form, or several with words between."""
    plain = _TRUNK_ZERO.sub("", " ".join(text[:_LONGEST_FIELD].split()))
    one = number_of_caller(plain, region).e164
    if one is not None:
        return (one,)
    found = phonenumbers.PhoneNumberMatcher(plain, region, leniency=phonenumbers.Leniency.VALID)
    return tuple(dict.fromkeys(phonenumbers.format_number(each.number, PhoneNumberFormat.E164) for each in found))


def national_part(e164: str) -> str:
    """The digits of a public number that stand in each way of writing it: without country code and trunk prefix."""
    return phonenumbers.national_significant_number(phonenumbers.parse(e164))


def spellings(e164: str, region: str) -> tuple[str, ...]:
    """How a PBX in this country may write this number as that of a caller."""
    digits = e164.removeprefix("+")
    parsed = phonenumbers.parse(e164)
    national = phonenumbers.national_significant_number(parsed)
    at_home = region and parsed.country_code == phonenumbers.country_code_for_region(region)
    prefix = phonenumbers.ndd_prefix_for_region(region, strip_non_digits=True) or "" if at_home else ""
    return tuple(dict.fromkeys((e164, digits, f"00{digits}", *((national, prefix + national) if at_home else ()))))


def national_of(e164: str) -> str:
    """Its digits without the country's code; none of what is no such number."""
    try:
        return phonenumbers.national_significant_number(phonenumbers.parse(e164))
    except phonenumbers.NumberParseException:
        return ""


def zones_of(e164: str) -> tuple[str, ...]:
    """Time zones that this number may lie in; none where nobody knows."""
    found = timezone.time_zones_for_number(phonenumbers.parse(e164))
    return () if _UNKNOWN_ZONE in found else found


def _body_of(text: str) -> str:
    """The part that names the number: the user part of a SIP or tel address, or the text itself."""
    if len(text) > MAX_CHARACTERS:
        raise NotANumber(f"The number has {len(text)} characters; at most {MAX_CHARACTERS} are read.")
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise NotANumber("The number has control characters in it: type it anew.")
    found = _ADDRESS.search(text)
    if found is None:
        return text.strip()
    address = found.group(2)
    user = address.split("@")[0] if "@" in address or found.group(1).lower() == "tel" else ""
    return unquote(user.split(":")[0]).strip()


def _parse_public(body: str, digits: str, region: str) -> PhoneNumber | None:
    try:
        parsed = phonenumbers.parse(body, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed) and _OLD_MEXICAN.match(body):
        # Mexico dropped the mobile prefix 1 in 2019; address books still carry it.
        parsed = phonenumbers.parse(_OLD_MEXICAN.sub("+52", body), region)
    return parsed if phonenumbers.is_possible_number(parsed) else None


def _public(raw: str, parsed: PhoneNumber, region: str) -> Number:
    e164 = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    of_region = phonenumbers.region_code_for_number(parsed) or ""
    style = PhoneNumberFormat.NATIONAL if of_region == region else PhoneNumberFormat.INTERNATIONAL
    return Number(raw, e164, None, phonenumbers.format_number(parsed, style), _kind_of(parsed, of_region), of_region)


def _kind_of(parsed: PhoneNumber, of_region: str) -> NumberKind:
    if parsed.country_code in _SATELLITE_CODES:
        # Region 001 counts some satellite numbers as mobile or VoIP; their price is that of a satellite call.
        return NumberKind.SATELLITE
    if not phonenumbers.is_valid_number(parsed):
        return NumberKind.UNCLASSIFIED
    kind = _KIND.get(phonenumbers.number_type(parsed), NumberKind.OTHER)
    if of_region == _NON_GEOGRAPHIC and kind not in (NumberKind.TOLL_FREE, NumberKind.SHARED_COST, NumberKind.PREMIUM):
        return NumberKind.UNCLASSIFIED
    return kind


def _country(digits: str, region: str) -> str:
    return "the country code it begins with" if digits.startswith(("+", "00")) else (region or "any country")


def _shown(text: str) -> str:
    """Shortened and without control characters, fit for a message."""
    clean = "".join(character if character.isprintable() else " " for character in text).strip()
    return clean if len(clean) <= 40 else clean[:39] + "…"
