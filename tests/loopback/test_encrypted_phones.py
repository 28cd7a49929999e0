"""Phones that encrypt, over both packet paths: forwarded, mixed and recorded like any other, and nothing else is believed or told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from media import messages as msg
from media import rtp
from media.recording.export import render
from media.recording.keys import KeyRing
from media.recording.recordings import RecordingSettings
from media.recording.records import Side, read_recording
from rooms.audio import OPUS, PCMA, SrtpSuite
from tests.kit.leg_bench import level_at, level_where_it_sounds
from tests.kit.media_desk import ROOM, MediaDesk, hears, media_desk, patient
from tests.kit.rtp_phone import RtpPhone

KEY = bytes(range(32))
WIRES = pytest.mark.parametrize("wire", ["python", "c"])


async def agree(desk: MediaDesk, leg_id: str, phone: RtpPhone) -> None:
    await desk.worker.perform(msg.ConnectRtpLeg(leg_id=leg_id, remote=phone.endpoint()))


@WIRES
async def test_an_encrypted_call_is_forwarded_recorded_and_gets_new_keys_without_a_gap(tmp_path: Path, wire: str) -> None:
    settings = patient(recording=RecordingSettings(tmp_path, (KEY,)), wire=wire, rtcp_interval_s=0.5)
    suite = SrtpSuite.AES_CM_128_HMAC_SHA1_80
    async with RtpPhone(PCMA, frequency_hz=440, suite=suite) as a, RtpPhone(PCMA, frequency_hz=900) as b, media_desk(settings) as desk:
        far = await desk.phone("caller", a)
        await desk.phone("agent", b)
        await b.hear(5)
        await desk.worker.perform(msg.StartRecording(ROOM, "rec", "caller", who=("caller", "agent"), consent="given", details={}))
        await b.hear(20)
        use_new_key = a.renew_key(3)
        await agree(desk, "caller", a)
        await b.hear(10)  # still under the former key
        use_new_key()
        await b.hear(20)
        counters = desk.worker.counters
        assert desk.worker.gauges["rooms_mixing"] == 0 and counters["packets_forwarded"] > 80
        assert counters["packets_forwarded"] > counters.get("wire_handed_over", 0), "the compiled path does it without Python"
        a.press("7")
        assert (await desk.hear_of(msg.DigitHeard)).digit == "7"
        a.report(far.host, far.port)
        await a.hear_rtcp()
        await desk.worker.perform(msg.StopRecording(ROOM, "rec", "test"))
        over = await desk.hear_of(msg.RecordingStopped)
        assert a.refused == 0
    numbers = [header.sequence for header in b.headers]
    assert set(np.diff(np.unwrap(numbers[-50:], period=65_536))) == {1} and set(b.payloads[-50:]) <= set(a.sent)
    assert level_at(b.heard(last=40), 440) == pytest.approx(0.25, rel=0.06)
    assert level_at(a.heard(last=40), 900) == pytest.approx(0.25, rel=0.06)
    recorded = read_recording(tmp_path / over.file, KeyRing([KEY]))
    for side, frequency_hz in ((Side.SAID, 440), (Side.HEARD, 900)):
        sound = render(recorded, side).astype(np.float32) / 32_768
        assert level_where_it_sounds(sound[8_000:], frequency_hz) == pytest.approx(0.25, rel=0.1)


@WIRES
async def test_two_encrypted_calls_of_different_codecs_and_suites_are_mixed(wire: str) -> None:
    gcm, weak = SrtpSuite.AEAD_AES_256_GCM, SrtpSuite.AES_CM_128_HMAC_SHA1_32
    async with (
        RtpPhone(OPUS, frequency_hz=440, suite=gcm) as a,
        RtpPhone(PCMA, frequency_hz=900, suite=weak) as b,
        media_desk(patient(wire=wire)) as desk,
    ):
        await desk.phone("a", a)
        await desk.phone("b", b)
        await a.hear(50)
        await b.hear(30)
        await hears(b, 440, rel=0.12, last=30)
        await hears(a, 900, rel=0.12, last=30)
        assert desk.worker.gauges["rooms_mixing"] == 1 and (a.refused, b.refused) == (0, 0)


@WIRES
async def test_a_call_becomes_encrypted_and_plain_again(wire: str) -> None:
    """A new offer may bring keys, or take them away where the trunk allows it."""
    async with RtpPhone(PCMA) as plain, RtpPhone(PCMA) as b, media_desk(patient(wire=wire)) as desk:
        await desk.phone("a", plain)
        await desk.phone("b", b)
        await b.hear(5)
        async with RtpPhone(PCMA, frequency_hz=1_300, suite=SrtpSuite.AEAD_AES_128_GCM) as a:
            plain.speaking = False
            await agree(desk, "a", a)
            leg = desk.worker._legs["a"][0]  # type: ignore[union-attr]
            assert leg.transport is not None
            a.call(*leg.transport.local)  # type: ignore[attr-defined]
            await a.hear(10)
            await b.hear(20)
            await hears(b, 1_300, rel=0.1, last=15)
            assert a.refused == 0
            await desk.worker.perform(msg.ConnectRtpLeg(leg_id="a", remote=replace(plain.endpoint(), srtp=None)))
            plain.speaking = True
            before = len(plain.arrivals)
            await plain.hear(10)
            await hears(plain, 440, rel=0.1, last=8)
        assert all(rtp.parse(packet) for _, packet in plain.arrivals[before:])
