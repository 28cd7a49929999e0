"""Who is on the line, put together from what backends said: nobody is guessed, and nothing is shown that should not be."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, structs

from api.backends.context import LinkHosts, Part, about_caller, plain, put_together, shown
from api.backends.protocols import Activity, BackendFault, BookingCard, CallerKey, ContactRef, Kind, TicketCard
from api.backends.views import context_partial
from signaling.context_messages import ContextContact, ContextTicket

NUMBER = "+34600111222"
KEY = CallerKey(NUMBER, "600 111 222")
EVERYWHERE = LinkHosts(["crm.example"])


def contact(backend: str, id: str, name: str, *, number: str = NUMBER, **more: object) -> ContactRef:
    return ContactRef(backend, id, name, numbers=(number,) if number else (), **more)  # type: ignore[arg-type]


def part(backend: str, *contacts: ContactRef, kind: Kind = Kind.CRM, **more: object) -> Part:
    return Part(backend, kind, backend, frozenset(), state="here" if contacts else "none", contacts=contacts, **more)  # type: ignore[arg-type]


def booking(backend: str, ref: str, state: str = "confirmed", number: str = "") -> BookingCard:
    return BookingCard(backend, ref, ref, "Lisbon", state, 1.0, 2.0, Decimal("10.50"), Decimal(90), "EUR", number=number)


@pytest.mark.parametrize(("kept", "told"), [(ContactRef, ContextContact), (TicketCard, ContextTicket)])
def test_whatever_pages_are_told_is_kept_by_the_same_name(kept: type[Struct], told: type[Struct]) -> None:
    assert {field.name for field in structs.fields(told)} <= {field.name for field in structs.fields(kept)}


def test_answers_that_agree_are_one_person_and_fill_one_another() -> None:
    crm = contact("crm", "1", "Ana García", email="ana@example.com", language="es")
    travel = contact("travel", "77", "GARCIA, Ana", company="Viajes Sol", vip=True, lead_score=0.7)
    found = put_together(
        "c", KEY, [part("crm", crm), part("travel", travel, kind=Kind.BOOKING, bookings={"77": (booking("travel", "R1"),)})]
    )
    assert found.contact is not None
    assert (found.contact.backend, found.contact.company, found.contact.vip, found.contact.lead_score) == ("crm", "Viajes Sol", True, 0.7)
    assert (found.choices, [card.ref for card in found.bookings], found.chosen) == ((), ["R1"], False)
    assert dict(found.facts) == {"known": True, "vip": True, "language": "es", "lead_score": 0.7, "open_booking": "R1"}


def test_of_each_field_of_who_was_put_together_it_is_told_which_backend_gave_it_and_when() -> None:
    crm = contact("crm", "1", "Ana García", email="ana@example.com", language="es")
    travel = ContactRef("travel", "77", "GARCIA, Ana", company="Sol", vip=True, value=9.0, numbers=("+34911000111", NUMBER), language="en")
    found = put_together("c", KEY, [part("crm", crm, age_s=42.0), part("travel", travel)])
    assert {name: (origin.backend, origin.id, origin.age_s) for name, origin in found.origin.items()} == {
        **dict.fromkeys(("name", "email", "language", "numbers/0"), ("crm", "1", 42.0)),
        **dict.fromkeys(("company", "vip", "value", "numbers/1"), ("travel", "77", None)),
    }
    assert found.contact is not None and found.contact.numbers == (NUMBER, "+34911000111")
    shown_to_pages = context_partial(found)
    assert {name: origin.backend for name, origin in shown_to_pages.origin.items()} == {
        name: found.origin[name].backend for name in found.origin
    }
    chosen = put_together("c", KEY, [part("crm", contact("crm", "1", "Ana"), contact("crm", "2", "Luis"))], ("crm", "2"))
    assert {(origin.backend, origin.id) for origin in chosen.origin.values()} == {("crm", "2")}
    nobody = put_together("c", KEY, [part("crm", contact("crm", "1", "Ana"), contact("crm", "2", "Luis"))])
    assert nobody.contact is None and nobody.origin == {}


def test_several_are_choices_and_what_is_theirs_is_shown_only_once_somebody_chose() -> None:
    ana, luis = contact("crm", "1", "Ana"), contact("travel", "2", "Luis")
    parts = [
        part("crm", ana, activities={"1": (Activity(5.0, "call", "Asked"),)}),
        part("travel", luis, kind=Kind.BOOKING, bookings={"2": (booking("travel", "R2"),)}),
    ]
    found = put_together("c", KEY, parts)
    assert (found.contact, [one.name for one in found.choices], found.bookings, found.activities) == (None, ["Ana", "Luis"], (), ())
    assert found.facts == {}
    chosen = put_together("c", KEY, parts, ("travel", "2"))
    assert chosen.contact == luis
    assert (chosen.chosen, [card.ref for card in chosen.bookings], chosen.activities) == (True, ["R2"], ())
    assert [one.name for one in chosen.choices] == ["Ana", "Luis"]  # so that the choice can be taken back


def test_flows_are_told_of_a_person_once_every_backend_had_its_time() -> None:
    ana = part("crm", contact("crm", "1", "Ana", vip=True))
    waiting = Part("travel", Kind.BOOKING, "travel", frozenset())
    told = {
        state: put_together("c", KEY, [ana, structs.replace(waiting, state=state)]).facts  # type: ignore[arg-type]
        for state in ("asked", "slow", "unreachable", "none")
    }
    known = {"known": True, "vip": True}
    assert told == {"asked": {}, "slow": known, "unreachable": known, "none": known}


def test_two_of_one_name_in_one_backend_are_two_people() -> None:
    found = put_together("c", KEY, [part("crm", contact("crm", "1", "Ana"), contact("crm", "2", "Ana"))])
    assert (found.contact, len(found.choices)) == (None, 2)


def test_whom_nobody_vouches_for_is_a_choice_and_no_answer() -> None:
    found = put_together("c", KEY, [part("crm", contact("crm", "1", "Ana", number=""))])
    assert (found.contact, [one.name for one in found.choices]) == (None, ["Ana"])


def test_an_answer_about_another_number_is_refused() -> None:
    about_caller(KEY, [contact("crm", "1", "Ana"), contact("crm", "2", "Eva", number=""), booking("travel", "R1", number=NUMBER)])
    for wrong in (contact("crm", "1", "Ana", number="+34999"), booking("travel", "R", number="+34999")):
        with pytest.raises(BackendFault, match="invalid"):
            about_caller(KEY, [contact("crm", "2", "Eva"), wrong])
    about_caller(KEY, [TicketCard("desk", "1", "Lost", "open", number="+34999")], also=("+34999",))


def test_what_is_open_is_named_by_the_first() -> None:
    ticket = TicketCard("desk", "41", "Old", "closed", open=False)
    parts = [
        part("crm", contact("crm", "1", "Ana"), bookings={"1": (booking("crm", "R0", "Cancelled"), booking("crm", "R1"))}),
        part("desk", kind=Kind.TICKETING, tickets=(ticket, TicketCard("desk", "42", "New", "new"))),
    ]
    facts = put_together("c", KEY, parts).facts
    assert (facts["open_booking"], facts["open_ticket"]) == ("R1", "42")


@pytest.mark.parametrize(
    ("backend", "url", "may"),
    [
        ("crm", "https://crm.example/people/1?x=1#top", True),
        ("crm", "https://CRM.example./people", True),
        ("crm", "https://eu.sales.example/1", True),
        ("crm", "https://sales.example/1", False),
        ("crm", "http://crm.example/people/1", False),
        ("crm", "javascript:alert(1)", False),
        ("crm", "https://crm.example@evil.example/", False),
        ("crm", "https://user@crm.example/", False),
        ("crm", "https://crm.example\\@evil.example/", False),
        ("crm", "https://evil.example/crm.example", False),
        ("crm", "https://evilcrm.example/", False),
        ("crm", "//crm.example/", False),
        ("crm", "/contacts", False),
        ("crm", "https://crm.example/\r\nx", False),
        ("crm", "https://[crm.example/", False),
        ("crm", "https://crm.example:x/", False),
        ("builtin-crm", "/contacts/?id=1", True),
        ("builtin-crm", "//evil.example/", False),
        ("builtin-crm", "/\\evil.example/", False),
        ("builtin-crm", "https://crm.example/", False),
    ],
)
def test_links_lead_only_where_they_may(backend: str, url: str, may: bool) -> None:
    assert LinkHosts(["crm.example", "*.sales.example"])(backend, url) is may


def test_markup_is_text_and_what_cannot_be_seen_is_taken_out() -> None:
    sent = ContactRef("crm", "1", "<b>Ana‮</b>\x00\n  García", company="x" * 9_000, url="https://evil.example/")
    (clean,) = shown([sent, sent], "crm", EVERYWHERE, 1)
    assert (clean.name, len(clean.company), clean.url) == ("<b>Ana</b> García", 500, "")


def test_nobody_speaks_for_another_backend() -> None:
    with pytest.raises(BackendFault, match="invalid"):
        shown([contact("other", "1", "Ana")], "crm", EVERYWHERE, 5)


@given(st.text())
def test_plain_text_stays_plain(text: str) -> None:
    once = plain(text)
    assert plain(once) == once
    assert len(once) <= 500
    assert "\n" not in once
    assert "‮" not in once


PEOPLE = st.builds(
    ContactRef,
    backend=st.sampled_from(["a", "b", "c"]),
    id=st.integers(0, 3).map(str),
    name=st.sampled_from(["Ana García", "garcia ana", "Luis", ""]),
    email=st.sampled_from(["", "ana@example.com", "ANA@example.com"]),
    numbers=st.sampled_from([(NUMBER,), ()]),
)


@given(st.lists(PEOPLE, max_size=6, unique_by=lambda one: (one.backend, one.id)))
def test_there_is_a_contact_only_where_it_can_be_nobody_else(people: list[ContactRef]) -> None:
    parts = [part(backend, *(one for one in people if one.backend == backend)) for backend in ("a", "b", "c")]
    found = put_together("c", KEY, parts)
    if found.contact is not None:
        assert NUMBER in found.contact.numbers
        assert max(len([one for one in people if one.backend == backend]) for backend in "abc") == 1
    else:
        assert bool(found.choices) is bool(people)
    for one in people:
        chosen = put_together("c", KEY, parts, (one.backend, one.id))
        assert chosen.chosen
        assert chosen.contact is not None
