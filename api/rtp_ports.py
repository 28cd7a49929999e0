"""The UDP ports of phone legs: opened here, in the hub, and handed to the media worker that uses them."""

import errno
import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass


class NoPortLeft(Exception):
    """Every port of the configured range is in use, or the process has as many files open as it may."""


@dataclass(frozen=True, slots=True)
class RtpPair:
    """Two bound sockets: RTP on an even port, RTCP on the next one (RFC 3550, section 11)."""

    rtp: socket.socket
    rtcp: socket.socket

    @property
    def port(self) -> int:
        return int(self.rtp.getsockname()[1])

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()


class RtpPorts:
    """Hands out pairs round-robin, so that a port just closed rests longest and a new call does not inherit old packets.

    ``first`` and ``last`` 0: any free ports of the system.
    """

    def __init__(self, host: str, first: int, last: int) -> None:
        self._host = host
        if not first:
            # All even ports that an unprivileged process may have, from a place that differs between two servers on one machine.
            first, last = 20_000 + 2 * (os.getpid() % 10_000), 65_535
        self._first = first + first % 2
        self._pairs = (last - self._first + 1) // 2
        self._next = 0

    def open(self) -> RtpPair:
        """The next free pair. Raises ``NoPortLeft``."""
        for _ in range(self._pairs):
            port = self._first + 2 * self._next
            self._next = (self._next + 1) % self._pairs
            pair = self._try(port)
            if pair is not None:
                return pair
        last = self._first + 2 * self._pairs - 1
        raise NoPortLeft(f"all {self._pairs} port pairs of {self._first}-{last} are in use: widen media.rtp_port_min to media.rtp_port_max")

    def _try(self, port: int) -> RtpPair | None:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        with ExitStack() as opened:
            try:
                rtp = opened.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                rtcp = opened.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                rtp.bind((self._host, port))
                rtcp.bind((self._host, port + 1))
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    raise NoPortLeft("the server may open no more sockets: raise its limit of open files (ulimit -n)") from None
                return None
            rtp.setblocking(False)
            rtcp.setblocking(False)
            opened.pop_all()
            return RtpPair(rtp, rtcp)
