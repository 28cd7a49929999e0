"""What is asked and answered of tours and bookings, over REST. Money is whole cents; times are seconds since the epoch."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from api.store.travel import DepartureNow
from api.store.travel_bookings import BookingStep, Trip
from api.travel.booking import MOST_SEATS, Currency, State
from api.travel.programme import Programme

Id = Annotated[str, Meta(min_length=1, max_length=64)]
Slug = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,63}$")]
Note = Annotated[str, Meta(max_length=500)]
Cents = Annotated[int, Meta(ge=1, le=100_000_000)]
Seats = Annotated[int, Meta(ge=1, le=MOST_SEATS)]
Method = Literal["card", "transfer", "cash", "voucher"]


class TourText(Struct, frozen=True, forbid_unknown_fields=True):
    """``country``: ISO code. ``programme``: what happens on which day; null: it stays as it is."""

    title_en: Annotated[str, Meta(min_length=1, max_length=120)]
    title_es: Annotated[str, Meta(min_length=1, max_length=120)]
    about_en: Annotated[str, Meta(max_length=4_000)]
    about_es: Annotated[str, Meta(max_length=4_000)]
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")]
    days: Annotated[int, Meta(ge=1, le=365)]
    programme: Programme | None = None


class DepartureTerms(Struct, frozen=True, forbid_unknown_fields=True):
    """What may change of a departure. ``deposit_percent`` of the price confirms a booking."""

    seats: Annotated[int, Meta(ge=0, le=10_000)]
    seat_price_cents: Annotated[int, Meta(ge=0, le=100_000_000)]
    deposit_percent: Annotated[int, Meta(ge=0, le=100)] = 20
    on_sale: bool = True


class NewDeparture(Struct, frozen=True, forbid_unknown_fields=True):
    """``zone``: where it begins."""

    tour_id: Slug
    starts_at: float
    ends_at: float
    zone: Annotated[str, Meta(max_length=64)]
    currency: Currency
    terms: DepartureTerms


class DepartureView(Struct, frozen=True):
    departure_id: str
    tour_id: str
    starts_at: float
    ends_at: float
    zone: str
    seats: int
    free: int
    seat_price_cents: int
    currency: str
    deposit_percent: int
    on_sale: bool


class NewBooking(Struct, frozen=True, forbid_unknown_fields=True):
    """``reserve``: hold seats for fifteen minutes; else it is a wish without seats."""

    contact_id: Id
    departure_id: Id
    seats: Seats
    note: Note = ""
    reserve: bool = True


class Payment(Struct, frozen=True, forbid_unknown_fields=True):
    """``paper``: what stands on the receipt; never a card's number."""

    cents: Cents
    currency: Currency
    method: Method
    paper: Annotated[str, Meta(max_length=64)] = ""


class Because(Struct, frozen=True, forbid_unknown_fields=True):
    reason: Note = ""


class MovedTo(Struct, frozen=True, forbid_unknown_fields=True):
    departure_id: Id
    reason: Note = ""


class Resized(Struct, frozen=True, forbid_unknown_fields=True):
    seats: Seats
    reason: Note = ""


class Customer(Struct, frozen=True):
    """Whose a booking is; without a name where they were erased."""

    contact_id: str
    name: str = ""
    number: str = ""
    language: str = ""
    vip: bool = False


class BookingView(Struct, frozen=True):
    """``owed_cents``: what we have to give back. ``hold_until``: of one that is reserved."""

    reference: str
    state: State
    customer: Customer
    tour_id: str
    title_en: str
    title_es: str
    departure_id: str
    starts_at: float
    ends_at: float
    zone: str
    seats: int
    price_cents: int
    deposit_cents: int
    paid_cents: int
    due_cents: int
    owed_cents: int
    currency: str
    hold_until: float | None
    revision: int
    created_at: float
    changed_at: float


class BookingHistory(Struct, frozen=True):
    """A booking with what was done to it, the first first."""

    booking: BookingView
    steps: list[BookingStep]


def departure_view(found: DepartureNow) -> DepartureView:
    departure = found.departure
    free = max(0, departure.seats - found.taken)
    fields = {name: getattr(departure, name) for name in DepartureView.__struct_fields__ if name != "free"}
    return DepartureView(**fields, free=free)


def booking_view(trip: Trip, customer: Customer, now: float) -> BookingView:
    booking, departure, tour = trip.booking, trip.departure, trip.tour
    state = booking.state_at(now)
    return BookingView(
        booking.reference,
        state,
        customer,
        tour.tour_id,
        tour.title_en,
        tour.title_es,
        departure.departure_id,
        departure.starts_at,
        departure.ends_at,
        departure.zone,
        booking.seats,
        booking.price_cents,
        booking.deposit_cents,
        booking.paid_cents,
        booking.due_at(now),
        booking.owed_at(now),
        booking.currency,
        booking.hold_until if state is State.RESERVED else None,
        booking.revision,
        trip.created_at,
        trip.changed_at,
    )
