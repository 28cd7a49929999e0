"""Who hears whom when calls are transferred, merged and parked: real RTP phones and a browser's peer, each with a tone of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.exchange import Exchange
from pbx.trunk import HungUp, TransferAsked
from rooms import events as ev
from rooms.audio import PCMA
from rooms.causes import Cause, EndReason
from rooms.events import TransferAction
from rooms.move import Target
from rooms.policy import CallPolicy
from tests.kit.browser_peer import BrowserPeer, loopback_ice  # noqa: F401
from tests.kit.exchange_bench import ExchangeBench, exchange_bench
from tests.kit.leg_bench import level_at
from tests.kit.media_desk import ToneTrack
from tests.kit.phone_trunk import PhoneTrunk
from tests.kit.rtp_phone import RtpPhone

ANA, BEA, CALLER, TARGET = 1_000, 1_600, 600, 1_300
"""What each of them speaks, in Hz."""
TONES = (ANA, BEA, CALLER, TARGET)
WITHIN_S = 30.0

pytestmark = pytest.mark.usefixtures("loopback_ice")


async def hears(phone: RtpPhone, *tones: int) -> None:
    """Waits until this phone hears these people and nobody else."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            await phone.hear(15, within_s=WITHIN_S)
            heard = phone.heard(last=10)
            if {tone for tone in TONES if level_at(heard, tone) > 0.03} == set(tones):
                return


class Talk:
    """Ana called the caller's phone; the target's number is 22."""

    def __init__(self, bench: ExchangeBench, caller: RtpPhone, target: RtpPhone) -> None:
        self.bench, self.caller, self.target = bench, caller, target
        self.call_id = bench.dial("ana", "11", "pbx")

    @property
    def exchange(self) -> Exchange:
        return self.bench.exchange

    async def connect(self, identity: str, peer: BrowserPeer) -> None:
        view = next(view for view in self.bench.switchboard.calls_of(identity) if view.call_id == self.call_id)
        answer = await self.exchange.answer_browser(view, f"{identity}-1", await peer.offer())
        await peer.accept(answer.sdp)

    def leg_of(self, party: str) -> str:
        record = self.bench.switchboard.record(self.call_id)
        assert record is not None
        return next(leg.leg_id for leg in record.legs if leg.party == party)

    def transfer(self, *, ask: bool) -> None:
        self.exchange.feed(ev.TransferRequested(self.call_id, "ana", Target(number="22", trunk="pbx"), ask))

    def act(self, action: TransferAction) -> None:
        self.exchange.feed(ev.TransferActed(self.call_id, "ana", action))


@asynccontextmanager
async def talking(directory: Path) -> AsyncIterator[Talk]:
    async with (
        RtpPhone(PCMA, frequency_hz=CALLER) as caller,
        RtpPhone(PCMA, frequency_hz=TARGET) as target,
        BrowserPeer(ToneTrack(ANA)) as ana,
        exchange_bench(
            directory,
            policy=CallPolicy(),
            pbx=lambda on_event: PhoneTrunk(caller, on_event, {"22": target}),
            resolve=lambda text, who: Target(number=text, trunk="pbx"),
        ) as bench,
    ):
        bench.exchange.feed(ev.AgentConnected("ana"))
        talk = Talk(bench, caller, target)
        await talk.connect("ana", ana)
        await hears(caller, ANA)
        yield talk
        if bench.switchboard.call(talk.call_id) is not None:
            talk.exchange.on_trunk_event(HungUp(talk.leg_of("11"), Cause(EndReason.COMPLETED)))
        await bench.ended(talk.call_id)
        assert bench.left_over() == {}


async def test_asked_first_merged_and_left_to_the_two(tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        talk.transfer(ask=True)
        await hears(talk.target, ANA)
        await hears(talk.caller)
        talk.act(TransferAction.SWAP)
        await hears(talk.caller, ANA)
        await hears(talk.target)
        talk.act(TransferAction.MERGE)
        await hears(talk.caller, ANA, TARGET)
        await hears(talk.target, ANA, CALLER)
        talk.act(TransferAction.COMPLETE)
        await hears(talk.caller, TARGET)
        await hears(talk.target, CALLER)


async def test_sent_away_blindly(tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        talk.transfer(ask=False)
        await hears(talk.caller, TARGET)
        await hears(talk.target, CALLER)
        stored = talk.bench.switchboard.record(talk.call_id)
        assert stored is not None and [(leg.party, leg.came, leg.by) for leg in stored.legs] == [
            ("11", "dialed", "ana"), ("22", "transfer", "ana"), ("ana", "dialed", ""),
        ]  # fmt: skip


async def test_a_phone_that_wants_somebody_else_to_talk_gets_its_wish_and_another_takes_its_place(tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        first = talk.leg_of("11")
        talk.exchange.on_trunk_event(TransferAsked(first, "22"))
        await hears(talk.target, ANA)
        trunk = talk.bench.phones.of_call(talk.call_id)[0].trunk
        assert isinstance(trunk, PhoneTrunk) and trunk.told == [(first, 200)]
        trunk.arrive("again", "11", replaces=talk.leg_of("22"))
        await hears(talk.caller, ANA)
        record = talk.bench.switchboard.record(talk.call_id)
        assert record is not None and [leg.party for leg in record.legs if leg.ended_s is None] == ["11", "ana"]


async def test_parked_and_picked_up_by_a_colleague(tmp_path: Path) -> None:
    async with talking(tmp_path) as talk, BrowserPeer(ToneTrack(BEA)) as bea:
        talk.exchange.feed(ev.AgentConnected("bea"))
        talk.exchange.feed(ev.ParkRequested(talk.call_id, "ana"))
        await hears(talk.caller)
        talk.exchange.feed(ev.PickUpRequested(talk.call_id, "bea"))
        await talk.connect("bea", bea)
        await hears(talk.caller, BEA)
