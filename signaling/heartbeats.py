"""When to ask each client whether it is still there, and which did not answer. Pure: ``now`` is monotonic seconds.

Both delays are the same for all clients, so each of the two queues is in order by itself: one task serves every connection.
"""

from typing import Generic, TypeVar

Client = TypeVar("Client")


class Heartbeats(Generic[Client]):
    """A client is asked ``interval_s`` after it began or answered last, and lost when it then says nothing for ``timeout_s``."""

    def __init__(self, interval_s: float, timeout_s: float) -> None:
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._to_ask: dict[Client, float] = {}
        self._asked: dict[Client, float] = {}

    def begin(self, client: Client, now: float) -> None:
        self._to_ask[client] = now + self._interval_s

    def answered(self, client: Client, now: float) -> None:
        """Counts only from one that was asked: who answers unasked is asked all the same."""
        if self._asked.pop(client, None) is not None:
            self._to_ask[client] = now + self._interval_s

    def end(self, client: Client) -> None:
        self._to_ask.pop(client, None)
        self._asked.pop(client, None)

    def to_ask(self, now: float) -> list[Client]:
        """Whom to ask now. They count as asked."""
        due = _until(self._to_ask, now)
        for client in due:
            self._asked[client] = now + self._timeout_s
        return due

    def lost(self, now: float) -> list[Client]:
        """Who did not answer in time. They are forgotten."""
        return _until(self._asked, now)


def _until(queue: dict[Client, float], now: float) -> list[Client]:
    due = []
    for client, at in queue.items():
        if at > now:
            break
        due.append(client)
    for client in due:
        del queue[client]
    return due
