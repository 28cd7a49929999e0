"""What hosts and customers see of bookings, out of what the look-up of call context found. Pure."""

from api.backends.context import CallContext
from api.backends.protocols import BookingCard, Kind, Stage
from api.backends.views import contact_view, part_view
from signaling.itinerary_messages import FoundBooking, ItineraryBooking, ItineraryFound, ItineraryStage

_MOST_TOLD = 150
"""Stages in one notice: readers have bounds too. What is shared is told whole."""


def found(room_id: str, ref: str, context: CallContext, apart: frozenset[str]) -> ItineraryFound:
    """As a host is told. ``apart``: backends whose bookings are no trips."""
    parts = [part for part in context.parts if part.kind is Kind.BOOKING and part.backend not in apart]
    left, told = _MOST_TOLD, []
    for card in cards(ref, context, apart):
        told.append(FoundBooking(card.backend, card.id, booking_view(card, left), card.remark, card.url))
        left = max(0, left - len(card.stages))
    return ItineraryFound(
        room_id=room_id,
        ref=ref,
        customer=context.contact.name if context.contact is not None else "",
        choices=[contact_view(choice) for choice in context.choices],
        bookings=told,
        parts=[part_view(part) for part in parts],
        whole=all(part.state not in ("asked", "slow") for part in context.parts if part.kind is not Kind.TICKETING),
    )


def cards(ref: str, context: CallContext, apart: frozenset[str]) -> list[BookingCard]:
    """Who is looked for by a reference is asked about that booking alone, where it is among theirs."""
    theirs = [card for card in context.bookings if card.backend not in apart]
    named = [card for card in theirs if ref and _signs(ref) in (_signs(card.ref), _signs(card.id))]
    return named or theirs


def booking_view(card: BookingCard, most: int = _MOST_TOLD) -> ItineraryBooking:
    """All that a customer may see of it, each field by its name: what is added to a card later is not shown by that."""
    return ItineraryBooking(
        ref=card.ref,
        title=card.title,
        state=card.state,
        starts_at=card.starts_at,
        ends_at=card.ends_at,
        zone=card.zone,
        paid=format(card.paid, "f"),
        due=format(card.due, "f"),
        currency=card.currency,
        stages=[_stage(stage) for stage in card.stages[:most]],
    )


def _stage(stage: Stage) -> ItineraryStage:
    return ItineraryStage(
        kind=stage.kind,
        title=stage.title,
        starts=stage.starts,
        ends=stage.ends,
        zone=stage.zone,
        end_zone=stage.end_zone,
        starts_at=stage.starts_at,
        ends_at=stage.ends_at,
        origin=stage.origin,
        destination=stage.destination,
        carrier=stage.carrier,
        number=stage.number,
        place=stage.place,
        state=stage.state,
        price=format(stage.price, "f") if stage.price is not None else "",
        currency=stage.currency,
        note=stage.note,
    )


def _signs(text: str) -> str:
    return "".join(sign for sign in text.casefold() if sign.isalnum())
