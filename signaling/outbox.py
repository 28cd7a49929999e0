"""What waits to be sent to one client, bounded."""

from collections.abc import Callable

from signaling.websocket import Opcode, frame


class Line:
    """An Engine.IO packet as the bytes of its WebSocket frame: made once for all its readers."""

    __slots__ = ("frame",)

    def __init__(self, text: str) -> None:
        self.frame = frame(Opcode.TEXT, text.encode())

    @classmethod
    def message(cls, socketio_text: str) -> "Line":
        """Of a Socket.IO packet."""
        return cls("4" + socketio_text)


class Outbox:
    """At most ``packets`` and ``size`` bytes wait. Over that, ``on_overflow`` is called once and nothing more is taken.

    ``on_waiting`` is called when there is something after there was nothing. A volatile line takes the place of the one before it with the
    same key, if that still waits.
    """

    __slots__ = ("_ended", "_largest", "_most", "_next", "_on_overflow", "_on_waiting", "_over", "_size", "_waiting", "superseded")

    def __init__(self, *, packets: int, size: int, on_waiting: Callable[[], None], on_overflow: Callable[[], None]) -> None:
        self._most = packets
        self._largest = size
        self._on_waiting = on_waiting
        self._on_overflow = on_overflow
        self._waiting: dict[str | int, Line] = {}
        self._next = 0
        self._size = 0
        self._over = False
        """Nothing more is taken."""
        self._ended = False
        self.superseded = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def ended(self) -> bool:
        """Nothing will follow what waits."""
        return self._ended

    def offer(self, line: Line, volatile_key: str | None = None) -> None:
        """Queue a line; never blocks."""
        if self._over:
            return
        waiting = self._waiting
        if volatile_key is not None and (older := waiting.pop(volatile_key, None)) is not None:
            self._size -= len(older.frame)
            self.superseded += 1
        self._size += len(line.frame)
        if volatile_key is None:
            self._next += 1
            waiting[self._next] = line
        else:
            waiting[volatile_key] = line
        if len(waiting) == 1:
            self._on_waiting()
        if len(waiting) > self._most or self._size > self._largest:
            waiting.clear()
            self._size = 0
            self._over = True
            self._on_overflow()

    def end(self, *last: Line) -> None:
        """``last`` goes after what waits, and nothing after that."""
        if not self._ended:
            self._over = self._ended = True
            for line in last:
                self._next += 1
                self._waiting[self._next] = line
            self._on_waiting()

    def take(self) -> bytes | None:
        """The oldest that waits."""
        for key, line in self._waiting.items():
            del self._waiting[key]
            self._size -= len(line.frame)
            return line.frame
        return None
