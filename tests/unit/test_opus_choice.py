"""Which Opus is sent: as good as there is room for, and no to and fro."""

import numpy as np
import pytest
from pesq import pesq

from media.codec import OpusEncoder, make_decoder, opus_for
from media.opus_choice import OpusChoice, OpusPolicy
from media.sounds import load_prompt
from rooms.audio import OPUS


def test_a_full_worker_spares_the_processor_until_there_was_room_for_ten_seconds() -> None:
    choice, heard = OpusChoice(OpusPolicy(sparing_from=0.5)), []
    shares = [0.4, 0.6, *[0.29] * 9, 0.4, *[0.29] * 12]
    for second, share in enumerate(shares):
        choice.look(share, float(second))
        heard.append(choice.sparing)
    assert heard.index(True) == 1 and heard.index(False, 1) == len(shares) - 2


@pytest.mark.parametrize(("rate_hz", "speech", "music"), [(16_000, 40_000, 64_000), (8_000, 24_000, 32_000)])
def test_sparing_is_celt_and_loss_is_always_silk_with_fec(rate_hz: int, speech: int, music: int) -> None:
    choice = OpusChoice()
    plain = choice.settings(rate_hz)
    assert (plain.bitrate, plain.celt, plain.fec) == (speech, False, False) and choice.settings(rate_hz) is plain
    choice.sparing = True
    assert (choice.settings(rate_hz).bitrate, choice.settings(rate_hz).celt) == (music, True)
    lossy = opus_for(choice.settings(rate_hz, loss=0.034), "useinbandfec=1")
    assert (lossy.bitrate, lossy.celt, lossy.fec, lossy.expected_loss) == (1.25 * speech, False, True, 0.02)
    limited = opus_for(choice.settings(rate_hz), "maxaveragebitrate=20000")
    assert (limited.bitrate, limited.celt) == (20_000, False)


def test_fec_begins_where_it_is_set_to() -> None:
    choice = OpusChoice(OpusPolicy(fec_from_loss=0.05))
    assert not choice.settings(16_000, loss=0.04).fec and choice.settings(16_000, loss=0.06).fec


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
def test_a_change_in_mid_sentence_is_not_heard(rate_hz: int) -> None:
    """Every half second the other way: no worse than the worse of both."""
    speech = load_prompt("en-vm-intro").reshape(-1)[: 16_000 * 5]
    if rate_hz == 8_000:
        speech = speech.reshape(-1, 2).mean(axis=1)
    frames = speech[: len(speech) // (rate_hz // 50) * (rate_hz // 50)].reshape(-1, rate_hz // 50).astype(np.float32)
    choice = OpusChoice()

    def heard(sparing: list[bool]) -> float:
        encoder, decoder, kinds = OpusEncoder(rate_hz, choice.settings(rate_hz)), make_decoder(OPUS, rate_hz=rate_hz), set()
        sound = []
        for frame, choice.sparing in zip(frames, sparing, strict=True):
            if encoder.settings is not choice.settings(rate_hz):
                encoder.apply(choice.settings(rate_hz))
            payload = encoder.encode(frame)
            kinds.add(bool(payload and payload[0] & 0x80))
            sound.append(decoder.decode(payload) if payload else np.zeros_like(frame))
        assert kinds == set(sparing), "SILK, CELT (RFC 6716, table 2)"
        score: float = pesq(rate_hz, frames.reshape(-1), np.concatenate(sound), "wb" if rate_hz == 16_000 else "nb")
        return score

    always, never = heard([True] * len(frames)), heard([False] * len(frames))
    assert heard([k // 25 % 2 == 1 for k in range(len(frames))]) > min(always, never) - 0.1
