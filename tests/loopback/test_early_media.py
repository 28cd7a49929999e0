"""A call that is led on: its caller hears what the other phone says before that answers, through two SIP trunks and the media plane."""

import asyncio
from pathlib import Path

from api.demo_call.process import free_port
from pbx.sip_settings import SipTrunkSettings
from pbx.sip_trunk import SipTrunk
from pbx.trunk import Answered, Arrived, OnTrunkEvent, Rang
from rooms import events as ev
from rooms.audio import PCMA, RtpEndpoint
from rooms.causes import Cause, EndReason
from rooms.handling import Handling
from rooms.move import Target
from rooms.policy import CallPolicy
from rooms.record import CallRecord
from tests.kit.exchange_bench import WITHIN_S, exchange_bench
from tests.kit.leg_bench import level_at
from tests.kit.rtp_phone import RtpPhone
from tests.kit.trunk_bench import sip_bench

PEERS = {"register": False, "keepalive_s": 0.0}


async def test_a_caller_who_is_led_on_hears_the_other_phone_before_it_answers(tmp_path: Path) -> None:
    ours, theirs = free_port(), free_port()
    records: list[CallRecord] = []

    def pbx(on_event: OnTrunkEvent) -> SipTrunk:
        settings = SipTrunkSettings("127.0.0.1", "100", port=theirs, bind_host="127.0.0.1", bind_port=ours, register=False, keepalive_s=0.0)
        return SipTrunk(settings, on_event)

    async with (
        RtpPhone(PCMA, frequency_hz=600) as caller,
        RtpPhone(PCMA, frequency_hz=1_000) as other,
        sip_bench("127.0.0.1", ours, extension="200", bind_port=theirs, **PEERS) as far,
        exchange_bench(tmp_path, pbx=pbx, policy=CallPolicy(), on_record=lambda record, to_epoch: records.append(record)) as bench,
    ):
        await far.ready()
        bench.exchange.feed(ev.AgentConnected("ana"))
        bench.exchange.feed(ev.HandlingChanged("ana", Handling(always=Target(number="300", trunk="pbx"))))
        far.trunk.dial("caller", "ana", "Clara", caller.endpoint())
        led_on = await far.event(Arrived)
        assert isinstance(led_on.remote, RtpEndpoint) and led_on.called == "300"
        far.trunk.progress(led_on.leg_id, other.endpoint())
        other.call(led_on.remote.host, led_on.remote.port)

        rang = await far.event(Rang)
        assert rang.leg_id == "caller" and isinstance(rang.remote, RtpEndpoint)
        caller.call(rang.remote.host, rang.remote.port)
        await caller.hear(40)
        await other.hear(40)
        assert level_at(caller.heard(last=30), 1_000) > 0.1 > level_at(caller.heard(last=30), 600)
        assert level_at(other.heard(last=30), 600) > 0.1, "a menu that speaks before it answers hears the digits and words it wants"

        far.trunk.answer(led_on.leg_id, other.endpoint())
        answered = await far.event(Answered)
        assert answered.leg_id == "caller" and answered.remote == rang.remote, "it goes on as it was"
        await caller.hear(10)
        far.trunk.hang_up("caller", Cause(EndReason.COMPLETED))
        await asyncio.wait_for(bench.exchange.no_calls(), WITHIN_S)
    ended = records[-1]
    assert ended.cause is not None and ended.cause.reason is EndReason.COMPLETED and len(ended.legs) == 2
