"""Checks as bytes: what is believed, and that nothing else raises."""

import random

from aioice import stun as aioice_stun
from hypothesis import given
from hypothesis import strategies as st

from media import stun
from tests.kit.stun_probe import check

PASSWORD = "p" * 32
RIGHT = check("fragment", PASSWORD, nominate=True)


def test_a_right_check_is_read_and_answered() -> None:
    assert stun.local_fragment(RIGHT) == "fragment"
    found = stun.read_check(RIGHT, PASSWORD.encode())
    assert found is not None and found.nominates and not found.role_conflict
    for source in (("192.0.2.9", 5_000), ("2001:db8::9", 5_000)):
        answer = aioice_stun.parse_message(stun.accept(found, source, PASSWORD.encode()))
        assert answer.attributes["XOR-MAPPED-ADDRESS"] == source and answer.transaction_id == RIGHT[8:20]
        assert answer.check_message_integrity(PASSWORD.encode())


def test_without_integrity_it_is_not_believed() -> None:
    message = aioice_stun.Message(aioice_stun.Method.BINDING, aioice_stun.Class.REQUEST, attributes={"USERNAME": "fragment:remote"})
    assert stun.local_fragment(bytes(message)) == "fragment"
    assert stun.read_check(bytes(message), PASSWORD.encode()) is None
    assert stun.read_check(RIGHT, b"q" * 32) is None


def test_responses_and_indications_ask_for_nobody() -> None:
    for kind in (0x0101, 0x0111, 0x0011, 0x0003):
        assert stun.local_fragment(kind.to_bytes(2, "big") + RIGHT[2:]) is None


def test_no_changed_byte_is_believed() -> None:
    source = random.Random(5)
    for position in range(len(RIGHT) - aioice_stun.FINGERPRINT_LENGTH):  # what integrity covers
        changed = bytearray(RIGHT)
        changed[position] ^= 1 << source.randrange(8)
        stun.local_fragment(bytes(changed))
        assert stun.read_check(bytes(changed), PASSWORD.encode()) is None, position
    for size in range(len(RIGHT)):
        stun.local_fragment(RIGHT[:size])
        assert stun.read_check(RIGHT[:size], PASSWORD.encode()) is None


@given(st.binary(max_size=200))
def test_random_attributes_never_raise(body: bytes) -> None:
    datagram = b"\0\1" + len(body).to_bytes(2, "big") + RIGHT[4:20] + body
    stun.local_fragment(datagram)
    assert stun.read_check(datagram, PASSWORD.encode()) is None
