"""Card numbers that somebody wrote where they do not belong: refused, or made unreadable, before they are kept anywhere (PCI DSS 3.3)."""

import re

_RUN = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")


def has_card_number(text: str) -> bool:
    """Are there 13 to 19 digits with the check digit of cards (ISO/IEC 7812-1, annex B), with or without blanks and hyphens?"""
    return any(_checks(_digits(found)) for found in _RUN.findall(text))


def without_card_numbers(text: str) -> str:
    """The text with no more than the last four digits of each."""

    def hidden(found: re.Match[str]) -> str:
        digits = _digits(found[0])
        return "•••• " + "".join(map(str, digits[-4:])) if _checks(digits) else found[0]

    return _RUN.sub(hidden, text)


def _digits(found: str) -> list[int]:
    return [int(sign) for sign in found if sign.isdigit()]


def _checks(digits: list[int]) -> bool:
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    return any(digits) and (sum(doubled) + sum(digits[-1::-2])) % 10 == 0
