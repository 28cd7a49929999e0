"""What every trunk must do alike: the demo line, and SIP over UDP, TCP and TLS with a far end of the same manners."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from api.demo_call.process import free_port
from pbx.loopback import LoopbackTimes, LoopbackTrunk
from pbx.pjsua2_trunk import Pjsua2Trunk
from pbx.sip_settings import SipTlsSettings, SipTransport, SipTrunkSettings
from pbx.trunk import Answered, Arrived, Confirmed, HungUp, Rang, Refused, Trunk, TrunkEvent
from rooms.audio import PCMA, DemoEndpoint, RtpEndpoint
from rooms.causes import Cause, EndReason
from tests.kit.certificate import self_signed
from tests.kit.trunk_bench import TrunkBench, group_bench, sip_bench

BYE = Cause(EndReason.COMPLETED)
PATIENT = LoopbackTimes(ring_s=0.02, answer_s=0.03, refuse_s=0.03, patience_s=60.0, longest_s=60.0)


@dataclass
class Line:
    """A trunk under test. ``call`` makes the far end call us, and lose patience soon where it is not ``patient``; ``end`` makes it hang up
    that call. Calls to 602 are ended by the far end soon, and the demo's where a test wants that."""

    bench: TrunkBench
    far: "FarEnd | None" = None

    @property
    def trunk(self) -> Trunk:
        return self.bench.trunk

    def call(self, *, patient: bool = True) -> None:
        if self.far is None:
            assert isinstance(self.trunk, LoopbackTrunk)
            self.trunk.call("+34600111222", "Clara")
        else:
            self.far.call()
            if not patient:
                asyncio.get_running_loop().call_later(0.3, self.far.end, Cause(EndReason.GAVE_UP))

    def end(self) -> None:
        if self.far is not None:
            self.far.end(BYE)


class FarEnd:
    """A SIP trunk that behaves like the demo line: 60x by the last digit."""

    def __init__(self, bench: TrunkBench) -> None:
        self.bench = bench

    async def behave(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                event = await self.bench.event(Arrived, within_s=60)
                tasks.create_task(self._take(event))

    async def _take(self, event: Arrived) -> None:
        trunk, leg = self.bench.trunk, event.leg_id
        if event.called == "603":
            trunk.hang_up(leg, Cause(EndReason.BUSY))
        elif event.called not in ("600", "602", "604"):
            trunk.hang_up(leg, Cause(EndReason.NOT_FOUND))
        else:
            trunk.ring(leg)
            if event.called != "604":
                await asyncio.sleep(0.05)
                trunk.answer(leg, self.bench.endpoint((PCMA,)))
            if event.called == "602":
                await asyncio.sleep(0.2)
                trunk.hang_up(leg, BYE)

    def call(self) -> None:
        self.bench.trunk.dial("far", "100", "Clara", self.bench.endpoint())

    def end(self, cause: Cause) -> None:
        self.bench.trunk.hang_up("far", cause)


@asynccontextmanager
async def demo_line(times: LoopbackTimes) -> AsyncIterator[Line]:
    bench = TrunkBench()
    async with LoopbackTrunk(bench.on_event, times=times) as trunk:
        bench.trunk = trunk
        try:
            yield Line(bench)
        finally:
            bench.close()


@asynccontextmanager
async def between(near: TrunkBench, far: TrunkBench) -> AsyncIterator[Line]:
    end = FarEnd(far)
    behaving = asyncio.create_task(end.behave())
    await far.ready()
    await near.ready()
    try:
        yield Line(near, end)
    finally:
        behaving.cancel()
        await asyncio.wait([behaving])


@asynccontextmanager
async def sip_line(transport: SipTransport, directory: Path) -> AsyncIterator[Line]:
    near_port, far_port = free_port(), free_port()
    shared = {"register": False, "keepalive_s": 0.0, "transport": transport}
    if transport is SipTransport.TLS:
        certificate, key = self_signed(directory)
        shared["tls"] = SipTlsSettings(certificate, certificate, key, demand_certificate=True)
    async with AsyncExitStack() as stack:
        far = await stack.enter_async_context(sip_bench("127.0.0.1", near_port, extension="200", bind_port=far_port, **shared))
        near = await stack.enter_async_context(sip_bench("127.0.0.1", far_port, bind_port=near_port, **shared))
        yield await stack.enter_async_context(between(near, far))


@asynccontextmanager
async def group_line() -> AsyncIterator[Line]:
    """Two PBXs, of which the second one was never there."""
    near_port, far_port, nobody = free_port(), free_port(), free_port()
    async with AsyncExitStack() as stack:
        shared = {"register": False, "keepalive_s": 0.0}
        far = await stack.enter_async_context(sip_bench("127.0.0.1", near_port, extension="200", bind_port=far_port, **shared))
        lines = ({"port": far_port, "bind_port": near_port}, {"port": nobody})
        near = await stack.enter_async_context(group_bench(*lines, silent_s=60.0, **shared))
        yield await stack.enter_async_context(between(near, far))


@asynccontextmanager
async def pjsua2_line() -> AsyncIterator[Line]:
    """pjsua2 in its process, and a far end of ours."""
    near_port, far_port = free_port(), free_port()
    shared = {"register": False, "keepalive_s": 0.0}
    async with AsyncExitStack() as stack:
        far = await stack.enter_async_context(sip_bench("127.0.0.1", near_port, extension="200", bind_port=far_port, **shared))
        near = TrunkBench()
        stack.callback(near.close)
        settings = SipTrunkSettings(
            server="127.0.0.1", port=far_port, extension="100", bind_host="127.0.0.1", bind_port=near_port, **shared
        )  # type: ignore[arg-type]
        near.trunk = await stack.enter_async_context(Pjsua2Trunk(settings, near.on_event))
        yield await stack.enter_async_context(between(near, far))


@pytest.fixture
def demo_times() -> LoopbackTimes:
    """The demo's far end ends a call by itself only where a test waits for that."""
    return PATIENT


ends_soon = pytest.mark.parametrize("demo_times", [replace(PATIENT, longest_s=0.3)], ids=["ends soon"])
gives_up_soon = pytest.mark.parametrize("demo_times", [replace(PATIENT, patience_s=0.3)], ids=["gives up soon"])


@pytest.fixture(params=["demo", "group", "pjsua2", *SipTransport])
async def line(request: pytest.FixtureRequest, tmp_path: Path, demo_times: LoopbackTimes) -> AsyncIterator[Line]:
    lines = {"demo": lambda: demo_line(demo_times), "group": group_line, "pjsua2": pjsua2_line}
    async with lines[request.param]() if request.param in lines else sip_line(request.param, tmp_path) as opened:
        yield opened


def dial(line: Line, number: str, leg_id: str = "a") -> None:
    line.trunk.dial(leg_id, number, "Agent Ana", line.bench.endpoint())


def of(line: Line, leg_id: str) -> list[type[TrunkEvent]]:
    return [type(event) for event in line.bench.seen if getattr(event, "leg_id", "") == leg_id]


async def test_it_is_ready_inside_and_not_outside(line: Line) -> None:
    assert line.trunk.status.ready
    await line.trunk.__aexit__(None, None, None)
    assert not line.trunk.status.ready


async def test_a_call_rings_then_is_answered(line: Line) -> None:
    dial(line, "600")
    await line.bench.event(Answered)
    assert of(line, "a") == [Rang, Answered]
    line.trunk.hang_up("a", BYE)


async def test_where_the_far_end_signals_from_goes_with_what_it_wants(line: Line) -> None:
    """Behind a NAT its packets come from there, and the media plane believes nobody else."""
    dial(line, "600")
    answered = await line.bench.event(Answered)
    if line.trunk.carries_rtp:
        assert isinstance(answered.remote, RtpEndpoint)
        assert answered.remote.signalled_from == "127.0.0.1"
    else:
        assert isinstance(answered.remote, DemoEndpoint)
    line.trunk.hang_up("a", BYE)


async def test_outcomes_never_come_inside_the_command(line: Line) -> None:
    for number in ("600", "603", "999"):
        dial(line, number, number)
        assert of(line, number) == []
    line.trunk.hang_up("600", BYE)
    assert of(line, "600") == []
    for _ in range(3):
        await line.bench.event(Refused)


@pytest.mark.parametrize(("number", "reason", "status"), [("603", EndReason.BUSY, 486), ("999", EndReason.NOT_FOUND, 404)])
async def test_a_refusal_has_its_reason(line: Line, number: str, reason: EndReason, status: int) -> None:
    dial(line, number)
    cause = (await line.bench.event(Refused)).cause
    assert (cause.reason, cause.sip) == (reason, status)


async def test_giving_up_while_it_rings_is_confirmed_as_a_refusal(line: Line) -> None:
    dial(line, "604")
    await line.bench.event(Rang)
    line.trunk.hang_up("a", Cause(EndReason.GAVE_UP))
    cause = (await line.bench.event(Refused)).cause
    assert (cause.reason, cause.sip) == (EndReason.GAVE_UP, 487)
    line.trunk.hang_up("a", BYE)


@ends_soon
async def test_the_far_end_hangs_up(line: Line) -> None:
    dial(line, "602")
    await line.bench.event(Answered)
    assert (await line.bench.event(HungUp)).cause.reason is EndReason.COMPLETED
    assert of(line, "a") == [Rang, Answered, HungUp]


async def test_hanging_up_an_answered_call_is_silent_and_final(line: Line) -> None:
    dial(line, "600")
    await line.bench.event(Answered)
    line.trunk.hang_up("a", BYE)
    line.trunk.hang_up("a", BYE)
    line.trunk.hold("a", True)
    line.trunk.send_digit("a", "1")
    dial(line, "603", "b")
    await line.bench.event(Refused)
    assert of(line, "a") == [Rang, Answered]


@ends_soon
async def test_a_call_arrives_rings_and_is_answered(line: Line) -> None:
    line.call()
    leg_id = (await line.bench.event(Arrived)).leg_id
    line.trunk.ring(leg_id)
    line.trunk.answer(leg_id, line.bench.endpoint((PCMA,)))
    await line.bench.event(Confirmed)
    line.end()
    await line.bench.event(HungUp)
    assert of(line, leg_id) == [Arrived, Confirmed, HungUp]


@gives_up_soon
async def test_a_caller_loses_patience(line: Line) -> None:
    line.call(patient=False)
    leg_id = (await line.bench.event(Arrived)).leg_id
    line.trunk.ring(leg_id)
    assert (await line.bench.event(HungUp)).cause.reason is EndReason.GAVE_UP
    line.trunk.answer(leg_id, line.bench.endpoint((PCMA,)))
    line.trunk.hang_up(leg_id, BYE)
    assert of(line, leg_id) == [Arrived, HungUp]


async def test_a_call_is_declined(line: Line) -> None:
    line.call()
    leg_id = (await line.bench.event(Arrived)).leg_id
    line.trunk.hang_up(leg_id, Cause(EndReason.DECLINED))
    dial(line, "603", "b")
    await line.bench.event(Refused)
    assert of(line, leg_id) == [Arrived]


async def test_unknown_legs_are_ignored(line: Line) -> None:
    line.trunk.ring("nobody")
    line.trunk.answer("nobody", line.bench.endpoint())
    line.trunk.hang_up("nobody", BYE)
    line.trunk.hold("nobody", True)
    line.trunk.send_digit("nobody", "1")
    dial(line, "603")
    await line.bench.event(Refused)
    assert of(line, "nobody") == []


async def test_many_calls_at_once(line: Line) -> None:
    calls = min(40, line.trunk.lines()[0].most_calls)  # a build of pjsua2 has a limit of its own
    for number in range(calls):
        dial(line, "600", f"leg{number}")
    for _ in range(calls):
        await line.bench.event(Answered)
    for number in range(calls):
        line.trunk.hang_up(f"leg{number}", BYE)
