"""A caller on a real phone in a flow: what is said, the keys that are pressed, the message that is left, and the end; judged by tones."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from api.spoken_plan import words_of
from dsp.levels import rms_dbfs
from media.messages import PrepareSounds
from media.prompt_settings import PromptSettings
from media.recording.export import render
from media.recording.keys import KeyRing
from media.recording.recordings import RecordingSettings
from media.recording.records import Side, read_recording
from media.settings import MediaSettings
from rooms import events as ev
from rooms.audio import PCMA
from rooms.centre_plan import Arrival, CentrePlan, NumberEntry, VoicemailBox
from rooms.flows import flow as kinds
from rooms.flows.flow import Flow
from tests.kit.exchange_bench import exchange_bench
from tests.kit.leg_bench import level_at, level_where_it_sounds
from tests.kit.phone_trunk import PhoneTrunk
from tests.kit.rtp_phone import RtpPhone
from tests.kit.vaults import VAULT

WORDS = {name: {"es": text} for name, text in (("which", "Uno o tres."), ("speak", "Diga."), ("bye", "Adiós."))}
STEPS = (
    kinds.Menu(name="menu", say=("which",), choices={"3": "leave"}),
    kinds.Voicemail(name="leave", say=("speak",), box="sales", taken="end", empty="end"),
    kinds.HangUp(name="end", say=("bye",)),
)
PLAN = CentrePlan(
    1,
    {"main": Flow("main", ("es",), "es", "menu", {step.name: step for step in STEPS}, WORDS)},
    boxes={"sales": VoicemailBox("sales", agents=("ana",))},
)
KEY = bytes(32)
WITHIN_S = 60.0


async def test_a_caller_presses_a_key_leaves_a_message_and_is_said_goodbye(tmp_path: Path) -> None:
    media = MediaSettings(recording=RecordingSettings(tmp_path / "recordings", (KEY,)), prompts=PromptSettings(spoken=tmp_path / "spoken"))
    arrival = Arrival(PLAN, NumberEntry("*", "main"))
    async with (
        RtpPhone(PCMA, frequency_hz=600.0) as phone,
        exchange_bench(tmp_path, media=media, phone=phone, voicemail=True, receive=lambda call_id, event: arrival) as bench,
    ):
        await bench.worker.perform(PrepareSounds(words_of(PLAN)))
        bench.exchange.feed(ev.PlanChanged(PLAN))
        trunk = bench.exchange._trunks["pbx"]
        assert isinstance(trunk, PhoneTrunk)
        trunk.arrive("caller", "600111222")
        await phone.hear(15)
        phone.press("3")
        async with asyncio.timeout(WITHIN_S):
            while not bench.worker.gauges["recordings"]:
                await phone.hear(5)
        await phone.hear(75)
        said = len(phone.payloads)
        phone.press("#")
        await asyncio.wait_for(bench.exchange.no_calls(), WITHIN_S)
        await bench.store.flush()
        assert bench.left_over() == {}
        (kept,) = await bench.store.voicemails.kept(["sales"], 10)
        assert (kept.caller, kept.language, kept.outcome) == ("600111222", "es", "taken") and kept.duration_s > 1.0
        call, row = await bench.store.call(kept.call_id), await bench.store.recording(kept.voicemail_id)
        assert call is not None and row is not None and call.end_reason == "completed"
    heard = phone.heard()
    windows = [heard[at : at + 3_200] for at in range(0, len(heard) - 3_200, 1_600)]
    assert max(level_at(window, 1_000.0) for window in windows) > 0.05, "the tone"
    assert rms_dbfs(heard[320 * said :]) > -40.0, "goodbye"
    recorded = render(read_recording(tmp_path / "recordings" / row.file, KeyRing((KEY,), VAULT.open)), Side.SAID)
    middle = recorded[4_000:-4_000].astype(np.float32) / 32_768
    assert level_where_it_sounds(middle, 600.0) == pytest.approx(0.25, rel=0.1) and level_at(middle, 1_000.0) < 0.005
