"""What the hub asks of the media plane, be it one worker in this process or a pool of them, and what the plane is made with."""

from collections.abc import Callable, Mapping
from typing import Protocol

from dsp.suppress import Suppressor
from media.messages import AnyCommand, AnyResult
from media.transport import Sockets
from ml.suppressor import Suppressor as LearnedSuppressor


class MediaPlane(Protocol):
    """Satisfied by ``media.worker.MediaWorker`` and ``media.pool.WorkerPool``."""

    async def perform(self, command: AnyCommand, sock: Sockets | None = None) -> AnyResult:
        """Carry out one command. Raises ``MediaRefusal``."""
        ...

    @property
    def counters(self) -> Mapping[str, float]: ...

    @property
    def gauges(self) -> Mapping[str, float]: ...


def suppressor_maker(name: str) -> Callable[[int], Suppressor] | None:
    """Of ``media.voice.suppressor``: None is the chain's own, the classical one."""
    return LearnedSuppressor if name == "learned" else None
