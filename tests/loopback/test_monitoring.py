"""A supervisor in a colleague's call, judged by tones at every ear: a real RTP phone and two browsers' peers."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from media.prompt_settings import PromptSettings
from media.recording.export import render
from media.recording.keys import KeyRing
from media.recording.recordings import RecordingSettings
from media.recording.records import Side, read_recording
from media.settings import MediaSettings
from rooms import events as ev
from rooms.audio import PCMA
from rooms.monitor import Announce, MonitorMode, SupervisionPolicy
from rooms.policy import CallPolicy, RecordingMode, RecordingPolicy
from rooms.recording import RecordingAction
from tests.kit.browser_peer import BrowserPeer, loopback_ice  # noqa: F401
from tests.kit.exchange_bench import ExchangeBench, exchange_bench
from tests.kit.leg_bench import level_at
from tests.kit.media_desk import ToneTrack, listen
from tests.kit.rtp_phone import RtpPhone
from tests.kit.vaults import VAULT

ANA, EVA, CALLER = 1_000, 1_600, 600
"""What each of them speaks, in Hz."""
TONES = (ANA, EVA, CALLER)
LOUD = 0.03
WITHIN_S = 30.0
KEY = bytes(range(32))

pytestmark = pytest.mark.usefixtures("loopback_ice")


def tones(heard: np.ndarray, rate_hz: int) -> set[int]:
    return {tone for tone in TONES if level_at(heard, tone, rate_hz) > LOUD}


class Ears:
    """``hear``: until each of the three hears these people and nobody else."""

    def __init__(self, bench: ExchangeBench, phone: RtpPhone, ana: BrowserPeer, eva: BrowserPeer) -> None:
        self.bench, self.phone, self.ana, self.eva = bench, phone, ana, eva

    async def hear(self, *, phone: set[int], ana: set[int] | None, eva: set[int]) -> None:
        async with asyncio.timeout(WITHIN_S):
            await asyncio.gather(
                self._phone(phone), self._browser(self.eva, eva), *(() if ana is None else (self._browser(self.ana, ana),))
            )

    async def _phone(self, wanted: set[int]) -> None:
        while True:
            await self.phone.hear(15, within_s=WITHIN_S)
            if tones(self.phone.heard(last=10), 16_000) == wanted:
                return

    @staticmethod
    async def _browser(peer: BrowserPeer, wanted: set[int]) -> None:
        while tones(*await listen(peer, 10)) != wanted:
            pass


async def connect(bench: ExchangeBench, identity: str, peer: BrowserPeer) -> None:
    (view,) = bench.switchboard.calls_of(identity)
    answer = await bench.exchange.answer_browser(view, f"{identity}-1", await peer.offer())
    await peer.accept(answer.sdp)
    await bench.told.picture(identity, lambda call: call.agent_connected)


async def test_listen_whisper_barge_and_take_over_at_every_ear_and_no_whisper_in_the_recording(tmp_path: Path) -> None:
    recording = RecordingPolicy(RecordingMode.ALWAYS, RecordingMode.ON_DEMAND, beep=False)
    media = MediaSettings(recording=RecordingSettings(tmp_path / "recordings", (KEY,)))
    async with (
        RtpPhone(PCMA, frequency_hz=CALLER) as phone,
        BrowserPeer(ToneTrack(ANA)) as ana,
        BrowserPeer(ToneTrack(EVA)) as eva,
        exchange_bench(tmp_path, policy=CallPolicy(recording=recording), media=media, phone=phone) as bench,
    ):
        feed, ears = bench.exchange.feed, Ears(bench, phone, ana, eva)
        call_id = bench.dial("ana", "11", "pbx")
        await connect(bench, "ana", ana)
        feed(ev.MonitorRequested(call_id, "eva", MonitorMode.LISTEN))
        await connect(bench, "eva", eva)
        await ears.hear(phone={ANA}, ana={CALLER}, eva={ANA, CALLER})
        feed(ev.RecordingRequested(call_id, "ana", RecordingAction.START))
        await bench.told.picture("ana", lambda call: call.recording == "recording")
        feed(ev.MonitorRequested(call_id, "eva", MonitorMode.WHISPER))
        await ears.hear(phone={ANA}, ana={CALLER, EVA}, eva={ANA, CALLER})
        feed(ev.RecordingRequested(call_id, "ana", RecordingAction.STOP))
        await bench.told.picture("ana", lambda call: call.recording == "off")
        feed(ev.MonitorRequested(call_id, "eva", MonitorMode.BARGE))
        await ears.hear(phone={ANA, EVA}, ana={CALLER, EVA}, eva={ANA, CALLER})
        assert [(one.identity, one.mode) for one in (await bench.told.call("ana", "live")).monitors] == [("eva", "barge")]
        feed(ev.TakeOverRequested(call_id, "eva"))
        assert (await bench.told.call("ana", "ended")).reason == "taken_over"
        await ears.hear(phone={EVA}, ana=None, eva={CALLER})
        feed(ev.HangUpRequested(call_id, "eva"))
        assert await bench.ended(call_id) == "completed"
        await bench.book.settled(WITHIN_S)
        await bench.store.flush()
        (row,) = await bench.store.recordings_of(call_id)
        assert bench.left_over() == {}
    kept = read_recording(tmp_path / "recordings" / row.file, KeyRing([KEY], VAULT.open))
    said, heard = (render(kept, side).astype(np.float32) / 32_768 for side in (Side.SAID, Side.HEARD))
    assert tones(said, 16_000) == {CALLER} and tones(heard, 16_000) == {ANA}
    assert max(level_at(piece, EVA) for piece in heard[: len(heard) // 1_600 * 1_600].reshape(-1, 1_600)) < LOUD / 10


async def test_a_supervisor_hears_when_all_were_told_and_costs_nobody_the_call_by_going(tmp_path: Path) -> None:
    policy = CallPolicy(reload_s=0.2, supervision=SupervisionPolicy(Announce.EVERYONE, "prompt/en/short"))
    media = MediaSettings(prompts=PromptSettings(texts={"short": {"en": "Hello."}}))
    async with (
        RtpPhone(PCMA, frequency_hz=CALLER) as phone,
        BrowserPeer(ToneTrack(ANA)) as ana,
        exchange_bench(tmp_path, policy=policy, media=media, phone=phone) as bench,
    ):
        call_id = bench.dial("ana", "11", "pbx")
        await connect(bench, "ana", ana)
        bench.exchange.feed(ev.MonitorRequested(call_id, "eva", MonitorMode.BARGE))
        async with BrowserPeer(ToneTrack(EVA)) as eva:
            await connect(bench, "eva", eva)
            await Ears(bench, phone, ana, eva).hear(phone={ANA, EVA}, ana={CALLER, EVA}, eva={ANA, CALLER})
        assert (await bench.told.call("eva", "ended")).reason == "media_lost"
        assert (await bench.told.call("ana", "live")).monitors == []
        bench.exchange.feed(ev.HangUpRequested(call_id, "ana"))
        await bench.ended(call_id)
        assert bench.left_over() == {}
