"""The compiled packet path does with every packet, whole or broken, what its Python twin does: compared under the sanitizers."""

import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

from media import rtp
from media.receive_stats import ReceiveStats
from media.sender import RtpSender

ROOT = Path(__file__).parents[2]
SANITIZED = ("-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler, built = shutil.which("cc"), tmp_path_factory.mktemp("native") / "probe"
    assert compiler is not None, "the tests' set-up installs a C compiler"
    source = ROOT / "tests/kit/native/rtp_core_probe.c"
    subprocess.run([compiler, *SANITIZED, f"-I{ROOT / 'media/wire'}", str(source), "-o", str(built), "-lm"], check=True)
    return built


def packets(seed: int, count: int) -> list[tuple[bytes, float]]:
    """A stream that loses, repeats and disorders packets, starts anew and changes its source, some of it broken on the way."""
    chance = random.Random(seed)
    sequence, timestamp, ssrc, now_s = chance.randrange(1 << 16), chance.randrange(1 << 32), 7, 100.0
    found: list[tuple[bytes, float]] = []
    for _ in range(count):
        step = chance.choices((1, 2, 0, -1, -40, 70, 5_000, 40_000), (800, 40, 30, 40, 5, 5, 3, 3))[0]
        sequence, timestamp = sequence + step & 0xFFFF, timestamp + 160 * step & 0xFFFFFFFF
        now_s += chance.expovariate(50)
        if chance.random() < 0.002:
            ssrc = chance.randrange(1 << 32)
        packet = bytearray(rtp.build(chance.choice((8, 0, 101)), sequence, timestamp, ssrc, chance.randbytes(chance.randrange(200))))
        packet[1] |= 0x80 if chance.random() < 0.05 else 0
        kind = chance.random()
        if kind < 0.1:  # an extension, a contributor, padding: right or not
            packet[0] |= chance.choice((0x10, 0x20, 0x01, 0x0F, 0x31))
        elif kind < 0.15:
            packet[chance.randrange(len(packet))] = chance.randrange(256)
        elif kind < 0.2:
            del packet[chance.randrange(len(packet)) :]
        found.append((bytes(packet), now_s))
    return found


def told_by_python(stream: list[tuple[bytes, float]]) -> list[str]:
    sender, source, lines = RtpSender(0xABCD, 1_000, 50_000), ReceiveStats(0, 8_000), []
    known = False
    for packet, now_s in stream:
        header = rtp.parse(packet)
        if header is None:
            lines.append("-")
            continue
        if not known or header.ssrc != source.ssrc:
            source, known = ReceiveStats(header.ssrc, 8_000), True
        believed = source.received(header.sequence, header.timestamp, now_s)
        sent = sender.forward(packet, header, 8, now_s) if believed else None
        fields = (header.payload_type, int(header.marker), header.sequence, header.timestamp, header.payload_start, header.payload_end)
        counts = (source.packets, source.duplicates, source.reordered, source.refused, source.restarts)
        highest = (source.highest_sequence, source.expected)
        figures = f"{source.jitter_s:.9f} {source.burst_ratio:.9f}"
        lines.append(
            f"{' '.join(map(str, (*fields, int(believed))))}|{(sent or b'').hex()}|{' '.join(map(str, (*counts, *highest)))} {figures}"
        )
    return lines


def told_by_c(probe: Path, stream: list[tuple[bytes, float]]) -> list[str]:
    written = b"".join(struct.pack("!H", len(packet)) + struct.pack("=d", now_s) + packet for packet, now_s in stream)
    ended = subprocess.run([probe], input=written, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout.decode().splitlines()


def test_the_compiled_core_is_the_twin_of_the_python_one(probe: Path) -> None:
    runs = max(1, settings().max_examples // 100)  # more of them when soaking
    for seed in range(runs):
        stream = packets(seed, 5_000)
        python, compiled = told_by_python(stream), told_by_c(probe, stream)
        assert len(compiled) == len(python) == len(stream)
        for number, (ours, theirs) in enumerate(zip(compiled, python, strict=True)):
            assert ours == theirs, f"seed {seed}, packet {number}: {stream[number][0].hex()}"
