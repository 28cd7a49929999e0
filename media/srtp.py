"""SRTP and SRTCP of one far end (RFC 3711), done by libsrtp through pylibsrtp. The only file that touches pylibsrtp's private names.

A browser's sessions come from its DTLS handshake; a phone's are made of the keys that its session description and ours named (SDES).

The compiled packet path calls libsrtp without Python: the library in pylibsrtp's wheel, built on OpenSSL, takes 2 us for a packet where
Debian's own, built on NSS, takes 7 to 8.
"""

import ctypes
from typing import NamedTuple

import pylibsrtp
from pylibsrtp import _binding

from rooms.audio import SrtpKey, SrtpKeys, SrtpSuite

MAX_PLAIN_BYTES = 1_500 - 148  # pylibsrtp's buffer less SRTCP's longest trailer
MAX_SOURCES = 48
"""SSRCs of one far end: libsrtp keeps a context for each that it ever verified. A camera in three layers has six, and a new offer may
bring others."""
MOST_ROLLOVERS = 64
"""So often may the sequence numbers of a stream have wrapped round before we join it: a day of packets of 20 ms."""
SrtpError = pylibsrtp.Error


_PROFILES = {
    SrtpSuite.AEAD_AES_256_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    SrtpSuite.AEAD_AES_128_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    SrtpSuite.AES_256_CM_HMAC_SHA1_80: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    SrtpSuite.AES_CM_128_HMAC_SHA1_80: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    SrtpSuite.AES_CM_128_HMAC_SHA1_32: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}
_AES_ICM_256 = 5  # srtp.h: the cipher of AES_256_CM; libsrtp has a profile of DTLS for every other suite, and none for this one


_set_stream_roc = ctypes.CDLL(_binding.__file__).srtp_set_stream_roc  # pylibsrtp has no name for it
_set_stream_roc.argtypes = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)


class SrtpSessions(NamedTuple):
    """What comes is verified by one session, what leaves is protected by the other."""

    received: pylibsrtp.Session
    sent: pylibsrtp.Session


def unprotect(sessions: SrtpSessions, datagram: bytes, is_rtcp: bool, sources: set[bytes]) -> bytes:
    """The plain packet. Raises SrtpError for one that is forged, came before, or is of one more source than a far end needs.

    ``sources``: those that were verified so far; this one is added.
    """
    source = datagram[4:8] if is_rtcp else datagram[8:12]
    if source not in sources and len(sources) >= MAX_SOURCES:
        raise SrtpError("one source too many")
    try:
        plain: bytes = sessions.received.unprotect_rtcp(datagram) if is_rtcp else sessions.received.unprotect(datagram)
    except ValueError as too_long:
        raise SrtpError(str(too_long)) from None
    sources.add(source)
    return plain


def open_sessions(keys: SrtpKeys) -> SrtpSessions:
    """New sessions under these keys, each counting from the beginning."""
    return SrtpSessions(received_session(keys.received), sent_session(keys.sent))


def received_session(key: SrtpKey) -> pylibsrtp.Session:
    """Verifies packets of whatever source they come from."""
    return pylibsrtp.Session(_policy(key, pylibsrtp.Policy.SSRC_ANY_INBOUND))


def sent_session(key: SrtpKey) -> pylibsrtp.Session:
    return pylibsrtp.Session(_policy(key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND))


def rollovers(key: SrtpKey, datagram: bytes) -> int:
    """How often the sequence numbers of this packet's source have wrapped round, which nothing tells (RFC 3711, section 3.3.1): by trying.

    Raises SrtpError where no number fits, because the packet is forged.
    """
    session = pylibsrtp.Session()
    for count in range(MOST_ROLLOVERS):
        count_from(session, key, int.from_bytes(datagram[8:12], "big"), count)
        try:
            session.unprotect(datagram)
        except (SrtpError, ValueError):
            continue
        return count
    raise SrtpError("of no stream under this key")


def count_from(session: pylibsrtp.Session, key: SrtpKey, ssrc: int, count: int) -> None:
    """The stream of this source, which the session does not know yet or verified nothing of, has wrapped round so often."""
    policy = _policy(key, pylibsrtp.Policy.SSRC_SPECIFIC)
    policy.ssrc_value = ssrc
    handle = int(_binding.ffi.cast("uintptr_t", session._srtp[0]))
    if _set_stream_roc(handle, ssrc, count):
        session.add_stream(policy)
        _set_stream_roc(handle, ssrc, count)


def _policy(key: SrtpKey, sources: int) -> pylibsrtp.Policy:
    policy = pylibsrtp.Policy(key.key, ssrc_type=sources, srtp_profile=_PROFILES[key.suite])
    policy.window_size = key.window_packets
    if key.suite is SrtpSuite.AES_256_CM_HMAC_SHA1_80:
        for crypto in (policy._policy.rtp, policy._policy.rtcp):
            fields = _binding.ffi.cast("int *", _binding.ffi.addressof(crypto))  # srtp_crypto_policy_t: cipher_type, cipher_key_len, ...
            fields[0], fields[1] = _AES_ICM_256, key.suite.key_bytes
    return policy


def srtp_functions() -> tuple[int, int, int, int]:
    """Addresses of libsrtp's protect, unprotect, protect_rtcp, unprotect_rtcp: ``int f(srtp_t, void *packet, int *size)``, 0 is success."""
    ffi, lib = _binding.ffi, _binding.lib
    names = ("srtp_protect", "srtp_unprotect", "srtp_protect_rtcp", "srtp_unprotect_rtcp")
    first, second, third, fourth = (int(ffi.cast("uintptr_t", ffi.addressof(lib, name))) for name in names)
    return first, second, third, fourth


def srtp_pointers(sessions: SrtpSessions) -> tuple[int, int]:
    """The sessions as libsrtp knows them (``srtp_t``); valid while these objects live."""
    received, sent = (int(_binding.ffi.cast("uintptr_t", session._srtp[0])) for session in sessions)
    return received, sent
