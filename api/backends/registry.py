"""The backends of this server, each behind its guard."""

import time
from collections.abc import Callable, Iterator, Mapping
from random import Random, SystemRandom
from typing import Any, cast

from api.backends.guard import BackendLimits, Guard, GuardState
from api.backends.protocols import Backend, BookingBackend, CrmBackend, Kind, TicketBackend


class Backends:
    """In the order in which they were added, which is that of their cards. ``guards`` by id; ``titles``: what people call them."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Random | None = None,
        on_asked: Callable[[str, str, float], None] = lambda backend, how, took_s: None,
    ) -> None:
        self._clock = clock
        self._random = random or SystemRandom()
        self._on_asked = on_asked
        self._guards: dict[str, Guard[Any]] = {}
        self._titles: dict[str, str] = {}

    def add(self, backend: Backend, limits: BackendLimits | None = None, title: str = "") -> None:
        """From now on it is asked. Raises ``ValueError`` where there is one of this id."""
        if backend.id in self._guards:
            raise ValueError(f"there are two backends of the id {backend.id}: give one another")
        self._guards[backend.id] = Guard(backend, limits, self._clock, self._random, on_asked=self._on_asked)
        self._titles[backend.id] = title or backend.id

    def __iter__(self) -> Iterator[Guard[Any]]:
        return iter(tuple(self._guards.values()))

    def by_id(self, backend_id: str) -> Backend | None:
        guard = self._guards.get(backend_id)
        return cast("Backend", guard.backend) if guard is not None else None

    @property
    def guards(self) -> Mapping[str, Guard[Any]]:
        return self._guards

    @property
    def titles(self) -> Mapping[str, str]:
        return self._titles

    def crm(self) -> list[Guard[CrmBackend]]:
        return self._of(Kind.CRM)

    def booking(self) -> list[Guard[BookingBackend]]:
        return self._of(Kind.BOOKING)

    def ticketing(self) -> list[Guard[TicketBackend]]:
        return self._of(Kind.TICKETING)

    @property
    def states(self) -> list[GuardState]:
        return [guard.state for guard in self]

    def _of(self, kind: Kind) -> list[Guard[Any]]:
        return [guard for guard in self if guard.backend.kind is kind]

    @property
    def figures(self) -> dict[str, tuple[Mapping[str, float], Mapping[str, float]]]:
        """Of each what it counts, and how it stands now: ``open`` is 1 while it is let alone."""
        return {
            state.backend: (
                state.counts,
                {"asked_now": state.asked_now, "waiting": state.waiting, "open": float(state.breaker == "open")},
            )
            for state in self.states
        }
