"""What is known of the person in a call, put together from what each backend said. Pure.

Nobody is guessed. Answers that vouch for the caller's number and agree about who that is (the same name, or the same address) are one
person; where they do not agree, or where nobody vouches, there are choices and somebody who hears the caller chooses.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct, structs

from api.backends.protocols import Activity, BackendFault, BookingCard, CallerKey, Capability, ContactRef, Kind, TicketCard
from api.backends.stages import shown_stages
from rooms.flows.conditions import Facts, FactValue

BUILT_IN = "builtin-"
"""Begins the ids of this server's own backends; no other's does."""
MOST_CONTACTS, MOST_CARDS, MOST_ACTIVITIES = 5, 10, 10
_LONGEST = 500
_LONGEST_FACT = 200
_LONGEST_URL = 2_000
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters, and those that turn the direction of what stands beside them: a name is shown in a box of its own direction."""
_DONE = frozenset({"closed", "resolved", "done", "cancelled", "failed", "expired"})
T = TypeVar("T", ContactRef, BookingCard, TicketCard, Activity)
PartState = Literal[
    "asked", "slow", "here", "none", "unasked", "late", "unreachable", "refused", "invalid", "too_large", "rate_limited", "open"
]


class Part(Struct, frozen=True):
    """What one backend said. ``state``: as ``signaling.context_messages.ContextPart``. ``age_s``: of what it said, where that was kept.

    ``contacts``: whom it knows by the caller's number. ``bookings`` and ``activities`` by the id of the contact they are of.
    """

    backend: str
    kind: Kind
    title: str
    can: frozenset[Capability]
    state: PartState = "asked"
    said: str = ""
    age_s: float | None = None
    contacts: tuple[ContactRef, ...] = ()
    tickets: tuple[TicketCard, ...] = ()
    bookings: Mapping[str, tuple[BookingCard, ...]] = {}
    activities: Mapping[str, tuple[Activity, ...]] = {}

    @property
    def is_unheard(self) -> bool:
        """May it still name somebody, and soon?"""
        return self.kind is not Kind.TICKETING and self.state == "asked" and self.age_s is None and not self.contacts


class FieldOrigin(Struct, frozen=True):
    """Where a field of the contact came from: which backend, under which id there, and how old its answer was; null: asked just now."""

    backend: str
    id: str
    age_s: float | None


class CallContext(Struct, frozen=True):
    """All that is known of who is on the line. ``refs``: the contact as each backend knows them. ``activities`` with the backend that they
    are of. ``origin``: of each field of the contact, by its name (``numbers/0`` is the first number). ``whole``: nothing more is waited
    for."""

    call_id: str
    contact: ContactRef | None
    refs: tuple[ContactRef, ...]
    choices: tuple[ContactRef, ...]
    chosen: bool
    withheld: bool
    bookings: tuple[BookingCard, ...]
    tickets: tuple[TicketCard, ...]
    activities: tuple[tuple[str, Activity], ...]
    parts: tuple[Part, ...]
    origin: Mapping[str, FieldOrigin] = {}

    @property
    def whole(self) -> bool:
        return all(part.state not in ("asked", "slow") for part in self.parts)

    @property
    def facts(self) -> Facts:
        """What flows and routing may know. Of a person it is said once every backend had the time to contradict: each has answered, is
        slow or is away. ``open_booking``, ``open_ticket``: the first one's name."""
        found: dict[str, FactValue] = {}
        if self.contact is not None and not any(part.is_unheard for part in self.parts):
            found |= {"known": True, "vip": self.contact.vip}
            if self.contact.language:
                found["language"] = self.contact.language
            if self.contact.lead_score is not None:
                found["lead_score"] = self.contact.lead_score
        tickets = (card.id for card in self.tickets if card.open)
        bookings = (card.ref or card.id for card in self.bookings if card.state.casefold() not in _DONE)
        named = {"open_ticket": next(tickets, ""), "open_booking": next(bookings, "")}
        return found | {name: text[:_LONGEST_FACT] for name, text in named.items() if text}


def put_together(call_id: str, key: CallerKey, parts: Sequence[Part], chosen: tuple[str, str] | None = None) -> CallContext:
    """``parts`` in the order of their backends: who comes first names the contact. ``chosen``: backend and id of whom somebody chose."""
    people = _people([contact for part in parts for contact in part.contacts])
    vouched = [person for person in people if any(vouches(one, key) for one in person)]
    picked = next((person for person in people if chosen in [(one.backend, one.id) for one in person]), None)
    who = picked or (vouched[0] if len(people) == len(vouched) == 1 else None)
    ids = {(one.backend, one.id) for one in who or ()}
    by_part = [(part, [id for backend, id in ids if backend == part.backend]) for part in parts]
    activities = [(part.backend, each) for part, own in by_part for id in own for each in part.activities.get(id, ())]
    return CallContext(
        call_id,
        contact=_joined(who) if who else None,
        refs=tuple(who or ()),
        choices=() if who and picked is None else tuple(_joined(person) for person in people),
        chosen=picked is not None,
        withheld=key.withheld,
        bookings=tuple(card for part, own in by_part for id in own for card in part.bookings.get(id, ())),
        tickets=tuple(card for part in parts for card in part.tickets),
        activities=tuple(sorted(activities, key=lambda each: -each[1].at)[:MOST_ACTIVITIES]),
        parts=tuple(parts),
        origin=_origins(who, parts) if who else {},
    )


def vouches(contact: ContactRef, key: CallerKey) -> bool:
    """Does the backend say that this number is theirs? Who was looked for by something else is who was meant."""
    return key.e164 in contact.numbers if key.e164 else True


def about_caller(key: CallerKey, found: Sequence[ContactRef | BookingCard | TicketCard], also: Iterable[str] = ()) -> None:
    """Raises ``BackendFault`` (``invalid``) where one of these is about another number. ``also``: further numbers of the caller's."""
    if not key.e164:
        return
    theirs = {key.e164, *also}
    for one in found:
        numbers = set(one.numbers if isinstance(one, ContactRef) else (one.number,)) - {""}
        if numbers and numbers.isdisjoint(theirs):
            raise BackendFault("invalid", "It answered about somebody with another number, which is not shown.")


def shown(found: Iterable[T], backend: str, may_lead: Callable[[str, str], bool], most: int) -> tuple[T, ...]:
    """The first of these as they may be shown: as text of bounded length, and with links only to where they may lead. A contact, booking or
    ticket says whose it is itself; raises ``BackendFault`` where it names another backend."""
    return tuple(_clean(one, backend, may_lead) for one, _ in zip(found, range(most), strict=False))


def _clean(one: T, backend: str, may_lead: Callable[[str, str], bool]) -> T:
    if not isinstance(one, Activity) and one.backend != backend:
        raise BackendFault("invalid", "It answered in another backend's name.")
    changes: dict[str, object] = {}
    for name in one.__struct_fields__:
        value = getattr(one, name)
        if name == "url":
            changes[name] = value if may_lead(backend, value) else ""
        elif isinstance(value, str) and name not in ("backend", "id"):
            changes[name] = plain(value)
        elif name == "stages":
            changes[name] = shown_stages(value, plain)
    return structs.replace(one, **changes)


def plain(text: str) -> str:
    """Without what cannot be seen, on one line, and no longer than anybody reads."""
    return " ".join(_UNSEEN.sub("", text[: 4 * _LONGEST]).split())[:_LONGEST]


class LinkHosts:
    """Where links may lead: by https to these hosts (``crm.example``, ``*.crm.example``), and of our own backends to our own pages."""

    def __init__(self, hosts: Iterable[str]) -> None:
        names = {host.casefold().rstrip(".") for host in hosts}
        self._whole = frozenset(name for name in names if not name.startswith("*."))
        self._below = tuple(name[1:] for name in names if name.startswith("*."))

    def __call__(self, backend: str, url: str) -> bool:
        if not url or len(url) > _LONGEST_URL or not url.isprintable() or "\\" in url or " " in url:
            return False
        if backend.startswith(BUILT_IN):
            return url.startswith("/") and not url.startswith("//")
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").casefold().rstrip(".")
            _ = parts.port
        except ValueError:
            return False
        if parts.scheme != "https" or "@" in parts.netloc:
            return False
        return host in self._whole or (host.endswith(self._below) if self._below else False)


def _people(contacts: Sequence[ContactRef]) -> list[list[ContactRef]]:
    """Who is the same person, as the answers agree; within one backend everybody is somebody else."""
    people: list[list[ContactRef]] = []
    for contact in contacts:
        same = next(
            (
                person
                for person in people
                if all(one.backend != contact.backend for one in person) and any(_same(one, contact) for one in person)
            ),
            None,
        )
        if same is None:
            people.append([contact])
        else:
            same.append(contact)
    return people


def _same(one: ContactRef, other: ContactRef) -> bool:
    address = one.email.casefold().strip()
    return bool(address and address == other.email.casefold().strip()) or bool(_name(one.name) and _name(one.name) == _name(other.name))


def _name(name: str) -> frozenset[str]:
    letters = (letter for letter in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(letter))
    return frozenset(re.findall(r"\w+", "".join(letters)))


def _joined(person: Sequence[ContactRef]) -> ContactRef:
    """The first, with what the others know beyond it."""
    first = person[0]
    more = {
        name: next((getattr(one, name) for one in person if getattr(one, name) not in ("", None)), getattr(first, name))
        for name in ("company", "email", "language", "lead_score", "value")
    }
    numbers = tuple(dict.fromkeys(number for one in person for number in one.numbers))
    return structs.replace(first, **more, vip=any(one.vip for one in person), numbers=numbers)


def _origins(person: Sequence[ContactRef], parts: Sequence[Part]) -> dict[str, FieldOrigin]:
    """Of each field that ``_joined`` gives, from whom that took it."""
    ages, joined, found = {part.backend: part.age_s for part in parts}, _joined(person), {}
    for name in ("name", "company", "email", "language", "lead_score", "value", "vip", "url"):
        value = getattr(joined, name)
        gave = next((one for one in person if value and getattr(one, name) == value), None)
        if gave is not None:
            found[name] = FieldOrigin(gave.backend, gave.id, ages.get(gave.backend))
    for place, number in enumerate(joined.numbers):
        gave = next(one for one in person if number in one.numbers)
        found[f"numbers/{place}"] = FieldOrigin(gave.backend, gave.id, ages.get(gave.backend))
    return found
