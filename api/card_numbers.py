"""Card numbers that somebody wrote where they do not belong: refused, or made unreadable, before they are kept anywhere (PCI DSS 3.3)."""

import re
from collections.abc import Iterator
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

S = TypeVar("S", bound=Struct)

_RUN = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,}(?!\d)")
_GROUP = re.compile(r"\d+")
_MOST_GROUPS = 64
"""Of one run of digits: whoever writes more writes no card."""
_LEAST, _MOST = 13, 19
_USUAL, _FIRST = (14, 15, 16, 19), "23456"
"""How many digits cards have that are about, and with what these begin: asked of a part of a longer run, as where the date follows it."""


def has_card_number(text: str) -> bool:
    """Are there 13 to 19 digits with the check digit of cards (ISO/IEC 7812-1, annex B), with or without blanks and hyphens?"""
    return next(_cards(text), None) is not None


def without_card_numbers(text: str) -> str:
    """The text with no more than the last four digits of each."""
    parts, done = [], 0
    for begin, end in _cards(text):
        parts += [text[done:begin], "•••• ", "".join(map(str, _digits(text[begin:end])[-4:]))]
        done = end
    return "".join(parts) + text[done:]


def without_cards_in(said: S, *names: str) -> S:
    """What somebody said with these of its texts masked; what is left out stays so."""
    texts = {name: text for name in names if isinstance(text := getattr(said, name), str)}
    return replace(said, **{name: without_card_numbers(text) for name, text in texts.items()})


def _cards(text: str) -> Iterator[tuple[int, int]]:
    """Where each begins and ends."""
    for run in _RUN.finditer(text):
        groups = [(run.start() + group.start(), run.start() + group.end()) for group in _GROUP.finditer(run[0])][:_MOST_GROUPS]
        done = 0
        for at, (begin, _) in enumerate(groups):
            if begin >= done and (end := _end_of_card(text, begin, [end for _, end in groups[at:]], run.span())):
                yield begin, end
                done = end


def _end_of_card(text: str, begin: int, ends: list[int], run: tuple[int, int]) -> int:
    """Of the longest that begins here; 0: none does."""
    found = 0
    for end in ends:
        digits = _digits(text[begin:end])
        if len(digits) > _MOST:
            break
        whole = (begin, end) == run and len(digits) >= _LEAST
        if (whole or (len(digits) in _USUAL and text[begin] in _FIRST)) and _checks(digits):
            found = end
    return found


def _digits(found: str) -> list[int]:
    return [int(sign) for sign in found if sign.isdigit()]


def _checks(digits: list[int]) -> bool:
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    return any(digits) and (sum(doubled) + sum(digits[-1::-2])) % 10 == 0
