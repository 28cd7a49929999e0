"""Toll fraud against a whole exchange: a stolen token, the audit behind it, what calls cost, and who lets somebody call again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from api.audit.audit import Audit
from api.nodes.nodes import Nodes
from api.page_requests import PageRequests, route_of
from api.routes import PartHealth, make_app, make_runner
from api.store.audit import AuditWanted
from api.toll_routes import TollRoutes
from api.tolls import Tolls
from pbx.rates import Rate, RateTable
from pbx.routing import DialPlan, Routing
from pbx.toll import TollBounds, TollWatch
from pbx.trunk import HungUp, TransferAsked
from rooms import events as ev
from rooms.audio import PCMA
from rooms.causes import Cause, EndReason
from rooms.handling import Handling
from rooms.move import Target
from rooms.record import CallRecord
from signaling.bus import MemoryBus
from signaling.messages import CallRef, Dial, LookNumber, NumberSeen, Transfer
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer
from tests.kit.exchange_bench import ExchangeBench, exchange_bench
from tests.kit.people import AUDIT_KEYS, known_by
from tests.kit.phone_trunk import PhoneTrunk
from tests.kit.rtp_phone import RtpPhone

TOKENS = TokenIssuer("a secret for tests, long enough: 0123456789")
RATES = RateTable([Rate("34", 0.02, connection=0.1)])


class House:
    """One exchange with a line that answers every number, watched over."""

    bench: ExchangeBench
    tolls: Tolls
    pages: PageRequests
    log: Audit

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.records: list[CallRecord] = []
        self._recorded = asyncio.Event()

    def hear(self, record: CallRecord, to_epoch: Callable[[float], float]) -> None:
        self.tolls.heard(record, to_epoch)
        self.records.append(record)
        self._recorded.set()

    async def recorded(self, matches: Callable[[CallRecord], bool]) -> CallRecord:
        """Waits for such a record."""
        async with asyncio.timeout(30):
            while True:
                for record in self.records:
                    if matches(record):
                        return record
                self._recorded.clear()
                await self._recorded.wait()

    def watch(self, plan: DialPlan) -> Tolls:
        return Tolls(
            TollWatch(plan.rules, TollBounds(), RATES.cost),
            plan,
            RATES.cost,
            now=lambda: self.bench.exchange.now(),
            audit=self.log,
            on_suspended=lambda who, why: self.told.append((who, why)),
        )

    async def dial(self, number: str) -> str:
        """The call's id, or why there is none."""
        return await self.ask(Dial(number=number))

    async def ask(self, request: Dial | Transfer) -> str:
        """What Ana is answered: a call's id, nothing, or why not."""
        grant = TOKENS.verify(TOKENS.issue("ana", "ana", "agent").token)
        try:
            answer = await self.pages.perform(grant, request)
        except Refusal as refusal:
            return refusal.code
        return answer.call_id if isinstance(answer, CallRef) else ""

    async def looks(self, typed: str) -> NumberSeen:
        grant = TOKENS.verify(TOKENS.issue("ana", "ana", "agent").token)
        seen = await self.pages.perform(grant, LookNumber(number=typed))
        assert isinstance(seen, NumberSeen)
        return seen


@asynccontextmanager
async def house_of(directory: Path) -> AsyncIterator[House]:
    house, plan = House(), DialPlan()
    async with AsyncExitStack() as stack:
        phone = await stack.enter_async_context(RtpPhone(PCMA))
        routing = Routing(plan, demo_trunk=None, pbx_trunk="pbx")

        def resolve(text: str, who: str) -> Target:
            route = route_of(routing, text)
            house.tolls.ask(who, route.number)
            return Target(number=route.dialled, trunk=route.trunk)

        bench = house.bench = await stack.enter_async_context(
            exchange_bench(
                directory,
                phone=phone,
                on_record=house.hear,
                cost_of=lambda leg: house.tolls.cost(leg),
                may_dial=lambda who, dialled: house.tolls.ask_forward(who, dialled),
                on_dialled=lambda leg_id, who, dialled: house.tolls.began(leg_id, who, dialled),
                resolve=resolve,
            )
        )
        house.log = await stack.enter_async_context(Audit(bench.store.audit, AUDIT_KEYS))
        house.tolls = house.watch(plan)
        house.pages = PageRequests(
            bench.exchange,
            bench.switchboard,
            routing,
            bench.metrics,
            Nodes(MemoryBus(topics=10, kept=1)),
            _nothing,
            demo=None,
            tolls=house.tolls,
        )
        yield house


async def _nothing(*_: Any) -> None:
    raise AssertionError("nobody asks about rooms here")


async def test_a_stolen_token_is_stopped_is_on_record_and_an_emergency_call_passes(tmp_path: Path) -> None:
    async with house_of(tmp_path) as house:
        codes = [await house.dial(f"80312{index:04}") for index in range(200)]
        assert codes[:3] == ["number_not_allowed"] * 3 and set(codes[3:]) == {"calls_suspended"}
        ((who, why),) = house.told
        assert who == "ana" and "803" not in why
        assert not house.bench.exchange.calls
        emergency = await house.dial("112")
        house.bench.exchange.feed(ev.HangUpRequested(emergency, "ana"))
        await house.bench.ended(emergency)
        await house.log.written()
        entries = await house.log.entries(AuditWanted(), 1_000)
        assert (await house.log.checked())[1] == []
    assert [entry.event.kind for entry in entries].count("call.refused") == 200
    assert [(entry.event.who, entry.event.detail) for entry in entries if entry.event.kind == "call.suspended"] == [("ana", why)]


async def test_a_redirected_call_is_asked_for_as_if_it_were_dialled(tmp_path: Path) -> None:
    async with house_of(tmp_path) as house:
        call_id = await house.dial("911 234 567")
        await house.bench.told.picture("ana", lambda call: call.state == "live")
        ((leg,), redirected) = house.bench.phones.of_call(call_id), house.bench.exchange.redirected
        assert redirected(leg.leg_id, "+34911999999") == "+34911999999"
        assert redirected(leg.leg_id, "no number") == redirected("nobody", "+34911999999") == ""
        assert [redirected(leg.leg_id, f"80312{index:04}") for index in range(3)] == ["", "", ""]
        assert [entry.identity for entry in house.tolls.suspended()] == ["ana"], "a telephone system's redirections are no way round"
        assert redirected(leg.leg_id, "+34911999998") == ""
        house.bench.exchange.feed(ev.HangUpRequested(call_id, "ana"))
        await house.bench.ended(call_id)


async def test_transfers_and_forwards_count_for_who_asked_and_go_to_no_dear_number(tmp_path: Path) -> None:
    async with house_of(tmp_path) as house:
        bench, feed = house.bench, house.bench.exchange.feed
        call_id = await house.dial("911 234 567")
        await bench.told.picture("ana", lambda call: call.state == "live")
        ((leg,), trunk) = bench.phones.of_call(call_id), bench.phones.of_call(call_id)[0].trunk
        assert isinstance(trunk, PhoneTrunk)
        assert await house.ask(Transfer(call_id=call_id, number="803123456", ask=False)) == "number_not_allowed"
        bench.exchange.on_trunk_event(TransferAsked(leg.leg_id, "803123457"))
        bench.exchange.on_trunk_event(TransferAsked(leg.leg_id, "no number"))
        assert trunk.told == [(leg.leg_id, 403), (leg.leg_id, 484)]
        assert len(bench.phones.of_call(call_id)) == 1
        assert await house.ask(Transfer(call_id=call_id, number="911 999 999", ask=False)) == ""
        await house.recorded(lambda record: [leg.answered_s is not None for leg in record.legs[:2]] == [True, True])
        bench.exchange.on_trunk_event(HungUp(leg.leg_id, Cause(EndReason.COMPLETED)))
        await bench.ended(call_id)
        stored = await bench.store.call(call_id)
        assert stored is not None and stored.cost == pytest.approx(sum(each.cost or 0.0 for each in stored.legs))
        assert [(each.party, each.came, each.brought_by, each.cost is None) for each in stored.legs] == [
            ("ana", "dialed", "", True), ("+34911234567", "dialed", "ana", False), ("+34911999999", "transfer", "ana", False),
        ]  # fmt: skip

        feed(ev.AgentConnected("bea"))
        feed(ev.HandlingChanged("bea", Handling(always=Target(number="+34911888888", trunk="pbx"))))
        bench.demo.call("601", "", "bea")
        forwarded = await house.recorded(lambda record: record.called == "bea" and record.answered_s is not None)
        assert [(each.party, each.came, each.by) for each in forwarded.legs][1] == ("+34911888888", "forward", "bea")
        bench.exchange.on_trunk_event(HungUp(forwarded.legs[0].leg_id, Cause(EndReason.COMPLETED)))
        await bench.ended(forwarded.call_id)


async def test_what_a_call_cost_is_on_record_and_counts_after_a_restart(tmp_path: Path) -> None:
    async with house_of(tmp_path) as house:
        call_id = await house.dial("911 234 567")
        await house.bench.told.picture("ana", lambda call: call.state == "live")
        house.bench.exchange.feed(ev.HangUpRequested(call_id, "ana"))
        await house.bench.ended(call_id)
        call = await house.bench.store.call(call_id)
        assert call is not None and call.answered_at is not None and call.ended_at is not None
        assert call.cost == pytest.approx(RATES.cost("+34911234567", call.ended_at - call.answered_at))
        again = house.watch(DialPlan())
        await again.restore(house.bench.store.dialled)
        for index in range(3):
            with pytest.raises(Refusal):
                again.ask("ana", Routing(DialPlan(), demo_trunk=None, pbx_trunk="pbx").route(f"80312{index:04}").number)
        (stopped,) = again.suspended()
        assert (stopped.identity, stopped.cost) == ("ana", pytest.approx(call.cost))


async def test_a_supervisor_of_the_team_lets_somebody_call_again(tmp_path: Path) -> None:
    async def teams_of(identity: str) -> frozenset[str]:
        return frozenset({"hotels"} if identity == "ana" else ())

    async def healthy() -> dict[str, PartHealth]:
        return {}

    async with house_of(tmp_path) as house, AsyncExitStack() as stack:
        for index in range(3):
            await house.dial(f"80312{index:04}")
        app = make_app(known_by(TOKENS), house.bench.metrics, healthy)
        TollRoutes(house.tolls, teams_of).add_to(app)
        runner = make_runner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        http = await stack.enter_async_context(ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}"))

        async def ask(method: str, path: str, role: str, *teams: str) -> tuple[int, Any]:
            token = TOKENS.issue("eva", "Eva", role, teams=teams).token
            async with http.request(method, path, headers={"Authorization": f"Bearer {token}"}) as answer:
                return answer.status, await answer.json(content_type=None) if answer.status != 204 else None

        everybody, one = "/api/v1/suspended-callers", "/api/v1/suspended-callers/ana"
        assert (await ask("GET", everybody, "agent"))[0] == 403
        assert (await ask("GET", everybody, "supervisor", "flights"))[1] == {"suspended": []}
        status, listed = await ask("GET", everybody, "supervisor", "hotels")
        assert (status, [each["identity"] for each in listed["suspended"]]) == (200, ["ana"])
        assert [(await ask("DELETE", one, "supervisor", team))[0] for team in ("flights", "hotels", "hotels")] == [403, 204, 404]
        call_id = await house.dial("911234567")
        house.bench.exchange.feed(ev.HangUpRequested(call_id, "ana"))
        await house.bench.ended(call_id)
        await house.log.written()
        entries = [entry.event for entry in await house.log.entries(AuditWanted(), 99)]
        assert [(entry.who, entry.by) for entry in entries if entry.kind == "call.lifted"] == [("ana", "eva")]


@pytest.mark.parametrize(
    ("typed", "seen"),
    [
        (" tel:600 111 222", NumberSeen("600 11 12 22", "+34600111222", "ES", "mobile")),
        ("0044 20 7946 0000", NumberSeen("+44 20 7946 0000", "+442079460000", "GB", "fixed", "Europe/London")),
        ("112", NumberSeen("112", region="ES", kind="emergency")),
        ("204", NumberSeen("204", kind="extension")),
    ],
)
async def test_a_number_is_shown_as_it_would_be_dialled(tmp_path: Path, typed: str, seen: NumberSeen) -> None:
    async with house_of(tmp_path) as house:
        assert await house.looks(typed) == seen
        assert not house.tolls.suspended()


@pytest.mark.parametrize(
    ("typed", "kind", "code"),
    [("0034 803 111 222", "premium", "number_not_allowed"), ("call me", "", "not_a_number"), ("+53 5 1234567", "mobile", "")],
)
async def test_a_number_that_is_not_called_says_why_before_anybody_dials(tmp_path: Path, typed: str, kind: str, code: str) -> None:
    async with house_of(tmp_path) as house:
        for _ in range(12):  # looking counts for nothing
            seen = await house.looks(typed)
            assert (seen.kind, seen.code, bool(seen.message)) == (kind, code, bool(code))
        assert await house.dial("600111222") not in ("calls_suspended", "too_many_calls")
