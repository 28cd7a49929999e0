"""Answers that are good for a while. Pure: ``now`` is an argument. Bounded: the oldest give way."""

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Cache(Generic[Key, Value]):
    """Each entry is good for ``life_s``; ``most`` of them are kept."""

    def __init__(self, life_s: float, most: int = 10_000) -> None:
        self._life_s, self._most = life_s, most
        self._entries: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    def get(self, key: Key, now: float) -> Value | None:
        at_s, value = self._entries.get(key, (float("-inf"), None))
        return value if now - at_s < self._life_s else None

    def put(self, key: Key, value: Value, now: float) -> None:
        self._entries[key] = (now, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._most:
            self._entries.popitem(last=False)
