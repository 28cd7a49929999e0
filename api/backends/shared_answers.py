"""What backends said, shared by the nodes in Redis: one hash for each handle, so that to forget somebody is to drop one key.

What is there is sealed (``api/backends/cache.py``). Redis is never waited for longer than an agent would notice; where it is slow or away,
each node asks the backends by itself.
"""

import time
from collections.abc import Callable, Iterable

from api.shared_limits import Scripts

_FETCH = """#!lua flags=no-writes
return {redis.call('HGET', KEYS[1], ARGV[1]) or ''}
"""
_KEEP = """#!lua
if redis.call('HLEN', KEYS[1]) >= 64 then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return {}
"""
"""``PTTL`` is negative where none is set."""
_DROP = """#!lua flags=allow-oom
redis.call('DEL', unpack(KEYS))
return {}
"""
_DROP_WITHIN_S = 3.0
_LET_BE_S = 1.0
_DROPPED_AT_ONCE = 500


class SharedAnswers:
    """Satisfies ``cache.Shelf``. ``within_s``: so long it is waited for. ``clock``: monotonic. ``away``: how often nobody answered."""

    def __init__(self, scripts: Scripts, *, within_s: float = 0.1, clock: Callable[[], float] = time.monotonic) -> None:
        self._scripts = scripts
        self._within_s = within_s
        self._clock = clock
        self._let_be_until = 0.0
        self.away = 0

    async def fetch(self, handle: str, name: str) -> str | None:
        found = await self._run(_FETCH, [handle], [name])
        return found[0].decode() if found and found[0] else None

    async def keep(self, handle: str, name: str, text: str, ttl_s: float) -> None:
        await self._run(_KEEP, [handle], [name, text, str(max(1, int(ttl_s * 1_000)))])

    async def drop(self, handles: Iterable[str]) -> None:
        """Whoever is dropped here while Redis is away cannot be read any more either: their key is destroyed."""
        left = list(handles)
        while left:
            batch, left = left[:_DROPPED_AT_ONCE], left[_DROPPED_AT_ONCE:]
            await self._run(_DROP, batch, [], within_s=_DROP_WITHIN_S, always=True)

    async def _run(
        self, script: str, handles: list[str], arguments: list[str], *, within_s: float = 0.0, always: bool = False
    ) -> list[bytes] | None:
        if self._clock() < self._let_be_until and not always:
            self.away += 1
            return None
        answer = await self._scripts.run(
            script, [f"context:{handle}" for handle in handles], arguments, within_s=within_s or self._within_s
        )
        if answer is None:
            self.away += 1
            self._let_be_until = self._clock() + _LET_BE_S
        return answer
