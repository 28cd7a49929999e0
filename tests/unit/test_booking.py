"""Bookings: what may be done in which state, what it costs, and that seats are held for fifteen minutes and no longer."""

import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from api.card_numbers import has_card_number, without_card_numbers
from api.travel import booking as core
from api.travel import reference
from api.travel.booking import HOLD_S, LEADS_TO, LIVING, Booking, Departure, State, Step
from signaling.refusal import Refusal

DEPARTURE = Departure("d1", "andes", 100_000.0, 200_000.0, "America/Lima", 20, 99_999, "EUR", 20)
LATER = replace(DEPARTURE, departure_id="d2", starts_at=300_000.0, seat_price_cents=110_000)
NOW = 1_000.0


def wish(seats: int = 2) -> Booking:
    return core.initiate("CDFGHJ", "luz", DEPARTURE, seats, NOW)


def held(seats: int = 2) -> Booking:
    return core.reserve(wish(seats), DEPARTURE, 0, NOW)


def in_state(state: State) -> Booking:
    return {
        State.INITIATED: wish,
        State.RESERVED: held,
        State.CONFIRMED: lambda: core.confirm(held(), NOW),
        State.CANCELLED: lambda: core.cancel(core.pay(held(), 100, "EUR", NOW), NOW),
        State.FAILED: lambda: core.fail(core.pay(held(), 100, "EUR", NOW), NOW),
        State.EXPIRED: lambda: core.expire(core.pay(held(), 100, "EUR", NOW), NOW + HOLD_S),
    }[state]()


STEPS: dict[Step, Callable[[Booking, float], Booking]] = {
    Step.RESERVE: lambda each, now: core.reserve(each, DEPARTURE, 0, now),
    Step.PAY: lambda each, now: core.pay(each, 1, "EUR", now),
    Step.CONFIRM: core.confirm,
    Step.MOVE: lambda each, now: core.move(each, LATER, 0, now),
    Step.RESIZE: lambda each, now: core.resize(each, DEPARTURE, 1, 0, now),
    Step.REFUND: lambda each, now: core.refund(each, 0, "EUR", now),
    Step.CANCEL: core.cancel,
    Step.FAIL: core.fail,
}


def refused(code: str, act: Callable[[], object]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        act()
    assert caught.value.code == code
    return caught.value


# --- the table


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("step", STEPS)
def test_a_step_leads_where_the_table_says_and_is_refused_elsewhere(step: Step, state: State) -> None:
    before = in_state(state)
    to = LEADS_TO[step].get(state)
    if to is None:
        refused("booking_state", lambda: STEPS[step](before, NOW + 1))
    else:
        after = STEPS[step](before, NOW + 1)
        assert (after.state, after.revision) == (to, before.revision + 1)


def test_every_state_is_reached_and_every_step_is_in_the_table() -> None:
    assert set(LEADS_TO) == set(Step) - {Step.INITIATE}
    assert {state for leads in LEADS_TO.values() for state in leads.values()} == set(State)
    assert {state for state in State if any(state in LEADS_TO[step] for step in (Step.PAY, Step.CANCEL))} == LIVING


def test_the_page_offers_in_each_state_what_may_be_done_in_it() -> None:
    source = (Path(core.__file__).parents[1] / "pages" / "bookings" / "main.js").read_text()
    table = re.search(r"const MAY = \{(.*?)\};", source, re.DOTALL)
    assert table is not None
    offered = {state: set(re.findall(r"'(\w+)'", steps)) for state, steps in re.findall(r"(\w+): \[(.*?)\]", table.group(1))}
    steps = {"reserve": Step.RESERVE, "pay": Step.PAY, "confirm": Step.CONFIRM, "change": Step.CANCEL, "fail": Step.FAIL}
    assert offered == {state: {name for name, step in steps.items() if state in LEADS_TO[step]} for state in State}


# --- holds


def test_a_hold_is_over_after_fifteen_minutes_to_the_instant_whether_or_not_it_is_written() -> None:
    booking = held(3)
    assert booking.seats_at(NOW + 899.999) == 3 and booking.state_at(NOW + 899.999) is State.RESERVED
    assert booking.seats_at(NOW + 900) == 0 and booking.state_at(NOW + 900) is State.EXPIRED
    for late in (STEPS[Step.PAY], STEPS[Step.CONFIRM], STEPS[Step.CANCEL], STEPS[Step.MOVE]):
        refused("hold_over", lambda late=late: late(booking, NOW + 900))  # type: ignore[misc]
    again = core.reserve(booking, DEPARTURE, 0, NOW + 900)
    assert again.hold_until == NOW + 900 + HOLD_S and again.seats_at(NOW + 1_000) == 3


def test_a_move_does_not_make_a_hold_longer() -> None:
    assert core.move(held(), LATER, 0, NOW + 600).hold_until == NOW + HOLD_S


def test_the_last_seats_are_given_and_no_more() -> None:
    assert core.reserve(wish(2), DEPARTURE, 18, NOW).state is State.RESERVED
    assert "Only 1 of its 20 seats" in refused("sold_out", lambda: core.reserve(wish(2), DEPARTURE, 19, NOW)).message
    refused("sold_out", lambda: core.resize(held(2), DEPARTURE, 3, 18, NOW))
    assert core.resize(held(3), DEPARTURE, 2, 20, NOW).seats == 2, "fewer are always possible"
    refused("sold_out", lambda: core.move(held(2), LATER, 19, NOW))
    assert core.move(wish(2), LATER, 20, NOW).departure_id == "d2", "a wish needs no seats"


def test_nothing_is_sold_of_what_has_begun_or_is_not_on_sale() -> None:
    for departure, code in ((replace(DEPARTURE, starts_at=NOW), "departed"), (replace(DEPARTURE, on_sale=False), "not_on_sale")):
        refused(code, lambda departure=departure: core.initiate("CDFGHJ", "luz", departure, 1, NOW))  # type: ignore[misc]
        refused(code, lambda departure=departure: core.reserve(wish(), departure, 0, NOW))  # type: ignore[misc]
        refused(code, lambda departure=departure: core.resize(held(), departure, 3, 0, NOW))  # type: ignore[misc]
        assert core.resize(held(), departure, 1, 0, NOW).seats == 1
    refused("departed", lambda: core.move(held(), replace(LATER, starts_at=NOW), 0, NOW))
    refused("same_departure", lambda: core.move(held(), DEPARTURE, 0, NOW))


# --- money


def test_the_deposit_confirms_and_the_rest_stays_due() -> None:
    booking = held(3)
    assert (booking.price_cents, booking.deposit_cents, booking.due_at(NOW)) == (299_997, 60_000, 299_997)
    some = core.pay(booking, 59_999, "EUR", NOW)
    assert some.state is State.RESERVED and some.hold_until == booking.hold_until
    confirmed = core.pay(some, 1, "EUR", NOW)
    assert confirmed.state is State.CONFIRMED and confirmed.hold_until is None and confirmed.due_at(NOW) == 239_997
    whole = core.pay(confirmed, 239_997, "EUR", NOW)
    assert whole.due_at(NOW) == 0
    assert "0.00 EUR" in refused("overpaid", lambda: core.pay(whole, 1, "EUR", NOW)).message
    refused("wrong_currency", lambda: core.pay(confirmed, 1, "USD", NOW))


def test_what_was_paid_for_nothing_is_owed_back_and_no_more() -> None:
    paid = core.pay(held(2), 199_998, "EUR", NOW)
    fewer = core.resize(paid, DEPARTURE, 1, 0, NOW)
    assert (fewer.due_at(NOW), fewer.owed_at(NOW)) == (0, 99_999)
    refused("not_owed", lambda: core.refund(fewer, 100_000, "EUR", NOW))
    back = core.refund(fewer, 99_999, "EUR", NOW)
    assert back.owed_at(NOW) == 0 and back.state is State.CONFIRMED
    cancelled = core.cancel(back, NOW)
    assert (cancelled.due_at(NOW), cancelled.owed_at(NOW)) == (0, 99_999)
    lapsed = core.pay(held(), 5, "EUR", NOW)
    assert (lapsed.due_at(NOW + HOLD_S), lapsed.owed_at(NOW + HOLD_S)) == (0, 5)
    assert core.refund(lapsed, 5, "EUR", NOW + HOLD_S).state is State.EXPIRED


def test_a_move_takes_the_price_of_the_other_departure_and_never_another_currency_than_was_paid() -> None:
    moved = core.move(core.pay(held(2), 199_998, "EUR", NOW), LATER, 0, NOW)
    assert moved.price_cents == 220_000 and moved.due_at(NOW) == 20_002 and moved.state is State.CONFIRMED
    dollars = replace(LATER, currency="USD")
    assert core.move(held(), dollars, 0, NOW).currency == "USD"
    refused("wrong_currency", lambda: core.move(core.pay(held(), 1, "EUR", NOW), dollars, 0, NOW))


def test_a_new_hold_is_at_todays_price() -> None:
    dearer = replace(DEPARTURE, seat_price_cents=120_000)
    assert core.reserve(wish(), dearer, 0, NOW).price_cents == 240_000


# --- whatever is tried

ACTS = st.sampled_from([*Step]), st.floats(0, 1_500), st.integers(0, 50), st.integers(0, 250_000)


def tried(step: Step, before: Booking, taken: int, now: float, seats: int, cents: int) -> Booking:
    return {
        Step.RESERVE: lambda: core.reserve(before, DEPARTURE, taken, now),
        Step.PAY: lambda: core.pay(before, cents, "EUR", now),
        Step.CONFIRM: lambda: core.confirm(before, now),
        Step.RESIZE: lambda: core.resize(before, DEPARTURE, seats, taken, now),
        Step.REFUND: lambda: core.refund(before, cents, "EUR", now),
        Step.CANCEL: lambda: core.cancel(before, now),
        Step.FAIL: lambda: core.fail(before, now),
    }.get(step, lambda: before)()


@given(st.lists(st.tuples(*ACTS), max_size=30))
def test_whatever_is_tried_money_adds_up_and_no_departure_is_oversold(tries: list[tuple[Step, float, int, int]]) -> None:
    """Five bookings of one departure with twenty seats, tried in turn; ``taken`` is what the others have, as the store counts it."""
    now, paid = NOW, [0] * 5
    bookings = [replace(wish(1 + place), reference=str(place)) for place in range(5)]
    for place, (step, pause_s, seats, cents) in enumerate(tries):
        now += pause_s
        at = place % 5
        before = bookings[at]
        taken = sum(each.seats_at(now) for each in bookings if each is not before)
        try:
            after = tried(step, before, taken, now, seats + 1, cents)
        except Refusal:
            continue
        paid[at] += {Step.PAY: cents, Step.REFUND: -cents}.get(step, 0)
        bookings[at] = after
        assert sum(each.seats_at(now) for each in bookings) <= DEPARTURE.seats
        assert after.paid_cents == paid[at] >= 0
        assert after.due_at(now) == 0 or after.owed_at(now) == 0
        if after.state_at(now) in LIVING:
            assert after.paid_cents + after.due_at(now) - after.owed_at(now) == after.price_cents
        assert (after.hold_until is not None and after.hold_until <= now + HOLD_S) or after.state is not State.RESERVED


# --- references


def test_a_reference_is_read_however_it_is_typed() -> None:
    drawn = reference.draw(Random(8))
    assert len(drawn) == 6 and not set(drawn) & set("0O1IL2Z5S8BUAEI")
    assert reference.read(f" {drawn[:3].lower()}-{drawn[3:]} ") == drawn
    assert reference.read("CDFGH") == reference.read("CDFGHO") == reference.read("") == reference.read("Luz Gil") == ""
    assert len({reference.draw(Random(seed)) for seed in range(500)}) == 500


# --- what must not be written anywhere


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("4111 1111 1111 1111", True),
        ("card 5500-0055-5555-5559, thank you", True),
        ("378282246310005", True),
        ("4111 1111 1111 1112", False),
        ("+34 600 111 222", False),
        ("0000 0000 0000 0000", False),
        ("receipt 20260101-000000000000000000000001", False),
        ("", False),
    ],
)
def test_a_cards_number_is_seen(text: str, found: bool) -> None:
    assert has_card_number(text) is found
    assert (without_card_numbers(text) != text) is found and not has_card_number(without_card_numbers(text))


def test_of_a_cards_number_the_last_digits_stay() -> None:
    assert without_card_numbers("pays by 4111-1111-1111-1111, call +34600111222") == "pays by •••• 1111, call +34600111222"
