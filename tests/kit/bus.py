"""Buses to test: what each delivers is kept."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from signaling.bus import Bus, BusState, Said
from signaling.redis_bus import RedisBus, RedisBusSettings

WITHIN_S = 30.0
PATIENT = {"beat_s": 0.05, "deaf_s": 10.0, "alone_s": 15.0, "lease_s": 15.0}
"""A machine that is busy with something else for seconds is no fault."""
HURRY = {"deaf_s": 3.5, "alone_s": 4.0, "lease_s": 5.5}
"""Where something is to be noticed, and not yet that a machine was busy for two or three seconds."""


class Heard:
    """What came of a bus."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.said: list[Said] = []
        self.gaps: list[dict[str, int]] = []
        self.words: list[tuple[str, bytes]] = []
        self.states: list[BusState] = []
        self._changed = asyncio.Event()
        bus.listen(self._deliver, self._gap)
        bus.join(self._word, self._state)

    def _deliver(self, said: Said) -> None:
        self.said.append(said)
        self._changed.set()

    def _gap(self, seen: Mapping[str, int]) -> None:
        self.gaps.append(dict(seen))
        self._changed.set()

    def _word(self, node: str, word: bytes) -> None:
        self.words.append((node, word))
        self._changed.set()

    def _state(self) -> None:
        self.states.append(self.bus.state)
        self._changed.set()

    def digits(self, topic: str) -> str:
        """The digits said on the topic, in the order they came."""
        return "".join(digit_of(said) for said in self.said if said.topic == topic)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def is_(self, state: BusState) -> None:
        await self.until(lambda: self.bus.state is state)


def digit_of(said: Said) -> str:
    text = said.line.frame.decode("utf-8", "replace")
    return text.split('"digit":"')[1][0] if '"digit":"' in text else ""


@asynccontextmanager
async def redis_bus(url: str, node: str, **settings: float) -> AsyncIterator[Heard]:
    """A bus, patient but for ``settings``."""
    bus = RedisBus(RedisBusSettings(url=url, node=node, **(PATIENT | settings)))  # type: ignore[arg-type]
    heard = Heard(bus)
    async with bus:
        yield heard
