"""Seeded travel data, so that a demo lives: tours, departures around today, customers, and bookings in every state.

The same seed and time give the same data. It goes into an empty database alone, and all of it or nothing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from msgspec import Struct

from api.store.contacts import Contact, ContactStore
from api.store.errors import StoreRefused
from api.store.travel import TravelStore
from api.store.travel_bookings import BookingStore, Done, Mark
from api.travel import booking as core
from api.travel import reference
from api.travel.booking import HOLD_S, Booking, Departure, State, Step
from api.travel.demo_offer import CURRENCY, OFFERS, PEOPLE, Offer, Person

SEED = 605
STAFF = ("demo", "ana", "luis")
_DAY_S = 86_400.0
_AHEAD_DAYS = (-3, 6, 20, 48, 90)
"""When a tour departs, seen from today; the first one is under way."""
_STATES = (
    *(State.CONFIRMED,) * 5,
    *(State.RESERVED, State.INITIATED, State.CANCELLED, State.EXPIRED, State.FAILED),
)


class DemoTravel(Struct, frozen=True):
    """``stories``: of each booking what was done, the first step first."""

    departures: list[Departure]
    contacts: list[Contact]
    stories: list[list[Done]]


def demo_travel(now: float, seed: int = SEED) -> DemoTravel:
    """What the demo begins with. ``now``: seconds since the epoch."""
    chance = Random(seed)
    departures = [_departure(offer, place, days, now) for place, offer in enumerate(OFFERS) for days in _AHEAD_DAYS]
    ids = [f"{chance.getrandbits(128):032x}" for _ in PEOPLE]
    stories = _clara(ids[0], departures, now, chance)
    for place, contact_id in enumerate(ids[1:]):
        for trip in range(1 + place % 2):
            state = _STATES[(place + 3 * trip) % len(_STATES)]
            stories.append(_story(contact_id, state, departures, now, chance, stories))
    contacts = [_contact(contact_id, person, stories, chance) for contact_id, person in zip(ids, PEOPLE, strict=True)]
    return DemoTravel(departures, contacts, stories)


async def seed(travel: TravelStore, bookings: BookingStore, contacts: ContactStore, now: float) -> bool:
    """Fill an empty database; whether it was. Raises ``StoreUnavailable``."""
    if await travel.tours() or await contacts.any():
        return False
    demo = demo_travel(now)
    try:
        await bookings.fill([offer.tour for offer in OFFERS], demo.departures, demo.stories, "demo", now)
    except StoreRefused:  # another node of the same demo was quicker
        return False
    for contact in demo.contacts:
        await contacts.add(contact, "demo", now, "demo")
    return True


def _departure(offer: Offer, place: int, days: int, now: float) -> Departure:
    """At nine in the morning there."""
    zone, tour = ZoneInfo(offer.zone), offer.tour
    ahead = days if days < 0 else days + 2 * place
    begins = (datetime.fromtimestamp(now, zone) + timedelta(days=ahead)).replace(hour=9, minute=0, second=0, microsecond=0)
    ends = (begins + timedelta(days=tour.days)).replace(hour=18)
    return Departure(
        f"demo-{tour.tour_id}-{_AHEAD_DAYS.index(days)}",
        tour.tour_id,
        begins.timestamp(),
        ends.timestamp(),
        offer.zone,
        offer.seats,
        offer.seat_price_cents,
        CURRENCY,
        deposit_percent=20,
    )


def _clara(contact_id: str, departures: Sequence[Departure], now: float, chance: Random) -> list[list[Done]]:
    """Who calls by 605: she travels within a week and has paid the deposit alone; she did not come along the year before."""
    soon = next(each for each in departures if each.departure_id == "demo-camino-santiago-1")
    later = next(each for each in departures if each.departure_id == "demo-azores-3")
    coming = _Story(contact_id, soon, 2, chance, now - 12 * _DAY_S, taken=0)
    coming.reserve()
    coming.pay(coming.booking.deposit_cents, "card", 240.0)
    gone = _Story(contact_id, later, 1, chance, now - 30 * _DAY_S, taken=0)
    gone.reserve()
    gone.end(Step.EXPIRE, HOLD_S)
    return [coming.done, gone.done]


def _story(
    contact_id: str, state: State, departures: Sequence[Departure], now: float, chance: Random, others: Sequence[Sequence[Done]]
) -> list[Done]:
    """A booking that came to this state, of a departure that has seats for it."""
    fresh = state in (State.RESERVED, State.INITIATED)
    began = now - chance.uniform(60.0, 600.0) if fresh else now - chance.uniform(4.0, 25.0) * _DAY_S
    while True:
        departure = chance.choice([each for each in departures if not fresh or each.starts_at > now])
        seats = chance.choice((1, 2, 2, 2, 3, 4))
        taken = sum(story[-1].booking.seats_at(now) for story in others if story[-1].booking.departure_id == departure.departure_id)
        if taken + seats <= departure.seats:
            break
    story = _Story(contact_id, departure, seats, chance, began, taken)
    if state is State.INITIATED:
        return story.done
    story.reserve()
    if state is State.CONFIRMED:
        whole = departure.starts_at < now or chance.random() < 0.5
        story.pay(story.booking.deposit_cents, chance.choice(("card", "card", "transfer")), chance.uniform(120.0, 800.0))
        if whole:
            story.pay(story.booking.due_at(began), "transfer", chance.uniform(1.0, 3.0) * _DAY_S)
    elif state is State.CANCELLED:
        story.pay(story.booking.deposit_cents, "card", 300.0)
        story.end(Step.CANCEL, chance.uniform(1.0, 3.0) * _DAY_S)
    elif state is State.FAILED:
        story.end(Step.FAIL, 500.0)
    elif state is State.EXPIRED:
        story.end(Step.EXPIRE, HOLD_S)
    return story.done


class _Story:
    """One booking and its steps so far; ``after_s`` is from its beginning."""

    def __init__(self, contact_id: str, departure: Departure, seats: int, chance: Random, began: float, taken: int) -> None:
        self._departure = departure
        self._taken = taken
        self._began = began
        self._by = chance.choice(STAFF)
        self.booking = core.initiate(reference.draw(chance), contact_id, departure, seats, began)
        self.done = [Done(Step.INITIATE, self.booking, Mark(self._by, began))]

    def reserve(self) -> None:
        self._do(Step.RESERVE, core.reserve(self.booking, self._departure, self._taken, self._began), Mark(self._by, self._began))

    def pay(self, cents: int, method: str, after_s: float) -> None:
        at = self._began + after_s
        mark = Mark(self._by, at, cents=cents, method=method, paper=f"R-{int(at) % 100_000:05}")
        self._do(Step.PAY, core.pay(self.booking, cents, CURRENCY, at), mark)

    def end(self, step: Step, after_s: float) -> None:
        act = {Step.CANCEL: core.cancel, Step.FAIL: core.fail, Step.EXPIRE: core.expire}[step]
        at = self._began + after_s
        self._do(step, act(self.booking, at), Mark("" if step is Step.EXPIRE else self._by, at))

    def _do(self, step: Step, after: Booking, mark: Mark) -> None:
        self.booking = after
        self.done.append(Done(step, after, mark))


def _contact(contact_id: str, person: Person, stories: Sequence[Sequence[Done]], chance: Random) -> Contact:
    bought = sum(story[-1].booking.paid_cents for story in stories if story[-1].booking.contact_id == contact_id) / 100
    plain = "".join(sign for sign in f"{person.first}.{person.last}".lower() if sign.isascii() and (sign.isalpha() or sign == "."))
    return Contact(
        contact_id,
        person.first,
        person.last,
        person.company,
        f"{plain}@example.com",
        (person.number,),
        vip=person.vip,
        language=person.language,
        lead_score=round(min(1.0, chance.uniform(0.1, 0.6) + bought / 20_000), 2),
        value=bought,
    )
