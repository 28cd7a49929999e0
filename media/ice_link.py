"""One browser's side of the shared port: its credentials, its validated addresses, the one selected, and its DTLS datagrams.

An ICE-lite agent (RFC 8445, section 2.5) sends no checks; it learns every address from authenticated checks. The addresses are kept
per socket ("side"), because an answer must leave from the address that was asked.
"""

import asyncio
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from media.wire import Address, Path, WireSocket

MAX_ADDRESSES = 16
MAX_QUEUED_DTLS = 32


class Side(Protocol):
    """One local address of the port."""

    socket: WireSocket

    def forget(self, address: Address) -> None: ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """RFC 8445 section 5.3 wants 24 bits of randomness in the fragment and 128 in the password; here 72 and 192."""

    fragment: str
    password: str

    @classmethod
    def fresh(cls) -> "Credentials":
        """ICE characters only: base64's alphabet without its URL-safe variants."""
        return cls(_ice_characters(12), _ice_characters(32))


def _ice_characters(count: int) -> str:
    return "".join(secrets.choice(_ICE_CHARACTERS) for _ in range(count))


_ICE_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class IceLink:
    """The datagram path of one peer.

    ``path`` takes the packets of its addresses and is directed to the selected one; ``on_selected()`` runs at the first address.
    ``heard_s``: monotonic time of the last valid check, or authenticated packet that was handed over; None before the first check.
    """

    def __init__(self, path: Path, on_selected: Callable[[], None]) -> None:
        self.path = path
        self._on_selected = on_selected
        self.credentials = Credentials.fresh()
        self.previous: Credentials | None = None  # valid until the first check under the new ones
        self.addresses: OrderedDict[tuple[Side, Address], None] = OrderedDict()
        self.heard_s: float | None = None
        self.moves = 0
        self.dropped_dtls = 0
        self.unsent = 0
        self._side: Side | None = None
        self._address: Address | None = None
        self._elsewhere: tuple[Side, Address] | None = None
        self._datagrams: deque[bytes] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self.closed = False

    @property
    def selected(self) -> Address | None:
        """Where we send: the far end's address as seen from here."""
        return self._address

    def restart(self) -> None:
        """New credentials for an ICE restart (RFC 8445, section 9). The old ones go on until the far end uses the new ones."""
        self.previous = self.previous or self.credentials
        self.credentials = Credentials.fresh()

    def validated(self, side: Side, address: Address, nominated: bool, now_s: float) -> None:
        """A check from ``address`` was right: packets from there are ours from now on, and go there when it is nominated or the first.

        Also when it comes a second time and the selected address said nothing in between: an address translator has drawn another port,
        and the consent checks of a browser that nominates only once (RFC 8445) go on from there.
        """
        self.heard_s = now_s
        way = (side, address)
        self.addresses[way] = None
        self.addresses.move_to_end(way)
        if len(self.addresses) > MAX_ADDRESSES:
            self._forget_oldest()
        first, is_selected = self._address is None, way == (self._side, self._address)
        moved = not is_selected and way == self._elsewhere
        self._elsewhere = None if is_selected or moved else way
        if first or nominated or moved:
            self.moves += not first and not is_selected
            self._side, self._address = way
            self.path.direct(side.socket, address)
        if first:
            self._on_selected()

    def _forget_oldest(self) -> None:
        side, address = next(way for way in self.addresses if way != (self._side, self._address))
        del self.addresses[(side, address)]
        side.forget(address)

    def forget(self, side: Side, address: Address) -> None:
        """Nothing can be sent there any more: the newest of the other addresses, if any, takes its place."""
        self.addresses.pop((side, address), None)
        if (self._side, self._address) != (side, address):
            return
        self._side, self._address = next(reversed(self.addresses), (None, None))
        self.path.direct(self._side.socket if self._side is not None else None, self._address)

    def queue_dtls(self, datagram: bytes) -> None:
        """A DTLS record from a validated address; the oldest gives way when nobody reads."""
        if len(self._datagrams) >= MAX_QUEUED_DTLS:
            self._datagrams.popleft()
            self.dropped_dtls += 1
        self._datagrams.append(datagram)
        self._wake()

    async def receive(self) -> bytes:
        """The next DTLS datagram. Raises ConnectionError when the link is closed."""
        while not self._datagrams:
            if self.closed:
                raise ConnectionError("the ICE link is closed")
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        return self._datagrams.popleft()

    def send(self, datagram: bytes) -> None:
        """To the selected address; counted as unsent when there is none."""
        if self._side is None or self._address is None:
            self.unsent += 1
            return
        self._side.socket.send(datagram, self._address)

    def close(self) -> None:
        """Give up all addresses. What is still sent is dropped."""
        self.closed = True
        for side, address in self.addresses:
            side.forget(address)
        self.addresses.clear()
        self._side = self._address = None
        self.path.direct(None, None)
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
