"""G.711 tables against the standard's arithmetic, written out slowly, and against FFmpeg's coder."""

import av
import numpy as np
import pytest

from media.g711 import ALAW, ULAW, CompandingTable


def alaw_level(code: int) -> int:
    """Decoder output by ITU-T G.711, table 1: the decision values' middles, on a scale of 4096, times 8."""
    code ^= 0x55
    segment, step = (code & 0x70) >> 4, code & 0x0F
    level = 2 * step + 1 if segment == 0 else (2 * step + 33) * 2 ** (segment - 1)
    return 8 * level if code & 0x80 else -8 * level


def ulaw_level(code: int) -> int:
    """Decoder output by ITU-T G.711, table 2, on a scale of 8159, times 4."""
    code ^= 0xFF
    segment, step = (code & 0x70) >> 4, code & 0x0F
    level = (2 * step + 33) * 2**segment - 33
    return -4 * level if code & 0x80 else 4 * level


@pytest.mark.parametrize(("table", "level"), [(ALAW, alaw_level), (ULAW, ulaw_level)])
def test_decoder_is_the_table_of_the_standard(table: CompandingTable, level) -> None:
    assert (np.rint(table.decode * 32768) == [level(code) for code in range(256)]).all()


@pytest.mark.parametrize("table", [ALAW, ULAW])
def test_every_level_encodes_to_its_own_code(table: CompandingTable) -> None:
    levels = np.rint(table.decode * 32768).astype(np.int16)
    codes = table.encode[levels.view(np.uint16)]
    assert (table.decode[codes] == table.decode).all()
    assert (codes != np.arange(256)).sum() <= 1  # mu-law has two zeros


@pytest.mark.parametrize("table", [ALAW, ULAW])
def test_encoder_takes_the_nearest_level(table: CompandingTable) -> None:
    samples = np.arange(-32768, 32768).astype(np.int16)
    error = np.abs(table.decode[table.encode[samples.view(np.uint16)]] * 32768 - samples)
    best = np.abs(np.rint(table.decode * 32768)[None, :] - samples[::7, None]).min(axis=1)
    assert (error[::7] == best).all()


@pytest.mark.parametrize(("name", "table"), [("pcm_alaw", ALAW), ("pcm_mulaw", ULAW)])
def test_ffmpeg_decodes_ours_alike(name: str, table: CompandingTable) -> None:
    context = av.CodecContext.create(name, "r")
    context.sample_rate, context.layout = 8_000, "mono"
    theirs = context.decode(av.Packet(bytes(range(256))))[0].to_ndarray().ravel()
    assert (theirs == np.rint(table.decode * 32768)).all()
