"""Who is on the line, found out beside the call: as answers land, by whoever sees the call, and never waited for."""

import pytest

from api.backends.context import CallContext
from api.backends.guard import BackendLimits
from api.backends.protocols import Activity, BackendFault, CallerKey, Kind, TicketCard
from signaling.refusal import Refusal
from tests.kit.context import NUMBER, FakeBackend, LookupBench, ana, lookup_bench, states, trip


def whole(context: CallContext) -> bool:
    return context.whole


def crm(*more: Activity) -> FakeBackend:
    return FakeBackend("crm", Kind.CRM, ana("crm", language="es", vip=True), cards=more)


async def test_answers_are_shown_as_they_land_and_who_is_slow_delays_nobody() -> None:
    travel = FakeBackend("travel", Kind.BOOKING, ana("travel", "77"), cards=[trip("travel")])
    desk = FakeBackend("desk", Kind.TICKETING, cards=[TicketCard("desk", "41", "Luggage", "open")])
    travel.free.clear()
    async with lookup_bench(crm(Activity(5.0, "call", "Asked")), travel, desk) as bench:
        bench.begin()
        bench.lookup.seen("c", ["luz"])
        assert states(bench.told["luz"][0]) == {"crm": "asked", "travel": "asked", "desk": "asked"}
        early = await bench.sees("luz", lambda told: states(told) == {"crm": "here", "travel": "asked", "desk": "here"})
        assert early.contact is not None
        assert (early.contact.name, [card.id for card in early.tickets], early.bookings, early.whole) == ("Ana García", ["41"], (), False)
        travel.free.set()
        late = await bench.sees("luz", whole)
        assert [card.ref for card in late.bookings] == ["R1"]
        assert [activity.title for _, activity in late.activities] == ["Asked"]
        assert bench.facts[-1] == {"known": True, "vip": True, "language": "es", "open_ticket": "41", "open_booking": "R1"}


async def test_who_takes_long_is_shown_as_slow_and_then_as_given_up() -> None:
    backend = crm()
    backend.free.clear()
    async with lookup_bench(backend, limits=BackendLimits(soft_s=0.01, hard_s=0.1, tries=1)) as bench:
        bench.begin()
        bench.lookup.seen("c", ["luz"])
        assert states(await bench.sees("luz", whole)) == {"crm": "late"}
        assert [states(told)["crm"] for told in bench.told["luz"]] == ["asked", "slow", "late"]


async def test_why_somebody_is_away_is_said() -> None:
    backend = crm()
    backend.fault = BackendFault("refused", "It answered 401: it does not take our credentials.")
    async with lookup_bench(backend) as bench:
        bench.begin()
        bench.lookup.seen("c", ["luz"])
        (part,) = (await bench.sees("luz", whole)).parts
        assert (part.state, part.said) == ("refused", "It answered 401: it does not take our credentials.")


async def test_what_was_found_is_there_at_once_for_the_next_call_and_for_its_routing() -> None:
    travel = FakeBackend("travel", Kind.BOOKING, ana("travel", "77"), cards=[trip("travel")])
    backend = crm()
    async with lookup_bench(backend, travel) as bench:
        assert bench.lookup.peek(NUMBER) == {}
        bench.begin()
        bench.lookup.seen("c", ["luz"])
        await bench.sees("luz", whole)
        assert bench.lookup.peek(NUMBER) == {"known": True, "vip": True, "language": "es", "open_booking": "R1"}
        backend.free.clear()
        travel.free.clear()
        bench.begin("next")
        bench.lookup.seen("next", ["eva"])
        context = await bench.sees("eva", whole)
        assert context.contact is not None
        assert [card.ref for card in context.bookings] == ["R1"]
        assert (backend.asked, travel.asked) == (["who", "of 1"], ["who", "of 77"])


async def test_what_is_old_is_shown_with_its_age_while_it_is_asked_for_anew() -> None:
    backend = crm()
    async with lookup_bench(backend) as bench:
        bench.begin()
        bench.lookup.seen("c", ["luz"])
        await bench.sees("luz", whole)
        bench.now += 3_600.0
        backend.people = [ana("crm", name="Ana García Pérez")]
        backend.free.clear()
        bench.begin("next")
        bench.lookup.seen("next", ["luz"])
        old = await bench.sees("luz", lambda told: told.call_id == "next" and told.contact is not None)
        assert (old.contact and old.contact.name, old.parts[0].age_s, states(old)) == ("Ana García", 3_600.0, {"crm": "asked"})
        backend.free.set()
        new = await bench.sees("luz", whole)
        assert (new.contact and new.contact.name, new.parts[0].age_s) == ("Ana García Pérez", None)


async def test_what_is_old_stays_where_nothing_newer_is_to_be_had() -> None:
    backend = crm()
    async with lookup_bench(backend) as bench:
        bench.begin()
        bench.lookup.seen("c", ["luz"])
        await bench.sees("luz", whole)
        bench.now += 3_600.0
        backend.fault = BackendFault("unreachable", "It answered 500.")
        bench.begin("next")
        bench.lookup.seen("next", ["luz"])
        context = await bench.sees("luz", lambda told: told.call_id == "next" and told.whole)
        assert context.contact is not None
        assert states(context) == {"crm": "unreachable"}


async def test_of_several_nobody_is_guessed_until_somebody_says_who_it_is() -> None:
    backend = FakeBackend("crm", Kind.CRM, ana("crm", "1"), ana("crm", "2", "Luis Pérez"), cards=[Activity(1.0, "call", "Asked")])
    async with lookup_bench(backend) as bench:
        bench.begin()
        bench.lookup.seen("c", ["luz", "eva"])
        context = await bench.sees("luz", whole)
        assert (context.contact, [one.id for one in context.choices], context.activities) == (None, ["1", "2"], ())
        assert (backend.asked, bench.facts) == (["who"], [])
        with pytest.raises(Refusal, match="none of those"):
            bench.lookup.choose("c", "luz", "crm", "9")
        bench.lookup.choose("c", "luz", "crm", "2")
        chosen = await bench.sees("eva", lambda told: told.whole and told.activities != ())
        assert (chosen.contact and chosen.contact.name, chosen.chosen, backend.asked) == ("Luis Pérez", True, ["who", "of 2"])


async def test_an_answer_about_somebody_else_is_refused_and_shown_as_that() -> None:
    wrong = FakeBackend("crm", Kind.CRM, ana("crm", numbers=("+34600999999",)))
    desk = FakeBackend("desk", Kind.TICKETING, cards=[TicketCard("desk", "41", "Luggage", "open", number="+34600999999")])
    async with lookup_bench(wrong, desk) as bench:
        bench.begin()
        bench.lookup.seen("c", ["luz"])
        context = await bench.sees("luz", whole)
        assert (states(context), context.contact, context.tickets) == ({"crm": "invalid", "desk": "invalid"}, None, ())
        assert "another number" in context.parts[0].said
        assert bench.registry.guards["crm"].counts["invalid"] == 1


async def test_links_that_lead_elsewhere_are_not_shown() -> None:
    backend = FakeBackend(
        "crm", Kind.CRM, ana("crm", url="https://evil.example/"), cards=[Activity(1.0, "call", "x", "https://crm.example/1")]
    )
    async with lookup_bench(backend) as bench:
        bench.begin()
        bench.lookup.seen("c", ["luz"])
        context = await bench.sees("luz", lambda told: told.whole and told.activities != ())
        assert context.contact is not None
        assert (context.contact.url, context.activities[0][1].url) == ("", "https://crm.example/1")


@pytest.mark.parametrize("key", [CallerKey(None, "anonymous", withheld=True), CallerKey(NUMBER, "", withheld=True), CallerKey(None, "205")])
async def test_who_has_no_number_is_not_looked_for(key: CallerKey) -> None:
    backend = crm()
    async with lookup_bench(backend) as bench:
        bench.begin("c", key)
        bench.lookup.seen("c", ["luz"])
        context = bench.told["luz"][0]
        assert (states(context), context.withheld, context.whole, backend.asked) == ({"crm": "unasked"}, key.withheld, True, [])


async def test_the_context_follows_the_call_and_is_for_nobody_else() -> None:
    async with lookup_bench(crm()) as bench:
        bench.begin()
        bench.lookup.seen("c", ["luz"])
        await bench.sees("luz", whole)
        with pytest.raises(Refusal, match="never yours"):
            bench.lookup.show("c", "eva")
        bench.lookup.seen("c", ["eva", "leo"])  # it rings for both, and she takes it
        bench.lookup.unseen("c", ["leo"])
        with pytest.raises(Refusal, match="never yours"):
            bench.lookup.show("c", "leo")
        assert bench.told["eva"][-1] == bench.told["luz"][-1]
        told = len(bench.told["eva"])
        bench.lookup.ended("c")
        bench.lookup.show("c", "eva")  # she loads the page again, with work to do on the call
        assert len(bench.told["eva"]) == told + 1


async def test_who_sees_something_of_a_caller_is_told_of_once() -> None:
    backend = crm()
    backend.free.clear()
    async with lookup_bench(backend) as bench:
        looked: list[tuple[str, str, str]] = []
        bench.lookup.meet(bench.tell, lambda *look: looked.append(look))
        bench.begin()
        bench.lookup.seen("c", ["luz"])
        assert looked == []
        backend.free.set()
        await bench.sees("luz", whole)
        bench.lookup.show("c", "luz")
        assert looked == [("luz", "c", bench.vault.number(NUMBER))]


async def test_who_waited_long_in_a_queue_is_looked_up_anew_when_the_call_is_offered() -> None:
    backend = crm()
    async with lookup_bench(backend) as bench:
        bench.begin()
        bench.lookup.seen("c", ["board"])
        await bench.sees("board", whole)
        bench.now += 600.0
        backend.people = [ana("crm", name="Ana Blanco")]
        bench.lookup.seen("c", ["luz"])
        await bench.sees("luz", lambda told: told.contact is not None and told.contact.name == "Ana Blanco" and told.whole)


async def test_who_is_forgotten_is_gone_from_calls_too() -> None:
    async with lookup_bench(crm()) as bench:
        bench.begin()
        bench.lookup.seen("c", ["luz"])
        await bench.sees("luz", lambda told: told.contact is not None and told.whole)
        bench.vault.erase([bench.vault.number(NUMBER)])
        await bench.lookup.forget([bench.vault.number(NUMBER)])
        context = await bench.sees("luz", lambda told: told.contact is None)
        assert (context.choices, bench.lookup.peek(NUMBER)) == ((), {})
        assert "Ana" not in repr(bench.lookup.context("c"))


async def many(bench: LookupBench, count: int) -> None:
    for number in range(count):
        bench.begin(f"c{number}", CallerKey(f"+3460011{number:04}", ""))


async def test_calls_are_bounded_and_an_adapter_that_breaks_breaks_nothing_else() -> None:
    class Broken(FakeBackend):
        async def find_contacts(self, key: CallerKey, *, limit: int = 5) -> list[object]:  # type: ignore[override]
            return [object()]

    async with lookup_bench(Broken("broken", Kind.CRM), crm(), most_calls=20) as bench:
        bench.begin()
        bench.lookup.seen("c", ["luz"])
        context = await bench.sees("luz", whole)
        assert (states(context), context.contact is not None) == ({"broken": "invalid", "crm": "here"}, True)
        await many(bench, 21)
        assert bench.lookup.context("c") is None
        assert bench.lookup.context("c20") is not None


async def test_what_is_known_stays_for_a_while_after_a_call_and_room_is_made_of_calls_that_are_over() -> None:
    async with lookup_bench(crm(), most_calls=3) as bench:
        bench.begin()
        await many(bench, 2)
        bench.lookup.ended("c0")
        bench.lookup.ended("c0")
        bench.begin("new")
        assert [bench.lookup.context(each) is not None for each in ("c", "c0", "c1", "new")] == [True, False, True, True], "c goes on"
        heard = len(bench.facts)
        bench.lookup.ended("c1")
        bench.now += 899.0
        bench.lookup.ended("new")
        assert bench.lookup.context("c1") is not None, "there is work to be done on it"
        bench.now += 2.0
        bench.lookup.ended("c")
        assert [bench.lookup.context(each) is not None for each in ("c", "c1", "new")] == [True, False, True]
        assert len(bench.facts) == heard, "of a call that is over no flow hears"
