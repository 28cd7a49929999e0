"""A phone's leg: a socket of its own, opened before anything is agreed, and agreements that may change in mid-call."""

import socket
from collections.abc import Callable
from typing import Self

from media.leg import Agreement, EventFormat, Leg
from media.messages import AnyMediaEvent, LegSilent, MediaRefusal
from media.reach import is_address, may_send_to
from media.rtp_socket import RtpSocket
from media.settings import MediaSettings
from media.wire import Wire
from rooms.audio import KNOWN_CODECS, RtpEndpoint


class PhoneLeg:
    """``async with`` takes over the sockets; ``on_event`` takes what happens, ``on_change`` is called when the room needs a new plan."""

    def __init__(
        self,
        leg: Leg,
        sock: socket.socket,
        rtcp_sock: socket.socket | None,
        wire: Wire,
        settings: MediaSettings,
        on_event: Callable[[AnyMediaEvent], None],
        on_change: Callable[[], None],
    ) -> None:
        self.leg = leg
        self._on_event, self._on_change = on_event, on_change
        self._silent_after_s = settings.silent_after_s
        self._own_hosts = (*settings.hosts, *settings.public_hosts)
        self._socket = RtpSocket(
            sock,
            leg.receive,
            leg.receive_reports,
            self._on_state,
            wire=wire,
            rtcp_sock=rtcp_sock,
            learns=settings.learn_phone_addresses,
            silent_s=settings.silent_after_s,
        )
        leg.attach(self._socket)

    async def __aenter__(self) -> Self:
        await self._socket.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._socket.__aexit__(None, None, None)

    @property
    def address(self) -> tuple[str, int]:
        """Where the socket listens."""
        return self._socket.local

    def look(self, now_s: float) -> None:
        """Is the phone heard? To be called now and then."""
        self._socket.look(now_s)

    def connect(self, remote: RtpEndpoint) -> None:
        """Carry out what was agreed. Raises MediaRefusal when it names no codec that we speak, or an address where nothing
        may be sent; the former agreement then stands.
        """
        codecs = [codec for codec in remote.codecs if codec.name in KNOWN_CODECS]
        if not codecs:
            raise MediaRefusal("no_shared_codec", f"The phone agreed to no codec that we speak: allow one of {', '.join(KNOWN_CODECS)}.")
        local_host, _ = self._socket.local
        own = self._own_hosts
        if remote.port and is_address(remote.host) and not may_send_to(remote.host, remote.port, local_host, remote.signalled_from, own):
            raise MediaRefusal(
                "forbidden_address",
                f"The phone wants its audio sent to {remote.host}, port {remote.port}, which is nothing of another machine that media may "
                "go to (this machine, link-local, multicast, metadata, a port of servers): correct its network settings.",
            )
        event_out = EventFormat(remote.dtmf_payload_type, remote.dtmf_clock_hz) if remote.dtmf_payload_type is not None else None
        events = dict(remote.events) | ({event_out.payload_type: event_out.clock_rate_hz} if event_out is not None else {})
        self._socket.agree(remote)
        self.leg.reports.wanted = remote.reports
        self.leg.agree(
            Agreement(
                spoken=codecs[0],
                codecs={codec.payload_type: codec for codec in codecs},
                event_out=event_out,
                events_in=events,
                far_sends=remote.direction.sends,
                far_receives=remote.direction.receives,
                wanted_ms=remote.ptime_ms,
            )
        )
        self.leg.connected, self.leg.silent = self._socket.remote is not None, False
        self._on_change()

    def _on_state(self, state: str, detail: str) -> None:
        was_silent, self.leg.silent = self.leg.silent, state == "silent"
        if self.leg.silent and not was_silent:
            self._on_event(LegSilent(leg_id=self.leg.leg_id, silent_s=self._silent_after_s))
        self._on_change()
