"""Packets under each suite are as the RFCs have them, octet for octet; what was changed or came before is refused."""

import pytest

from media import rtcp, rtp
from media.srtp import MAX_SOURCES, SrtpError, open_sessions, unprotect
from rooms.audio import SrtpKeys, SrtpSuite
from tests.kit import plain_srtp
from tests.kit.rtp_phone import srtp_key

SUITES = pytest.mark.parametrize("suite", list(SrtpSuite))


def keys(suite: SrtpSuite) -> SrtpKeys:
    return SrtpKeys(srtp_key(suite, 1), srtp_key(suite, 2))


def packet(number: int, ssrc: int = 77) -> bytes:
    return rtp.build(8, number, 160 * number, ssrc, bytes(range(160)))


@SUITES
def test_rtp_is_protected_as_it_is_written(suite: SrtpSuite) -> None:
    ours = open_sessions(keys(suite))
    for number in (65_534, 65_535, 65_536, 65_537):
        assert ours.sent.protect(packet(number)) == plain_srtp.protect(keys(suite).sent, packet(number), number >> 16)
    assert unprotect(ours, plain_srtp.protect(keys(suite).received, packet(9)), False, set()) == packet(9)


@SUITES
def test_rtcp_is_protected_as_it_is_written(suite: SrtpSuite) -> None:
    ours, report = open_sessions(keys(suite)), rtcp.build(rtcp.ReceiverReport(77), rtcp.SourceDescription(77, "phone"))
    assert [ours.sent.protect_rtcp(report) for _ in range(2)] == [plain_srtp.protect_rtcp(keys(suite).sent, report, n) for n in (1, 2)]
    assert unprotect(ours, plain_srtp.protect_rtcp(keys(suite).received, report, 5), True, set()) == report


@SUITES
def test_what_was_changed_comes_again_or_is_too_old_is_refused(suite: SrtpSuite) -> None:
    ours, sources = open_sessions(keys(suite)), set[bytes]()
    sealed = plain_srtp.protect(keys(suite).received, packet(500))
    for spoilt in (sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:12] + b"\0" + sealed[13:], packet(500), sealed[:13], b"", bytes(1_600)):
        with pytest.raises(SrtpError):
            unprotect(ours, spoilt, False, sources)
    assert not sources
    assert unprotect(ours, sealed, False, sources) == packet(500)
    for old in (500, 500 - 128):
        with pytest.raises(SrtpError):
            unprotect(ours, plain_srtp.protect(keys(suite).received, packet(old)), False, sources)
    assert unprotect(ours, plain_srtp.protect(keys(suite).received, packet(500 - 127)), False, sources) == packet(500 - 127)


def test_one_far_end_has_so_many_sources_and_no_more() -> None:
    suite = SrtpSuite.AES_CM_128_HMAC_SHA1_80
    ours, sources = open_sessions(keys(suite)), set[bytes]()
    for ssrc in range(1, MAX_SOURCES + 1):
        unprotect(ours, plain_srtp.protect(keys(suite).received, packet(1, ssrc)), False, sources)
    with pytest.raises(SrtpError, match="source"):
        unprotect(ours, plain_srtp.protect(keys(suite).received, packet(1, 99)), False, sources)
    unprotect(ours, plain_srtp.protect(keys(suite).received, packet(2, 1)), False, sources)
