"""What visitors' pages send and get by REST."""

from typing import Annotated

from msgspec import Meta, Struct

from signaling.message_bases import Id
from signaling.visit_messages import Said

QueueName = Annotated[str, Meta(min_length=1, max_length=64)]
Language = Annotated[str, Meta(max_length=8)]


class VisitWanted(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody new, for calls to this queue."""

    queue: QueueName
    language: Language = "en"


class ChatWanted(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody wants to write with whom this queue is of. The answer's link lets them in (``POST /api/v1/guests``)."""

    queue: QueueName
    said: Said = Said()
    language: Language = "en"


class ChatMade(Struct, frozen=True):
    room_id: str
    link: str


class CallBackWanted(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody wants to be called back. ``number``: as people write it. ``consent``: the words that they agreed to. ``at``: not before;
    null: soon. ``idem``: drawn by the page; sent twice it is one wish."""

    queue: QueueName
    number: Annotated[str, Meta(min_length=3, max_length=40)]
    consent: Annotated[str, Meta(min_length=1, max_length=500)]
    idem: Id
    said: Said = Said()
    language: Language = "en"
    at: float | None = None


class CallBackMade(Struct, frozen=True):
    """``number``: as it will be dialled, for people. ``at``: not before; null: as soon as it is their turn."""

    number: str
    at: float | None


class NumberRead(Struct, frozen=True):
    """A number as it would be dialled. ``code``: why nobody can call it, empty where somebody can."""

    display: str
    e164: str
    code: str = ""
    message: str = ""
