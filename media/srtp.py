"""SRTP and SRTCP of one far end (RFC 3711), done by libsrtp through pylibsrtp."""

from typing import NamedTuple

import pylibsrtp

MAX_PLAIN_BYTES = 1_500 - 148  # pylibsrtp's buffer less SRTCP's longest trailer
SrtpError = pylibsrtp.Error


class SrtpSessions(NamedTuple):
    """What comes is verified by one session, what leaves is protected by the other."""

    received: pylibsrtp.Session
    sent: pylibsrtp.Session
