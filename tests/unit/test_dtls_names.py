"""aiortc's private names that ``media.dtls`` relies upon: when a new version drops one, this says which."""

import inspect

import pylibsrtp
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate, RTCDtlsTransport, State
from OpenSSL import SSL

from media.dtls import Certificate, _IceSide


def test_the_private_names_we_use_are_there() -> None:
    transport = RTCDtlsTransport(None, [RTCCertificate.generateCertificate()])  # type: ignore[arg-type]
    for name in ("_state", "_task", "_rx_srtp", "_tx_srtp", "_set_role", "_validate_peer_identity", "_transport"):
        assert hasattr(transport, name), name
    assert transport._state is State.NEW and {"CONNECTED", "FAILED"} <= set(State.__members__)
    assert list(inspect.signature(RTCDtlsTransport._validate_peer_identity).parameters) == ["self", "remoteParameters"]
    assert list(inspect.signature(RTCCertificate._create_ssl_context).parameters) == ["self", "srtp_profiles"]


def test_aiortc_asks_its_ice_side_for_nothing_else() -> None:
    source = inspect.getsource(RTCDtlsTransport)
    asked = {word.split("(")[0].split(")")[0].split(",")[0].strip() for word in source.split("self.transport.")[1:]}
    assert {word.split("\n")[0].split(" ")[0].rstrip(":") for word in asked} == {"role", "_recv", "_send"}
    assert all(hasattr(_IceSide, name) for name in ("role", "_recv", "_send"))


def test_srtp_sessions_protect_and_unprotect_bytes() -> None:
    for name in ("protect", "protect_rtcp", "unprotect", "unprotect_rtcp"):
        assert callable(getattr(pylibsrtp.Session, name))


def test_each_certificate_has_a_key_of_its_own_on_p256() -> None:
    one, two = Certificate.create(), Certificate.create()
    assert one.fingerprint != two.fingerprint
    assert {certificate._key.curve.name for certificate in (one, two)} == {"secp256r1"}


def test_only_authenticated_and_forward_secret_ciphers_are_agreed_to() -> None:
    offered = SSL.Connection(Certificate.create()._create_ssl_context(SRTP_PROFILES)).get_cipher_list()
    ours = [name for name in offered if not name.startswith("TLS_")]  # those of TLS 1.3, which DTLS here does not speak
    assert ours == ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"]
    profiles = [profile.openssl_profile for profile in SRTP_PROFILES]
    assert profiles == [b"SRTP_AEAD_AES_256_GCM", b"SRTP_AEAD_AES_128_GCM", b"SRTP_AES128_CM_SHA1_80"]


def test_one_certificate_makes_one_tls_context() -> None:
    certificate = Certificate.create()
    assert isinstance(certificate, Certificate)
    assert certificate.fingerprint.startswith("sha-256 ") and len(certificate.fingerprint) == 8 + 95
    assert certificate._create_ssl_context(SRTP_PROFILES) is certificate._create_ssl_context(SRTP_PROFILES)
