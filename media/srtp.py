"""SRTP and SRTCP of one far end (RFC 3711), done by libsrtp through pylibsrtp. The only file that touches pylibsrtp's private names.

The compiled packet path calls libsrtp without Python: the library in pylibsrtp's wheel, built on OpenSSL, takes 2 us for a packet where
Debian's own, built on NSS, takes 7 to 8.
"""

from typing import NamedTuple

import pylibsrtp
from pylibsrtp import _binding

MAX_PLAIN_BYTES = 1_500 - 148  # pylibsrtp's buffer less SRTCP's longest trailer
SrtpError = pylibsrtp.Error


class SrtpSessions(NamedTuple):
    """What comes is verified by one session, what leaves is protected by the other."""

    received: pylibsrtp.Session
    sent: pylibsrtp.Session


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
