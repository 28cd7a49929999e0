"""Which of a PBX's addresses to use: the first that works, with a circuit breaker for each. Pure.

Closed: used. After ``failures`` in a row open: not used for ``first_s``, doubled with every further failure up to ``longest_s``. Then half
open: one request tries; its success closes, its failure opens again. Of several usable addresses the first counts, so that work returns to
the preferred one by itself, with the one request that tries.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    opened: int = 0
    until_s: float = 0.0
    trying: bool = False


class Bases:
    """Addresses of one PBX, the preferred one first."""

    def __init__(self, bases: tuple[str, ...], *, failures: int = 3, first_s: float = 1.0, longest_s: float = 60.0) -> None:
        self._failures, self._first_s, self._longest_s = failures, first_s, longest_s
        self._circuits = {base.rstrip("/"): _Circuit() for base in bases}

    def choose(self, now: float, without: frozenset[str] = frozenset()) -> str | None:
        """The address to use now; None while every circuit is open. Whoever takes it says afterwards how it went."""
        for base, circuit in self._circuits.items():
            if base in without:
                continue
            if not circuit.opened:
                return base
            if now >= circuit.until_s and not circuit.trying:
                circuit.trying = True
                return base
        return None

    def likely(self) -> str:
        """The address to use for what must not decide about circuits, such as a stream that ends with its call."""
        return next((base for base, circuit in self._circuits.items() if not circuit.opened), next(iter(self._circuits)))

    def worked(self, base: str) -> None:
        self._circuits[base] = _Circuit()

    def abandoned(self, base: str) -> None:
        """Whoever took it gave up before it could say anything about it."""
        self._circuits[base].trying = False

    def failed(self, base: str, now: float) -> None:
        circuit = self._circuits[base]
        circuit.failures += 1
        circuit.trying = False
        if circuit.opened or circuit.failures >= self._failures:
            circuit.until_s = now + min(self._longest_s, self._first_s * 2.0 ** min(circuit.opened, 16))
            circuit.opened += 1

    def wait_s(self, now: float) -> float:
        """Until some address may be tried again."""
        return max(0.0, min((each.until_s if each.opened else now for each in self._circuits.values()), default=now) - now)

    @property
    def open(self) -> tuple[str, ...]:
        """Addresses that are not used now."""
        return tuple(base for base, circuit in self._circuits.items() if circuit.opened)
