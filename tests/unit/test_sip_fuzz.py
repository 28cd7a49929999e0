"""Seeded fuzzing of the SIP parser, the stream framer and the whole user agent; ``tests/soak`` goes on where this ends."""

from random import Random

import pytest

from pbx.framing import StreamBroken, StreamFramer
from tests.kit.sip_fuzz import METHODS, FuzzedCalls, Spoiler, check_parser
from tests.kit.virtual_sip import sdp


@pytest.mark.parametrize("seed", range(4))
def test_the_parser_reads_or_refuses_and_reads_what_it_wrote(seed: int) -> None:
    spoiler = Spoiler(Random(seed))
    for number in range(500):
        body = sdp() if number % 2 else b""
        check_parser(
            spoiler.spoil(spoiler.request(METHODS[number % len(METHODS)], "c", number + 1, to_tag="t" if number % 3 else "", body=body))
        )


@pytest.mark.parametrize("seed", range(4))
def test_a_stream_is_cut_alike_however_it_arrives(seed: int) -> None:
    spoiler = Spoiler(Random(seed))
    for _ in range(20):
        good = [spoiler.request("OPTIONS", "c", number + 1, body=sdp()) for number in range(spoiler.chance.randrange(1, 6))]
        stream = b"\r\n\r\n".join(good) + spoiler.spoil(good[-1])
        whole = _cut(StreamFramer(), [stream])
        assert whole[: len(good)] == good
        assert _cut(StreamFramer(), spoiler.cuts(stream)) == whole


def _cut(framer: StreamFramer, pieces: list[bytes]) -> list[bytes]:
    found: list[bytes] = []
    try:
        for piece in pieces:
            found += framer.feed(piece)
    except StreamBroken as broken:
        found += [*broken.before, b"broken"]
    return found


@pytest.mark.parametrize("seed", range(12))
def test_the_agent_endures_a_malicious_peer_and_a_careless_user(seed: int) -> None:
    calls = FuzzedCalls(seed)
    for _ in range(60):
        calls.act()
    calls.check_end()
