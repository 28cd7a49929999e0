"""What a room is, in the commands that made it so: enough to make it again on another worker.

Of each kind of command and leg the latest counts. What happened once is not done again: digits that were sent, a browser's offer; but a
sentence that was not heard whole is said again. The hub's own copies of the phones' sockets are kept, so that no port is ever closed while
its call lives.
"""

import contextlib
from collections import deque

from media import messages as msg
from media.transport import Sockets, each_of

_FORMER_PEERS = 64
_MOST_STALE = 10_000
_STATE = (msg.OpenPeerLeg, msg.OpenRtpLeg, msg.OpenDemoLeg, msg.ConnectRtpLeg, msg.JoinBridge)


class RoomJournal:
    """One room; told of every command that succeeded."""

    def __init__(self, opened: msg.OpenRoom) -> None:
        self._opened = opened
        self._entries: dict[tuple[type, str], msg.AnyCommand] = {}
        self._gains: dict[tuple[str, str], float] = {}
        self._sockets: dict[str, Sockets] = {}
        self._peers: dict[str, str] = {}
        self._former: deque[str] = deque(maxlen=_FORMER_PEERS)
        self._said: dict[str, msg.PlayOnce] = {}

    @property
    def legs(self) -> set[str]:
        """Every leg that a command was about."""
        return {leg_id for _, leg_id in self._entries}

    def note(self, command: msg.AnyCommand, sock: Sockets | None = None) -> None:
        """A command that was carried out; its sockets are ours to close from now on."""
        match command:
            case msg.SetGains(gains=gains):
                self._gains |= {(listener, speaker): gain for listener, speaker, gain in gains}
            case msg.OfferPeer(leg_id=leg_id, peer_id=peer_id):
                self._peers[leg_id] = peer_id
            case msg.CloseLeg(leg_id=leg_id):
                self._drop(leg_id)
            case msg.Play(leg_id=leg_id, sound=None):
                self._entries.pop((msg.Play, leg_id), None)
            case msg.PlayOnce(leg_id=leg_id):
                self._said[leg_id] = command
            case msg.Hush(leg_id=leg_id):
                self._said.pop(leg_id, None)
            case msg.Play(leg_id=leg_id):
                self._entries[msg.Play, leg_id] = command
            case _ if isinstance(command, _STATE):
                self._entries[type(command), command.leg_id] = command
        if sock is not None and isinstance(command, msg.OpenRtpLeg):
            self._sockets[command.leg_id] = sock

    def heard(self, leg_id: str) -> None:
        """What was to be heard once was, or cannot be."""
        self._said.pop(leg_id, None)

    @property
    def said(self) -> list[msg.PlayOnce]:
        """What is being heard once."""
        return list(self._said.values())

    def commands(self) -> list[msg.AnyCommand]:
        """What makes the room again, in an order that works."""
        found: list[msg.AnyCommand] = [self._opened, *self._entries.values()]
        if self._gains:
            found.insert(1, msg.SetGains(self._opened.room_id, tuple((*pair, gain) for pair, gain in self._gains.items())))
        return found

    def sockets_of(self, command: msg.AnyCommand) -> Sockets | None:
        """The sockets that go with a command, without the packets that came while nobody read."""
        sock = self._sockets.get(command.leg_id) if isinstance(command, msg.OpenRtpLeg) else None
        for one in each_of(sock):
            with contextlib.suppress(BlockingIOError, ConnectionError):
                for _ in range(_MOST_STALE):
                    one.recv(2048)
        return sock

    def retire_peers(self) -> dict[str, str]:
        """Every leg's peer, which is no more with its worker; an offer of it is too late from now on."""
        peers, self._peers = self._peers, {}
        self._former.extend(peers.values())
        return peers

    def is_former(self, peer_id: str) -> bool:
        return peer_id in self._former

    def close(self) -> None:
        """The room is over."""
        for leg_id in self.legs:
            self._drop(leg_id)

    def _drop(self, leg_id: str) -> None:
        self._entries = {key: command for key, command in self._entries.items() if key[1] != leg_id}
        self._gains = {pair: gain for pair, gain in self._gains.items() if leg_id not in pair}
        self._peers.pop(leg_id, None)
        self._said.pop(leg_id, None)
        for one in each_of(self._sockets.pop(leg_id, None)):
            one.close()
