"""The benchmarks that need sockets: they run, and their yardsticks show what is wrong when something is."""

import json

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.phones import Phones
from media import rtp
from rooms.audio import OPUS, PCMA, AudioCodec


def test_quick_media_path_has_its_shape(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["media_path", "--quick", "--json"])
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["benchmark"] == "media_path"
    assert set(result["machine"]) == {"cpu", "cores", "python", "versions", "load"}
    rows = {(row["case"].partition(" ")[0], row["metric"]): row for row in result["rows"]}
    keys = {"case", "metric", "value", "unit", "peer", "peer_value", "ratio", "goal", "holds"}
    assert all(set(row) == keys for row in rows.values()) and len(rows) == len(result["rows"])
    assert status == (0 if all(row["holds"] is not False for row in rows.values()) else 1)
    assert rows["forwarding", "added delay, p99"]["goal"] == "<= 5"
    target_ms = rows["mixing", "jitter buffers' target, p95"]["value"]
    assert target_ms >= 40 and rows["mixing", "added delay, p95"]["goal"] == f"<= {50 + target_ms:g}"
    for work in (rows["forwarding", "CPU per packet in and out"], rows["mixing", "CPU per leg and 20 ms tick"]):
        assert work["value"] > 0 and work["peer"] == "aiortc" and work["peer_value"] > 0
    for kind in ("forwarding", "mixing"):
        assert rows[kind, "packets lost by us"]["value"] == rows[kind, "packets reordered by us"]["value"] == 0


def test_a_killed_worker_ends_no_call_and_leaves_others_whole(capsys: pytest.CaptureFixture[str]) -> None:
    main(["worker_death", "--quick", "--json"])
    rows = {row["metric"]: row for row in json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]}
    assert rows["packets lost or reordered, other worker's calls"]["value"] == rows["calls ended by it"]["value"] == 0
    assert rows["longest gap, other worker's calls"]["peer_value"] > 0
    assert rows["longest gap, its own calls"]["value"] > 0


def overheard(phones: Phones, speaker: int, delay_s: float, packets: int = 100) -> None:
    """As if this phone had spoken and the other one had heard it through a relay."""
    codec = phones.codecs[speaker]
    for number in range(packets):
        sent_s = 1_000 + number / 50
        phones.sent[speaker].append(sent_s)
        packet = rtp.build(codec.payload_type, 65_500 + number, number * codec.clock_rate // 50, 1, phones.payload(speaker, number))
        phones.heard[speaker ^ 1].append((sent_s + delay_s, packet))


def test_what_a_relay_forwards_is_measured() -> None:
    with Phones(1, (PCMA, PCMA), numbered=True) as phones:
        overheard(phones, 0, 0.003)
        assert phones.numbered_delays_s(1_000, 1_001) == pytest.approx([0.003] * 50)
        assert (phones.unheard_packets(), phones.out_of_sequence()) == (0, (0, 0))
        heard = phones.heard[1]
        heard[20], heard[21] = heard[21], heard[20]
        assert (phones.unheard_packets(), phones.out_of_sequence()) == (0, (0, 1))
        del heard[50]
        assert (phones.unheard_packets(), phones.out_of_sequence()) == (1, (1, 1))
        heard[60] = (heard[60][0], heard[60][1][:-1] + b"?")
        assert (phones.unheard_packets(), phones.out_of_sequence()) == (2, (1, 1))


@pytest.mark.parametrize("codec", [PCMA, OPUS])
def test_a_beep_is_heard_when_it_comes(codec: AudioCodec) -> None:
    with Phones(1, (codec, codec), numbered=False) as phones:
        overheard(phones, 0, 0.137)
        delays_s = phones.beep_delays_s(1_000, 1_002)
        assert len(delays_s) == 5 and np.allclose(delays_s, 0.137, atol=0.001)
