"""What stands beside the video of a consultation: the customer's bookings, for its hosts, and what a host shows of them to all in the room.

``ItineraryBooking`` is all that a customer is ever shown of a booking; what the house alone may read stands around it, in ``FoundBooking``.
That something is shown is told to the room (``room.itinerary``) without what it is: who is in the room reads that (``itinerary.read``).
"""

from typing import Annotated

from msgspec import Meta, Struct, field

from signaling.context_messages import ContextContact, ContextPart
from signaling.message_bases import Id, Notice, RoomRequest

MOST_STAGES = 60
"""Of one booking; ``api.backends.stages`` cuts what is longer."""

BookingRef = Annotated[str, Meta(max_length=64)]


class ItineraryStage(Struct, frozen=True):
    """One part of a trip. ``kind``: ``flight``, ``train``, ``hotel``, ``transfer``, ``activity`` or ``other``.

    ``starts``, ``ends``: what a clock on the wall shows there, ``2026-12-05T07:35``, or the day alone, or nothing. ``zone``, ``end_zone``:
    of those places (IANA), or empty; ``starts_at``, ``ends_at``: the moments, where they are known. ``price``: a decimal number, or empty.
    """

    kind: str
    title: str = ""
    starts: str = ""
    ends: str = ""
    zone: str = ""
    end_zone: str = ""
    starts_at: float | None = None
    ends_at: float | None = None
    origin: str = ""
    destination: str = ""
    carrier: str = ""
    number: str = ""
    place: str = ""
    state: str = ""
    price: str = ""
    currency: str = ""
    note: str = ""


class ItineraryBooking(Struct, frozen=True):
    """A booking as its customer may see it. ``zone``: where it begins, or empty. ``paid``, ``due``: decimal numbers in ``currency``."""

    ref: str
    title: str
    state: str
    starts_at: float | None
    ends_at: float | None
    zone: str
    paid: str
    due: str
    currency: str
    stages: list[ItineraryStage] = field(default_factory=list)


class FoundBooking(Struct, frozen=True):
    """For hosts. ``backend`` and ``id``: by which it is shared. ``remark``: of the house about it. ``url``: of its page there, or empty."""

    backend: str
    id: str
    booking: ItineraryBooking
    remark: str = ""
    url: str = ""


class LookUpItinerary(RoomRequest, frozen=True, tag="itinerary.look"):
    """A host: which bookings has the customer of this consultation? Looked for by what its appointment says of them, or by a booking's
    reference. ``backend`` and ``contact``: this one of the ``choices`` is meant. Result: ``{}``; ``itinerary.found`` follows, again and
    again as backends answer.
    """

    room_id: Id
    ref: BookingRef = ""
    backend: Annotated[str, Meta(max_length=64)] = ""
    contact: Annotated[str, Meta(max_length=256)] = ""


class ShareItinerary(RoomRequest, frozen=True, tag="itinerary.share"):
    """A host: show this booking, which I was told of, to all who are in the room; in place of another. Result: ``SharedItinerary``."""

    room_id: Id
    backend: Annotated[str, Meta(min_length=1, max_length=64)]
    id: Annotated[str, Meta(min_length=1, max_length=256)]


class PointItinerary(RoomRequest, frozen=True, tag="itinerary.point"):
    """A host: this is what we are looking at. ``stage``: its place in the list, from 0; null: none."""

    room_id: Id
    share_id: Id
    stage: Annotated[int, Meta(ge=0, lt=MOST_STAGES)] | None = None


class UnshareItinerary(RoomRequest, frozen=True, tag="itinerary.unshare"):
    """A host: what is shown is shown no longer."""

    room_id: Id


class ReadItinerary(RoomRequest, frozen=True, tag="itinerary.read"):
    """What is shown in the room that I am in. Result: ``SharedItinerary``."""

    room_id: Id


class SharedItinerary(Struct, frozen=True):
    """``booking`` null: nothing is shown. ``by``: whose page shows it. ``stage``: where everybody is to look; null: nowhere."""

    room_id: str
    share_id: str = ""
    by: str = ""
    stage: int | None = None
    booking: ItineraryBooking | None = None


class RoomItinerary(Notice, frozen=True, tag="room.itinerary"):
    """Something is shown in this room (``share_id``; another one after each change), or nothing any more (empty), and where to look."""

    room_id: str
    share_id: str = ""
    by: str = ""
    stage: int | None = None


class ItineraryFound(Notice, frozen=True, tag="itinerary.found"):
    """To a host who looked, all that is known so far, complete each time. ``ref``: what they looked for; empty: by the appointment.

    ``known``: is there anything to look for? Without it the consultation was booked without number and address. ``customer``: their name.
    ``choices``: several may be meant, and nothing of them is shown before ``itinerary.look`` says who. ``parts``: how it stands with each
    booking system. ``whole``: nothing more is waited for.
    """

    room_id: str
    ref: str = ""
    known: bool = True
    customer: str = ""
    choices: list[ContextContact] = field(default_factory=list)
    bookings: list[FoundBooking] = field(default_factory=list)
    parts: list[ContextPart] = field(default_factory=list)
    whole: bool = False
