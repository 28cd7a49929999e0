"""A message to one person, and what it may say. Pure."""

import html as markup
import re
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from rooms.flows.conditions import FactValue

_NAME = re.compile(r"\{([a-z][a-z0-9_]{0,63})\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_LINK = re.compile(r"https?://[^\s<>\"']+")
_ADDRESS = re.compile(r"[^\s@<>\"',;:\\()\[\]\x00-\x1f\x7f]{1,64}@[^\s@<>\"',;:\\()\[\]\x00-\x1f\x7f]{1,253}")
_LONGEST_FACT = 1_000


class Attachment(Struct, frozen=True):
    """A file of text, such as a calendar's: ``content_type`` ``text/calendar``, ``method`` ``REQUEST``."""

    name: str
    content_type: str
    text: str
    method: str = ""


class Message(Struct, frozen=True):
    """``to``: an e-mail address or an E.164 number. ``idem``: the same message has the same, however often it is sent. ``person``: the
    handle of who gets it. ``html`` empty: it is made of ``text``."""

    channel: Literal["email", "sms"]
    to: str
    subject: str
    text: str
    idem: str
    person: str = ""
    html: str = ""
    language: str = ""
    attachments: tuple[Attachment, ...] = ()
    call_id: str = ""


def is_address(text: str) -> bool:
    """Can mail be sent there? No more than its shape: whether anybody reads it, nobody can tell."""
    local, _, domain = text.rpartition("@")
    return bool(_ADDRESS.fullmatch(text)) and "." in domain and ".." not in text and not local.startswith(".") and not domain.endswith(".")


def filled(text: str, facts: Mapping[str, FactValue]) -> str:
    """``{name}`` in place of each fact's name; one that is not known leaves nothing. What a fact says is text: no name in it is looked
    for, and it has no line breaks."""
    return _NAME.sub(lambda found: worded(facts.get(found.group(1), "")), text)


def worded(value: FactValue) -> str:
    """A fact as words on one line."""
    said = f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
    return _CONTROL.sub(" ", said)[:_LONGEST_FACT]


def one_line(text: str) -> str:
    """For a subject."""
    return _CONTROL.sub(" ", text).strip()[:250]


def as_html(text: str, language: str) -> str:
    """The same words with paragraphs, and with links that can be pressed."""
    paragraphs = "".join(f"<p>{_linked(block)}</p>" for block in re.split(r"\n{2,}", text.strip()))
    return f'<!doctype html><html lang="{markup.escape(language or "en")}"><meta charset="utf-8"><body>{paragraphs}</body></html>'


def _linked(block: str) -> str:
    pieces, at = [], 0
    for found in _LINK.finditer(block):
        link = markup.escape(found.group())
        pieces += [markup.escape(block[at : found.start()]), f'<a href="{link}">{link}</a>']
        at = found.end()
    return "".join([*pieces, markup.escape(block[at:])]).replace("\n", "<br>")
