"""A call that is led on: its caller hears what the other phone says before that answers, through two SIP trunks and the media plane."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from api.demo_call.process import free_port
from pbx.loopback import LoopbackTimes
from pbx.sip_settings import SipTrunkSettings
from pbx.sip_trunk import SipTrunk
from pbx.trunk import Answered, Arrived, Confirmed, OnTrunkEvent, Rang
from rooms import events as ev
from rooms.audio import PCMA, RtpEndpoint
from rooms.causes import Cause, EndReason
from rooms.handling import Handling
from rooms.move import Target
from rooms.policy import CallPolicy
from rooms.record import CallRecord
from tests.kit.exchange_bench import WITHIN_S, ExchangeBench, exchange_bench
from tests.kit.leg_bench import level_at
from tests.kit.media_desk import hears
from tests.kit.rtp_phone import RtpPhone
from tests.kit.trunk_bench import TrunkBench, sip_bench

PEERS = {"register": False, "keepalive_s": 0.0}


@dataclass
class LedOn:
    """Calls for ana go on to 300 at a PBX, ``far``, whose phone there is ``other``."""

    bench: ExchangeBench
    far: TrunkBench
    other: RtpPhone
    records: list[CallRecord] = field(default_factory=list)

    async def speaks_early(self) -> str:
        """The far end's leg, once its phone speaks without having answered."""
        arrived = await self.far.event(Arrived)
        assert isinstance(arrived.remote, RtpEndpoint) and arrived.called == "300"
        self.far.trunk.progress(arrived.leg_id, self.other.endpoint())
        self.other.call(arrived.remote.host, arrived.remote.port)
        return arrived.leg_id

    async def completed(self) -> None:
        await asyncio.wait_for(self.bench.exchange.no_calls(), WITHIN_S)
        cause = self.records[-1].cause
        assert cause is not None and cause.reason is EndReason.COMPLETED and len(self.records[-1].legs) == 2


@asynccontextmanager
async def led_on(directory: Path) -> AsyncIterator[LedOn]:
    ours, theirs = free_port(), free_port()
    records: list[CallRecord] = []

    def pbx(on_event: OnTrunkEvent) -> SipTrunk:
        settings = SipTrunkSettings("127.0.0.1", "100", port=theirs, bind_host="127.0.0.1", bind_port=ours, register=False, keepalive_s=0.0)
        return SipTrunk(settings, on_event)

    async with (
        RtpPhone(PCMA, frequency_hz=1_000) as other,
        sip_bench("127.0.0.1", ours, extension="200", bind_port=theirs, **PEERS) as far,
        exchange_bench(
            directory,
            pbx=pbx,
            policy=CallPolicy(),
            times=LoopbackTimes(),
            on_record=lambda record, to_epoch: records.append(record),
        ) as bench,
    ):
        await far.ready()
        bench.exchange.feed(ev.AgentConnected("ana"))
        bench.exchange.feed(ev.HandlingChanged("ana", Handling(always=Target(number="300", trunk="pbx"))))
        yield LedOn(bench, far, other, records)


async def test_a_caller_who_is_led_on_hears_the_other_phone_before_it_answers(tmp_path: Path) -> None:
    async with RtpPhone(PCMA, frequency_hz=600) as caller, led_on(tmp_path) as call:
        far = call.far
        far.trunk.dial("caller", "ana", "Clara", caller.endpoint())
        leg_id = await call.speaks_early()
        rang = await far.event(Rang)
        assert rang.leg_id == "caller" and isinstance(rang.remote, RtpEndpoint)
        caller.call(rang.remote.host, rang.remote.port)
        await caller.hear(40)
        await hears(caller, 1_000, rel=0.5, last=30)
        assert level_at(caller.heard(last=30), 600) < 0.1, "and nothing of itself"
        await call.other.hear(40)
        await hears(call.other, 600, rel=0.5, last=30)  # a menu that speaks before it answers hears the words it wants
        far.trunk.answer(leg_id, call.other.endpoint())
        answered = await far.event(Answered)
        assert answered.leg_id == "caller" and answered.remote == rang.remote, "it goes on as it was"
        await caller.hear(10)
        far.trunk.hang_up("caller", Cause(EndReason.COMPLETED))
        await call.completed()


async def test_the_demo_lines_caller_is_led_on_alike(tmp_path: Path) -> None:
    async with led_on(tmp_path) as call:
        call.bench.demo.call("601", "", "ana")
        leg_id = await call.speaks_early()
        await call.other.hear(5)
        call.far.trunk.answer(leg_id, call.other.endpoint())
        await call.far.event(Confirmed)
        call.far.trunk.hang_up(leg_id, Cause(EndReason.COMPLETED))
        await call.completed()
