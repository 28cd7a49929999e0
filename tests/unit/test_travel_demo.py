"""The demo's travel data: whole, the same each time, and of numbers that are nobody's."""

import re
from collections import Counter

from api.travel.booking import State
from api.travel.demo import demo_travel
from api.travel.demo_offer import OFFERS, PEOPLE
from pbx.loopback import CUSTOMER
from pbx.numbers import parse_number

NOW = 1_790_000_000.0
FICTION = re.compile(r"\+1\d{3}55501\d\d|\+447700900\d{3}|\+442079460\d{3}|\+3363998\d{4}|\+61491570\d{3}")


def test_the_same_seed_and_time_give_the_same_data_and_another_seed_other_data() -> None:
    assert demo_travel(NOW) == demo_travel(NOW)
    assert demo_travel(NOW, seed=1).stories != demo_travel(NOW).stories


def test_there_are_tours_in_both_languages_with_departures_around_now() -> None:
    assert len(OFFERS) == 12
    for offer in OFFERS:
        tour = offer.tour
        assert all((tour.title_en, tour.title_es, tour.about_en, tour.about_es)) and tour.about_en != tour.about_es
        departures = [each for each in demo_travel(NOW).departures if each.tour_id == tour.tour_id]
        assert departures[0].starts_at < NOW < departures[0].ends_at, "one is under way"
        assert len(departures) == 5 and all(each.starts_at > NOW for each in departures[1:])


def test_bookings_are_in_every_state_and_no_departure_is_oversold() -> None:
    demo = demo_travel(NOW)
    bookings = [story[-1].booking for story in demo.stories]
    assert set(Counter(each.state_at(NOW) for each in bookings)) == set(State)
    assert len({each.reference for each in bookings}) == len(bookings) >= 40
    for departure in demo.departures:
        assert sum(each.seats_at(NOW) for each in bookings if each.departure_id == departure.departure_id) <= departure.seats
    for story in demo.stories:
        assert [done.booking.revision for done in story] == list(range(1, len(story) + 1))
        assert [done.mark.at for done in story] == sorted(done.mark.at for done in story) and story[-1].mark.at <= NOW
    assert any(each.due_at(NOW) for each in bookings if each.state is State.CONFIRMED), "something is unpaid"
    assert any(each.owed_at(NOW) for each in bookings), "something is owed back"


def test_thirty_customers_have_names_in_two_languages_and_nobodys_numbers() -> None:
    contacts = demo_travel(NOW).contacts
    assert len(contacts) == len({each.numbers for each in contacts}) == len({each.email for each in contacts}) == 30
    assert {person.language for person in PEOPLE} == {"en", "es"}
    for contact in contacts[1:]:
        assert FICTION.fullmatch(contact.numbers[0]), contact.numbers
        assert parse_number(contact.numbers[0], "ES").e164 == contact.numbers[0]
    assert all(each.lead_score is not None and 0 <= each.lead_score <= 1 for each in contacts) and any(each.value for each in contacts)
    assert all(re.fullmatch(r"[a-z.]+@example\.com", each.email) for each in contacts)


def test_who_calls_by_605_travels_soon_and_has_not_paid_all() -> None:
    demo = demo_travel(NOW)
    assert demo.contacts[0].numbers == (CUSTOMER,)
    hers = [story[-1].booking for story in demo.stories if story[-1].booking.contact_id == demo.contacts[0].contact_id]
    assert {each.state_at(NOW) for each in hers} == {State.CONFIRMED, State.EXPIRED}
    assert any(each.due_at(NOW) for each in hers)
