"""DTLS-SRTP of one peer, done by aiortc. The only file that touches aiortc's private names (RFC 5763, RFC 5764, RFC 8122).

``RTCDtlsTransport`` asks its ICE side for nothing but ``role``, ``state``, ``_recv()`` and ``_send()``; after the handshake its two
SRTP sessions are used directly, so that RTP never passes through aiortc's tasks. A test names every private name used here, and
``pyproject.toml`` pins the version.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

from aiortc import RTCIceTransport
from aiortc.rtcdtlstransport import (
    SRTP_PROFILES,
    X509_DIGEST_ALGORITHMS,
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    State,
)

from media.srtp import SrtpSessions

FINGERPRINT_ALGORITHMS = tuple(X509_DIGEST_ALGORITHMS)


class DtlsFailure(Exception):
    """The handshake did not come to an end we accept. The message is for people."""


class DatagramPath(Protocol):
    """The ICE side of a peer: datagrams of the far end's validated addresses only."""

    async def receive(self) -> bytes:
        """The next DTLS datagram. Raises ConnectionError when the path is closed."""
        ...

    def send(self, datagram: bytes) -> None: ...


_CIPHERS = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"
"""Forward secret and authenticated; the first is the one that every browser must have (RFC 8827, 6.5). aiortc would take CBC too."""


class Certificate(RTCCertificate):
    """Our ECDSA P-256 certificate: one per process, with one TLS context for all peers (0.22 ms saved for each). Its key is drawn at
    the start and is nowhere but in this process.
    """

    _context: Any = None

    def _create_ssl_context(self, srtp_profiles: Any) -> Any:
        if self._context is None:
            self._context = super()._create_ssl_context(srtp_profiles)
            self._context.set_cipher_list(_CIPHERS)
        return self._context

    @classmethod
    def create(cls) -> "Certificate":
        """With its TLS context, which would cost the first handshake 4 ms of everybody's time."""
        certificate: Certificate = cls.generateCertificate()
        certificate._create_ssl_context(SRTP_PROFILES)
        return certificate

    @property
    def fingerprint(self) -> str:
        """As SDP wants it: ``sha-256 AB:CD:...``"""
        return next(f"{f.algorithm} {f.value}" for f in self.getFingerprints() if f.algorithm == "sha-256")


class _IceSide:
    """What aiortc's DTLS asks of its ICE transport."""

    role = "controlled"
    state = "completed"

    def __init__(self, path: DatagramPath) -> None:
        self._path = path

    async def _recv(self) -> bytes:
        return await self._path.receive()

    async def _send(self, data: bytes) -> None:
        self._path.send(data)


class _Transport(RTCDtlsTransport):
    fingerprint_refused = False

    def _validate_peer_identity(self, remoteParameters: RTCDtlsParameters) -> None:
        super()._validate_peer_identity(remoteParameters)
        self.fingerprint_refused = self._state == State.FAILED


class DtlsLink:
    """One DTLS association and its SRTP sessions.

    ``role``: ``client`` begins the handshake. ``fingerprints``: (algorithm, value) of the far end, from its SDP; all of those whose
    algorithm we know must match. ``on_closed()`` is called when the far end ends the association after it was up.
    """

    def __init__(
        self,
        path: DatagramPath,
        certificate: Certificate,
        role: str,
        fingerprints: tuple[tuple[str, str], ...],
        on_closed: Callable[[], None],
    ) -> None:
        self.role = role
        self._fingerprints = fingerprints
        self._on_closed = on_closed
        self._transport = _Transport(cast(RTCIceTransport, _IceSide(path)), [certificate])
        self._transport._set_role(role)
        self._receiving: asyncio.Future[None] | None = None
        self._closing = False

    async def shake_hands(self, timeout_s: float) -> None:
        """Run the handshake to its end. Raises DtlsFailure, after which the association can only be closed."""
        parameters = RTCDtlsParameters([RTCDtlsFingerprint(algorithm, value) for algorithm, value in self._fingerprints])
        try:
            async with asyncio.timeout(timeout_s):
                await self._transport.start(parameters)
        except TimeoutError:
            raise DtlsFailure(f"The browser answered connectivity checks but finished no DTLS handshake in {timeout_s:.0f} s.") from None
        if self._transport._state == State.CONNECTED:
            receiving = self._transport._task
            assert receiving is not None
            receiving.add_done_callback(self._ended)
            self._receiving = receiving
        elif self._transport.fingerprint_refused:
            raise DtlsFailure(
                "The browser's DTLS certificate does not have the fingerprint its offer announced: "
                "somebody changed the offer or the media on the way, so the connection was refused."
            )
        else:
            raise DtlsFailure(
                "The DTLS handshake with the browser failed: no shared cipher or SRTP profile, or it refused our certificate."
            )

    def _ended(self, receiving: "asyncio.Future[None]") -> None:
        if not receiving.cancelled():
            receiving.exception()
        if not self._closing:
            self._on_closed()

    def sessions(self) -> SrtpSessions:
        """After the handshake."""
        return SrtpSessions(self._transport._rx_srtp, self._transport._tx_srtp)

    async def close(self) -> None:
        """Say goodbye (close_notify) and end the receiving task. Idempotent."""
        self._closing = True
        stop: Awaitable[None] = self._transport.stop()
        await stop
        if self._receiving is not None:
            await asyncio.wait([self._receiving])
