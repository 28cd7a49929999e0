"""Ten minutes of SIP that is almost right, by hand (`make soak`): new seeds each time, printed with whatever they break."""

import random
import time
import tracemalloc

from tests.kit.sip_fuzz import METHODS, FuzzedCalls, Spoiler, check_parser
from tests.kit.virtual_sip import sdp

SOAK_S = 600
LONGEST_S = 1.0
"""CPU time for one message of any kind; an honest one takes less than a millisecond."""
MOST_GROWN_BYTES = 2_000_000


def test_ten_minutes_of_spoiled_sip_neither_raise_nor_slow_nor_grow() -> None:
    soak(SOAK_S)


def soak(seconds: float) -> None:
    tracemalloc.start()
    try:
        until, first, seeds = time.monotonic() + seconds, 0, 0
        while time.monotonic() < until:
            seed = random.SystemRandom().getrandbits(48)
            try:
                _messages(seed)
                _conversation(seed)
            except Exception as error:
                error.add_note(f"the seed was {seed}")
                raise
            seeds += 1
            if seeds == 20:
                first = tracemalloc.get_traced_memory()[0]
        assert seeds < 20 or tracemalloc.get_traced_memory()[0] - first < MOST_GROWN_BYTES
    finally:
        tracemalloc.stop()


def _messages(seed: int) -> None:
    spoiler = Spoiler(random.Random(seed))
    for number in range(300):
        body = sdp() if number % 2 else b""
        data = spoiler.spoil(spoiler.request(METHODS[number % len(METHODS)], "c", number + 1, to_tag="t" if number % 3 else "", body=body))
        began = time.process_time()
        check_parser(data)
        assert time.process_time() - began < LONGEST_S, data


def _conversation(seed: int) -> None:
    calls = FuzzedCalls(seed)
    for _ in range(200):
        calls.act()
    calls.check_end()
