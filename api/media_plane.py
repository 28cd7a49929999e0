"""What the hub asks of the media plane, be it one worker in this process or a pool of them."""

from collections.abc import Mapping
from typing import Protocol

from media.messages import AnyCommand, AnyResult
from media.transport import Sockets


class MediaPlane(Protocol):
    """Satisfied by ``media.worker.MediaWorker`` and ``media.pool.WorkerPool``."""

    async def perform(self, command: AnyCommand, sock: Sockets | None = None) -> AnyResult:
        """Carry out one command. Raises ``MediaRefusal``."""
        ...

    @property
    def counters(self) -> Mapping[str, float]: ...

    @property
    def gauges(self) -> Mapping[str, float]: ...
