"""What the server plays into calls, through a whole media worker: music from a file, a sentence into one ear, and what is missing."""

from pathlib import Path

import numpy as np
import pytest

from media import messages as msg
from media.codec import make_decoder
from media.prompt_settings import PromptSettings
from media.settings import MediaSettings
from rooms.audio import PCMA
from tests.kit.leg_bench import level_at
from tests.kit.media_desk import MediaDesk, hears, media_desk
from tests.kit.rtp_phone import RtpPhone
from tests.kit.sound_files import write_wave


def heard(phone: RtpPhone, first: int, last: int | None = None) -> np.ndarray:
    """What came in these packets."""
    decoder = make_decoder(PCMA, rate_hz=16_000)
    return np.concatenate([decoder.decode(payload) for payload in phone.payloads[first:last]])


async def play(desk: MediaDesk, sound: str | None) -> None:
    await desk.worker.perform(msg.Play("a", sound))


async def test_a_caller_on_hold_hears_a_piece_of_music_and_a_sentence_in_it(tmp_path: Path) -> None:
    write_wave(tmp_path / "music" / "waltz.wav", 44_100, channels=2, frequency_hz=500.0, seconds=3.0)
    prompts = PromptSettings(folder=tmp_path, hold_music="waltz", texts={"short": {"en": "Hello."}})
    async with (
        RtpPhone(PCMA, frequency_hz=900) as a,
        RtpPhone(PCMA, frequency_hz=1_300) as b,
        media_desk(MediaSettings(prompts=prompts)) as desk,
    ):
        await desk.phone("a", a)
        await desk.phone("b", b)
        await a.hear(20)
        await desk.gain(("a", "b", 0.0), ("b", "a", 0.0))
        await play(desk, "hold")
        await a.hear(75)
        music = heard(a, -50)
        assert level_at(music, 500.0) > 0.2 and level_at(music, 1_300.0) < 0.01
        begin, ended = len(a.payloads), list[int]()

        def over(event: msg.AnyMediaEvent) -> None:
            if isinstance(event, msg.SoundEnded):
                ended.append(len(a.payloads))

        desk.also = over
        await desk.worker.perform(msg.PlayOnce("a", "prompt/en/short"))
        for key in "117#":
            a.press(key)
            await a.hear(3)
        assert await desk.hear_of(msg.SoundEnded) == msg.SoundEnded("a", "prompt/en/short")
        said = heard(a, begin + 15, ended[0])
        assert level_at(said, 500.0) < 0.05 and np.abs(said).max() > 0.1, "the music gives way"
        await a.hear(60)
        assert level_at(heard(a, -30), 500.0) > 0.2, "and comes back"
        assert level_at(heard(b, -100), 500.0) < 0.005, "nobody else hears it"
        assert "".join(event.digit for event in desk.events if isinstance(event, msg.DigitHeard)) == "117#", "each key once, in order"
        await play(desk, None)
        await desk.gain(("a", "b", 1.0), ("b", "a", 1.0))
        await a.hear(50)
        assert desk.worker.gauges["rooms_mixing"] == 0
        await hears(a, 1_300.0, rel=0.1, last=20)


async def test_what_cannot_be_played_is_refused_with_what_to_do_and_disturbs_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    async with RtpPhone(PCMA, frequency_hz=900) as a, RtpPhone(PCMA) as b, media_desk() as desk:
        await desk.phone("a", a)
        await desk.phone("b", b)
        await a.hear(10)
        for sound, code, hint in (
            ("prompt/es/recording-notice", "sound_unusable", "apt install espeak-ng"),
            ("prompt/es/nothing", "unknown_sound", "media.prompts.texts"),
            ("music/nothing", "unknown_sound", "media.prompts.folder"),
        ):
            with pytest.raises(msg.MediaRefusal, match=hint) as refusal:
                await desk.worker.perform(msg.PlayOnce("a", sound))
            assert refusal.value.code == code
            if sound.startswith("prompt/"):
                with pytest.raises(msg.MediaRefusal):
                    await play(desk, sound)
        with pytest.raises(msg.MediaRefusal, match="not open"):
            await desk.worker.perform(msg.PlayOnce("nobody", "recording"))
        await a.hear(20)
        assert desk.worker.gauges["rooms_mixing"] == 0 and desk.worker.counters["sounds_failed"] >= 3
