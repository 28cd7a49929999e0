"""Words as they are looked for: without accents and case, the same for what is kept and for what is asked, whatever the database. Pure.

A query is words and nothing else: what has a meaning in the language of a database (``"``, ``*``, ``NEAR``, ``&``, ``!``, ``:``) is no
letter or digit and is therefore not there any more when a database sees it.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from msgspec import Struct

MOST_SOUGHT = 12
"""Words of a query; of more the first count."""
MOST_LETTERS = 40
_WORD = re.compile(r"[^\W_]+")
_BEFORE, _AROUND = 60, 200
"""How much of a text is shown before its first hit, and at all, in letters."""
_MARKS = re.compile(r"^\s{0,3}(?:#{1,6}|[-*+]|\d+\.|>)\s+|[*_`]+|\[([^\]]*)\]\([^)]*\)", re.MULTILINE)
"""What Markdown puts around words: headings, lists, emphasis, the addresses of links."""


class Part(Struct, frozen=True):
    """A piece of a text. ``hit``: it is what was looked for."""

    text: str
    hit: bool


def folded(text: str) -> str:
    """Small letters without accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def words_of(text: str) -> list[str]:
    """Every word of a text, in order."""
    return [word[:MOST_LETTERS] for word in _WORD.findall(folded(text))]


def sought(query: str) -> list[str]:
    """The words that somebody looks for, each once. Of several those of a single letter do not count."""
    found = list(dict.fromkeys(words_of(query)))
    return ([word for word in found if len(word) > 1 or word.isdigit()] or found)[:MOST_SOUGHT]


def plain(markdown: str) -> str:
    """The words of a text without the marks around them, on one line."""
    return " ".join(_MARKS.sub(lambda found: found.group(1) or " ", markdown).split())


def snippet(text: str, wanted: Sequence[str]) -> list[Part]:
    """The piece of a text (Markdown) around the first word that begins with one of these, each such word in it marked."""
    whole = plain(text)
    first = next((begin for begin, _ in _hits(whole, wanted)), 0)
    begin = 0 if first <= _BEFORE else whole.find(" ", first - _BEFORE) + 1
    end = len(whole) if len(whole) - begin <= _AROUND else whole.rfind(" ", begin, begin + _AROUND)
    end = end if end > first else begin + _AROUND
    shown = ("… " if begin else "") + whole[begin:end] + (" …" if end < len(whole) else "")
    return marked(shown, wanted)


def marked(text: str, wanted: Sequence[str]) -> list[Part]:
    """The whole text in pieces, each word that begins with one of these marked."""
    parts, at = list[Part](), 0
    for begin, end in _hits(text, wanted):
        if begin > at:
            parts.append(Part(text[at:begin], False))
        parts.append(Part(text[begin:end], True))
        at = end
    if at < len(text):
        parts.append(Part(text[at:], False))
    return parts


def _hits(text: str, wanted: Sequence[str]) -> Iterator[tuple[int, int]]:
    for found in _WORD.finditer(text):
        if folded(found.group()).startswith(tuple(wanted)):
            yield found.span()
