"""A booking: what state it is in, what it costs, what may be done to it. Pure: time is an argument, in seconds since the epoch.

                     reserve                    pay the deposit, or confirm
    initiated ────────────────────▶ reserved ──────────────────────────────▶ confirmed
        │                           ▲  │  │                                      │
        │             reserve again │  │  └──────────────┐                       │
        │                           │  ▼ 15 minutes      │                       │
        │                          expired               │ fail, cancel          │ cancel
        └──────────── fail, cancel ──────────────────────┴──────▶ failed, cancelled ◀┘

*Initiated* is a wish: it has a price and no seats. *Reserved* has seats until its hold is over; they are given back at that instant, also
where nobody has written so yet: who counts seats compares the hold with the time, and never asks whether the loop that writes it was in
time. *Confirmed* keeps its seats: the deposit was paid, or somebody with the right to do so took the word of the customer. The other
three are ends, of which *expired* alone may begin again, with whatever seats there are then. *Failed*: the sale came to nothing through no
wish of the customer (the payment was refused for good, the tour was withdrawn).

A booking may be moved to another departure, or have more seats or fewer, while it lives; its price follows. What was paid stays paid: the
rest is due, or what is too much is owed back and refunded, also after the end. Money is a whole number of cents of one currency.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from signaling.refusal import Refusal

HOLD_S = 15 * 60.0
MOST_SEATS = 50
"""Of one booking."""

Currency = Literal["EUR", "USD", "GBP", "CHF", "MXN", "COP", "ARS", "PEN"]
CURRENCIES: tuple[str, ...] = get_args(Currency)
"""All of them have a hundred cents."""


class State(StrEnum):
    INITIATED = "initiated"
    RESERVED = "reserved"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"


class Step(StrEnum):
    INITIATE = "initiate"
    RESERVE = "reserve"
    PAY = "pay"
    CONFIRM = "confirm"
    MOVE = "move"
    RESIZE = "resize"
    REFUND = "refund"
    CANCEL = "cancel"
    FAIL = "fail"
    EXPIRE = "expire"


_S = State
LEADS_TO: Mapping[Step, Mapping[State, State]] = {
    Step.RESERVE: {_S.INITIATED: _S.RESERVED, _S.EXPIRED: _S.RESERVED},
    Step.PAY: {_S.RESERVED: _S.RESERVED, _S.CONFIRMED: _S.CONFIRMED},
    Step.CONFIRM: {_S.RESERVED: _S.CONFIRMED},
    Step.MOVE: {state: state for state in (_S.INITIATED, _S.RESERVED, _S.CONFIRMED)},
    Step.RESIZE: {state: state for state in (_S.INITIATED, _S.RESERVED, _S.CONFIRMED)},
    Step.REFUND: {state: state for state in (_S.CONFIRMED, _S.CANCELLED, _S.FAILED, _S.EXPIRED)},
    Step.CANCEL: dict.fromkeys((_S.INITIATED, _S.RESERVED, _S.CONFIRMED), _S.CANCELLED),
    Step.FAIL: dict.fromkeys((_S.INITIATED, _S.RESERVED), _S.FAILED),
    Step.EXPIRE: {_S.RESERVED: _S.EXPIRED},
}
"""What each step may be done to, and where it leads. A payment that reaches the deposit leads on to ``confirmed``."""

LIVING = frozenset({_S.INITIATED, _S.RESERVED, _S.CONFIRMED})
TAKES_SEATS = frozenset({Step.RESERVE, Step.MOVE, Step.RESIZE})
"""Steps after which more seats of a departure may be taken than before."""


class Departure(Struct, frozen=True):
    """A tour on a date. ``zone``: where it begins, so that its day is that of the place. ``deposit_percent`` of the price confirms it."""

    departure_id: str
    tour_id: str
    starts_at: float
    ends_at: float
    zone: str
    seats: int
    seat_price_cents: int
    currency: str
    deposit_percent: int
    on_sale: bool = True


class Booking(Struct, frozen=True):
    """``hold_until``: of one that is reserved. ``revision`` counts its steps."""

    reference: str
    contact_id: str
    departure_id: str
    seats: int
    seat_price_cents: int
    currency: str
    deposit_percent: int
    state: State = State.INITIATED
    hold_until: float | None = None
    paid_cents: int = 0
    revision: int = 1

    @property
    def price_cents(self) -> int:
        return self.seats * self.seat_price_cents

    @property
    def deposit_cents(self) -> int:
        """What has to be paid before it is confirmed; a part of a cent counts whole."""
        return -(-self.price_cents * self.deposit_percent // 100)

    def state_at(self, now: float) -> State:
        """Whether or not it is written yet that the hold is over."""
        return State.EXPIRED if self.state is State.RESERVED and (self.hold_until or 0.0) <= now else self.state

    def seats_at(self, now: float) -> int:
        """How many seats of its departure it has."""
        return self.seats if self.state_at(now) in (State.RESERVED, State.CONFIRMED) else 0

    def due_at(self, now: float) -> int:
        """Cents that are still to be paid."""
        return max(0, self.price_cents - self.paid_cents) if self.state_at(now) in LIVING else 0

    def owed_at(self, now: float) -> int:
        """Cents that we have to give back."""
        return max(0, self.paid_cents - self.price_cents) if self.state_at(now) in LIVING else self.paid_cents


def initiate(reference: str, contact_id: str, departure: Departure, seats: int, now: float) -> Booking:
    """A wish for seats at today's price. Raises ``Refusal``."""
    _demand_sale(departure, now)
    price, currency, deposit = departure.seat_price_cents, departure.currency, departure.deposit_percent
    return Booking(reference, contact_id, departure.departure_id, seats, price, currency, deposit)


def reserve(booking: Booking, departure: Departure, taken: int, now: float) -> Booking:
    """Seats for fifteen minutes at today's price. ``taken``: how many seats of the departure others have. Raises ``Refusal``."""
    after = _after(booking, Step.RESERVE, now)
    _demand_sale(departure, now)
    _demand_seats(departure, taken, booking.seats)
    return replace(_priced(after, departure), hold_until=now + HOLD_S)


def pay(booking: Booking, cents: int, currency: str, now: float) -> Booking:
    """Money that came. The deposit confirms a booking. Raises ``Refusal``: not more than is due is taken, and no other currency."""
    after = _after(booking, Step.PAY, now)
    _demand_currency(booking, currency)
    if cents > booking.due_at(now):
        raise Refusal("overpaid", f"Less is due: {booking.due_at(now) / 100:.2f} {booking.currency}.")
    after = replace(after, paid_cents=booking.paid_cents + cents)
    return _confirmed(after) if after.paid_cents >= after.deposit_cents else after


def confirm(booking: Booking, now: float) -> Booking:
    """Keep the seats though the deposit is not paid. Raises ``Refusal``."""
    return _confirmed(_after(booking, Step.CONFIRM, now))


def move(booking: Booking, departure: Departure, taken: int, now: float) -> Booking:
    """To another departure, at its price of today; a hold goes on, no longer than before. Raises ``Refusal``."""
    after = _after(booking, Step.MOVE, now)
    _demand_sale(departure, now)
    if departure.departure_id == booking.departure_id:
        raise Refusal("same_departure", "The booking is on this departure already.")
    if after.state is not State.INITIATED:
        _demand_seats(departure, taken, booking.seats)
    return replace(_priced(after, departure), departure_id=departure.departure_id)


def resize(booking: Booking, departure: Departure, seats: int, taken: int, now: float) -> Booking:
    """More seats at the price of those before, or fewer. Raises ``Refusal``."""
    after = replace(_after(booking, Step.RESIZE, now), seats=seats)
    if seats > booking.seats:
        _demand_sale(departure, now)
        if after.state is not State.INITIATED:
            _demand_seats(departure, taken, seats)
    return after


def refund(booking: Booking, cents: int, currency: str, now: float) -> Booking:
    """Money that went back. Raises ``Refusal``: not more than is owed."""
    after = _after(booking, Step.REFUND, now)
    _demand_currency(booking, currency)
    if cents > booking.owed_at(now):
        raise Refusal("not_owed", f"Less is owed to the customer: {booking.owed_at(now) / 100:.2f} {booking.currency}.")
    return replace(after, paid_cents=booking.paid_cents - cents)


def cancel(booking: Booking, now: float) -> Booking:
    """The customer does not want it any more. Raises ``Refusal``."""
    return replace(_after(booking, Step.CANCEL, now), hold_until=None)


def fail(booking: Booking, now: float) -> Booking:
    """The sale came to nothing. Raises ``Refusal``."""
    return replace(_after(booking, Step.FAIL, now), hold_until=None)


def expire(booking: Booking, now: float) -> Booking:
    """Write down that the hold is over, which it is."""
    assert booking.state_at(now) is State.EXPIRED, "its hold is over"
    return replace(booking, state=LEADS_TO[Step.EXPIRE][booking.state], revision=booking.revision + 1)


def demand(booking: Booking, step: Step, now: float) -> None:
    """Raises ``Refusal`` where this step is for bookings in another state."""
    _after(booking, step, now)


def _after(booking: Booking, step: Step, now: float) -> Booking:
    """The booking in the state to which the step leads, one revision later."""
    state = booking.state_at(now)
    leads_to = LEADS_TO[step].get(state)
    if leads_to is None and state is State.EXPIRED and booking.state is State.RESERVED:
        raise Refusal("hold_over", "The fifteen minutes are over and the seats are given back: reserve again.")
    if leads_to is None:
        raise Refusal("booking_state", f"This booking is {state}: that is not possible any more, or not yet.")
    return replace(booking, state=leads_to, revision=booking.revision + 1)


def _confirmed(booking: Booking) -> Booking:
    return replace(booking, state=State.CONFIRMED, hold_until=None)


def _priced(booking: Booking, departure: Departure) -> Booking:
    """At the departure's price of today."""
    if departure.currency != booking.currency and booking.paid_cents:
        raise Refusal("wrong_currency", f"The customer paid in {booking.currency}: cancel this booking and make another one.")
    price, currency, deposit = departure.seat_price_cents, departure.currency, departure.deposit_percent
    return replace(booking, seat_price_cents=price, currency=currency, deposit_percent=deposit)


def _demand_sale(departure: Departure, now: float) -> None:
    if now >= departure.starts_at:
        raise Refusal("departed", "This tour has begun: choose a later departure.")
    if not departure.on_sale:
        raise Refusal("not_on_sale", "This departure is not on sale: choose another one.")


def _demand_currency(booking: Booking, currency: str) -> None:
    if currency != booking.currency:
        raise Refusal("wrong_currency", f"This booking is paid in {booking.currency}.")


def _demand_seats(departure: Departure, taken: int, wanted: int) -> None:
    free = max(0, departure.seats - taken)
    if wanted > free:
        raise Refusal("sold_out", f"Only {free} of its {departure.seats} seats are free: choose fewer, or another departure.")
