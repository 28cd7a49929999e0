"""What is known of a caller, as pages see it: the words of backends and those of the wire are two, for neither may know the other; what has
the same name in both goes across by it."""

from msgspec import convert

from api.backends.context import CallContext, Part
from api.backends.protocols import Activity, BookingCard, ContactRef, TicketCard
from signaling.context_messages import (
    ContextActivity,
    ContextBooking,
    ContextContact,
    ContextOrigin,
    ContextPart,
    ContextPartial,
    ContextTicket,
)


def context_partial(context: CallContext) -> ContextPartial:
    return ContextPartial(
        call_id=context.call_id,
        contact=contact_view(context.contact) if context.contact is not None else None,
        choices=[contact_view(choice) for choice in context.choices],
        chosen=context.chosen,
        withheld=context.withheld,
        bookings=[_booking(card) for card in context.bookings],
        tickets=[_ticket(card) for card in context.tickets],
        activities=[_activity(backend, activity) for backend, activity in context.activities],
        parts=[part_view(part) for part in context.parts],
        whole=context.whole,
        origin={name: ContextOrigin(origin.backend, origin.id, origin.age_s) for name, origin in context.origin.items()},
    )


def contact_view(contact: ContactRef) -> ContextContact:
    return convert(contact, ContextContact, from_attributes=True)


def _booking(card: BookingCard) -> ContextBooking:
    return ContextBooking(
        backend=card.backend,
        id=card.id,
        ref=card.ref,
        title=card.title,
        state=card.state,
        starts_at=card.starts_at,
        ends_at=card.ends_at,
        paid=format(card.paid, "f"),
        due=format(card.due, "f"),
        currency=card.currency,
        url=card.url,
    )


def _ticket(card: TicketCard) -> ContextTicket:
    return convert(card, ContextTicket, from_attributes=True)


def _activity(backend: str, activity: Activity) -> ContextActivity:
    return ContextActivity(backend=backend, at=activity.at, kind=activity.kind, title=activity.title, url=activity.url)


def part_view(part: Part) -> ContextPart:
    return ContextPart(
        backend=part.backend,
        kind=part.kind,
        title=part.title,
        state=part.state,
        said=part.said,
        age_s=part.age_s,
        can=sorted(part.can),
    )
