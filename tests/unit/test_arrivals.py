"""What is known of a call in the moment in which it arrives."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from api.backends.cache import AnswerCache, CacheTimes
from api.backends.lookup import ContextLookup
from api.backends.protocols import CallerKey, Capability, ContactRef, Health, Kind
from api.backends.registry import Backends
from api.centre.arrivals import Arrivals
from api.centre.callers import Callers
from api.centre.plan_reading import PlanReader
from api.privacy.vault import Vault
from rooms.centre_plan import CentrePlan
from rooms.flows.conditions import Facts

CALENDARS = """
[office]
zone = "Europe/Madrid"
[office.weekly]
monday-friday = ["09:00-20:00"]
"""
NUMBERS = """
[[entries]]
number = "911 234 567"
flow = "main"
label = "Madrid"
[[entries]]
number = "911 234 567"
flow = "night"
calendar = "office"
during = "closed"
[[entries]]
number = "+34 91*"
flow = "main"
language = "es"
[[entries]]
number = "600"
callers = ["withheld"]
flow = "night"
[callers]
blocked = ["600 999 000", "+881*"]
vip = ["600 111 222"]
languages = { DE = "en", MX = "en" }
"""
FLOW = 'languages = ["es", "en"]\n[steps.bye]\nkind = "hang_up"\n'
SENTENCES = ("goodbye", "nothing-heard", "invalid-choice", "technical-problem")
TUESDAY_NOON, SUNDAY_NOON = 1_791_280_800.0, 1_791_108_000.0


class Book:
    """Knows a few, and who they spoke with."""

    name = "book"
    id = "book"
    kind = Kind.CRM
    capabilities = frozenset({Capability.LOOKUP})

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def health(self) -> Health:
        return Health(True)

    async def look_up(self, caller: str) -> Facts:
        self.asked.append(caller)
        return {"last_agent": "luz"} if caller == "+34600111222" else {}

    async def find_contacts(self, key: CallerKey, *, limit: int = 5) -> list[ContactRef]:
        self.asked.append(str(key.e164))
        return [ContactRef("book", "1", "Ana", numbers=("+34600111222",), language="en")] if key.e164 == "+34600111222" else []


class Desk:
    def __init__(self, callers: Callers, context: ContextLookup, book: Book) -> None:
        self.now = TUESDAY_NOON
        self.book, self.callers, self.context = book, callers, context
        self.learned: list[tuple[str, Facts]] = []
        self.plan: CentrePlan | None = PlanReader(region="ES", prompts={name: {"es", "en"} for name in SENTENCES}).read(
            {"numbers": NUMBERS, "calendars": CALENDARS, "flows/main": FLOW, "flows/night": FLOW}, 1
        )
        self.arrivals = Arrivals(
            lambda: self.plan,
            callers,
            context,
            lambda call_id, facts: self.learned.append((call_id, facts)),
            region="ES",
            now=lambda: self.now,
        )


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    book = Book()
    backends, vault = Backends(), Vault.in_memory()
    backends.add(book)
    async with (
        AnswerCache(vault, CacheTimes(), now=lambda: 0.0) as cache,
        ContextLookup(backends, cache, vault, clock=lambda: 0.0) as context,
        Callers([book], clock=lambda: 0.0) as callers,
    ):
        yield Desk(callers, context, book)


async def test_a_number_leads_into_its_flow_however_line_and_caller_write_it(desk: Desk) -> None:
    for called in ("911234567", "+34911234567", "0034911234567", "<sip:+34911234567@pbx.test>"):
        arrival = desk.arrivals.receive("c", called, "0044 20 7946 0000")
        assert arrival.entry is not None and (arrival.entry.flow, arrival.refused) == ("main", None)
        assert arrival.facts == {
            "called": "+34911234567",
            "caller": "+442079460000",
            "country": "GB",
            "withheld": False,
            "kind": "fixed",
            "entry": "Madrid",
            "language": "en",
        }
    assert desk.arrivals.receive("c", "600", "600111333").entry is None
    withheld = desk.arrivals.receive("c", "600", "+34600111333", private=True)
    assert withheld.entry is not None and (withheld.facts["withheld"], "caller" in withheld.facts) == (True, False)
    desk.plan = None
    assert desk.arrivals.receive("c", "911234567", "600111333").plan is None


async def test_the_hour_decides_where_a_number_leads(desk: Desk) -> None:
    desk.now = SUNDAY_NOON
    arrival = desk.arrivals.receive("c", "911234567", "600111333")
    assert arrival.entry is not None and arrival.entry.flow == "night"


async def test_a_caller_on_the_list_is_refused_and_nobody_is_asked_about_them(desk: Desk) -> None:
    for caller in ("+34 600 999 000", "+881612345678"):
        arrival = desk.arrivals.receive("c", "911234567", caller)
        assert arrival.refused is not None and arrival.refused.sip == 603
    assert desk.arrivals.receive("c", "911234567", "600999000", private=True).refused is None
    assert desk.book.asked == []


@pytest.mark.parametrize(
    ("called", "caller", "language"),
    [
        ("+34911234567", "+525512345678", "en"),  # the plan's word on a country
        ("+34911234567", "+541112345678", "es"),  # most people's there
        ("+34911234567", "+4930123456", "en"),
        ("+34911234567", "+33123456789", None),
        ("+34919999999", "+442079460000", "es"),  # the number's
    ],
)
async def test_the_language_is_that_of_the_number_then_of_the_callers_country(
    desk: Desk, called: str, caller: str, language: str | None
) -> None:
    assert desk.arrivals.receive("c", called, caller).facts.get("language") == language


async def test_what_is_found_out_late_is_told_to_the_call_and_known_by_the_next_one(desk: Desk) -> None:
    first = desk.arrivals.receive("first", "911234567", "600111222")
    assert first.facts["vip"] is True and first.facts["language"] == "es" and desk.learned == []
    await asyncio.wait_for(asyncio.gather(*desk.callers._tasks, *desk.context._tasks), 30)
    await asyncio.sleep(0)
    learned = {name: fact for _, facts in desk.learned for name, fact in facts.items()}
    assert learned == {"known": True, "language": "en", "vip": True, "last_agent": "luz"}, "the list says more than the book"
    told = len(desk.learned)
    second = desk.arrivals.receive("second", "911234567", "600111222")
    assert (second.facts["known"], second.facts["language"], second.facts["vip"]) == (True, "en", True)
    assert (second.facts["last_agent"], desk.book.asked, len(desk.learned)) == ("luz", ["+34600111222"] * 2, told)
