"""Whom a certificate stands for, and what failed handshakes mean (RFC 5922); how often an address is tried."""

import ssl
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from pbx.backoff import LONGEST_S, STEADY_S, Backoff
from pbx.sip_settings import SipTlsSettings
from pbx.tls import TlsContexts, TlsUnusable, WrongCertificate, identities, is_same_name, words_of
from tests.kit.certificate import Authority, self_signed

NAMED = ((("commonName", "old.example"),),)


@pytest.mark.parametrize(
    ("entries", "whom"),
    [
        ((("DNS", "a.example"), ("URI", "sip:example.com")), ("example.com",)),
        ((("URI", "sip:Example.com:5061"), ("URI", "sip:user@other.example")), ("Example.com",)),
        ((("URI", "sips:example.com"), ("DNS", "pbx.example.com")), ("pbx.example.com",)),
        ((("DNS", "a.example"), ("DNS", "b.example"), ("IP Address", "192.0.2.1")), ("a.example", "b.example", "192.0.2.1")),
        ((), ("old.example",)),
        ((("email", "x@y.example"),), ()),
    ],
)
def test_whom_a_certificate_stands_for(entries: tuple[tuple[str, str], ...], whom: tuple[str, ...]) -> None:
    assert identities({"subject": NAMED, "subjectAltName": entries}) == whom


@pytest.mark.parametrize(
    ("identity", "wanted", "same"),
    [
        ("PBX.example.com", "pbx.example.com.", True),
        ("*.example.com", "pbx.example.com", False),
        ("*.example.com", "*.example.com", False),
        ("example.com", "pbx.example.com", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("2001:DB8:0:0:0:0:0:1", "[2001:db8::1]", True),
        ("pbx", "192.0.2.1", False),
    ],
)
def test_names_are_compared_whole(identity: str, wanted: str, same: bool) -> None:
    assert is_same_name(identity, wanted) is same


def test_another_ones_certificate_is_named_beside_ours(tmp_path: Path) -> None:
    shown = {"subjectAltName": (("DNS", "x.example"),)}
    with pytest.raises(WrongCertificate, match=r"certificate is for x\.example, not pbx\.example:"):
        TlsContexts(SipTlsSettings(), Counter()).check(shown, ("pbx.example", "pbx.example"))
    TlsContexts(SipTlsSettings(accept_any_certificate=True), Counter()).check(shown, ("pbx.example",))


def test_only_modern_versions_and_checked_certificates(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    contexts = TlsContexts(SipTlsSettings(certificate, certificate, key, demand_certificate=True), Counter())
    for context in (contexts.outgoing(), contexts.incoming()):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2 and context.verify_mode is ssl.CERT_REQUIRED
    assert TlsContexts(SipTlsSettings(accept_any_certificate=True), Counter()).outgoing().verify_mode is ssl.CERT_NONE
    with pytest.raises(TlsUnusable, match="tls_certificate"):
        TlsContexts(SipTlsSettings(), Counter()).incoming()


def test_files_that_make_no_identity_are_named(tmp_path: Path) -> None:
    certificate, _ = self_signed(tmp_path)
    other = Authority(tmp_path).sign("x.example", file="other")[1]
    with pytest.raises(TlsUnusable, match=r"cert\.pem cannot be used with its key"):
        TlsContexts(SipTlsSettings(None, certificate, other), Counter())
    with pytest.raises(TlsUnusable, match=r"nowhere\.pem cannot be used: no such file"):
        TlsContexts(SipTlsSettings(tmp_path / "nowhere.pem"), Counter())


def test_a_renewed_certificate_is_read_and_half_a_pair_is_not(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    certificate, key = self_signed(tmp_path)
    contexts = TlsContexts(SipTlsSettings(None, certificate, key), counts)
    first = contexts.incoming()
    assert contexts.incoming() is first
    whole = certificate.read_bytes()
    certificate.write_bytes(b"half of it")
    assert contexts.incoming() is first and counts["tls_renewals_failed"] == 1
    certificate.write_bytes(whole)
    assert contexts.incoming() is not first and counts["tls_renewals"] == 1


def test_what_failed_handshakes_mean() -> None:
    late = ssl.SSLCertVerificationError(1, "certificate verify failed")
    late.verify_code, late.verify_message = 10, "certificate has expired"
    assert "expired: renew it there" in words_of(late)
    strange = ssl.SSLError(1, "x")
    strange.reason = "SOMETHING_NEW"
    assert words_of(strange) == "the TLS handshake failed: something new"
    assert "took too long" in words_of(ConnectionAbortedError())
    assert "closed during the TLS handshake" in words_of(ConnectionResetError())


def test_attempts_at_one_address_are_a_second_apart_then_ever_rarer() -> None:
    backoff, now, gaps = Backoff(Random(1)), 100.0, []
    for _ in range(10):
        assert backoff.wait_s(("a", 1), now) == 0
        backoff.tried(("a", 1), now)
        gaps.append(backoff.wait_s(("a", 1), now))
        now += gaps[-1]
    assert gaps[0] >= 1 and all(0.8 * min(2**i, LONGEST_S) <= gap <= 1.2 * min(2**i, LONGEST_S) for i, gap in enumerate(gaps))
    assert backoff.wait_s(("b", 1), now) == 0


def test_a_connection_that_lasted_ends_a_row_of_failures() -> None:
    backoff = Backoff(Random(1))
    for now in (100.0, 110.0, 120.0):
        backoff.tried(("a", 1), now)
    backoff.ended(("a", 1), STEADY_S - 1)
    assert backoff.wait_s(("a", 1), 120.0) > 2
    backoff.ended(("a", 1), STEADY_S)
    assert backoff.wait_s(("a", 1), 150.0) == 0
    backoff.tried(("a", 1), 150.0)
    assert 1 <= backoff.wait_s(("a", 1), 150.0) <= 1.2


def test_the_addresses_kept_are_bounded() -> None:
    backoff = Backoff(Random(1))
    for port in range(1000):
        backoff.tried(("a", port), 100.0)
    assert backoff.wait_s(("a", 0), 100.0) == 0 and backoff.wait_s(("a", 999), 100.0) >= 1
