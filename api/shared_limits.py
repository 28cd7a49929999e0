"""The quotas of REST over all nodes, in Redis: every quota of a request in one script, hence in one step and one round trip.

The script is the arithmetic of ``SlidingWindow`` and ``TokenBucket`` on Redis's own clock, so that nodes need not agree about the time.
Without Redis, where it is slow, and at its memory limit (the script may not go over it) nobody counts here: each node goes on by itself.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from api.rest_limits import MINUTE_S, Quota, Standing

_TAKE = """#!lua
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local hour, longest, accounts = 3600, 0, {}
for i, key in ipairs(KEYS) do
  local most, rate, burst = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local held = redis.call('HMGET', key, 'index', 'taken', 'before', 'level', 'at')
  local index, taken, before = math.floor(now / hour), tonumber(held[2]) or 0, tonumber(held[3]) or 0
  local last = tonumber(held[1]) or index
  if index > last then
    before = index == last + 1 and taken or 0
    taken = 0
  else
    index = last
  end
  local share = math.min(1, math.max(0, now / hour - index))
  local at = tonumber(held[5]) or now
  local level = math.min(burst, (tonumber(held[4]) or burst) + math.max(0, now - at) * rate)
  local wait = 0
  if before * (1 - share) + taken + 1 > most then
    if taken + 1 <= most then
      wait = (1 - (most - 1 - taken) / before - share) * hour
    else
      wait = (2 - share - (most - 1) / taken) * hour
    end
  elseif rate > 0 and level < 1 then
    wait = (1 - level) / rate
  end
  longest = math.max(longest, wait)
  accounts[i] = {most, taken, before, index, share, level, math.max(at, now), wait}
end
local found = {}
for i, key in ipairs(KEYS) do
  local most, taken, before, index, share, level, at, wait = unpack(accounts[i])
  if longest == 0 then
    taken, level = taken + 1, level - 1
    redis.call('HSET', key, 'index', index, 'taken', taken, 'before', before, 'level', level, 'at', string.format('%.6f', at))
    redis.call('PEXPIRE', key, 2 * hour * 1000)
  end
  local windows = taken > 0 and 2 or before > 0 and 1 or 0
  local left = math.max(0, math.floor(most - before * (1 - share) - taken))
  for _, figure in ipairs({left, math.max(0, windows - share) * hour, wait}) do
    found[#found + 1] = string.format('%.6f', figure)
  end
end
return found
"""
"""Of each key what is left, the seconds until all is, and those to wait; taken from all of them, or from none where one is to wait."""

_WITHIN_S = 0.25
_LET_BE_S = 1.0
"""So long nobody asks again what did not answer: every request would wait for it."""


class Scripts(Protocol):
    """What is asked of ``signaling.redis_bus.RedisBus``."""

    async def run(self, script: str, keys: Sequence[str], arguments: Sequence[str], *, within_s: float) -> list[bytes] | None: ...


class SharedLimits:
    """See ``api.rest_limits.SharedQuotas``. ``clock``: monotonic seconds. ``alone``: requests that nobody counted here.

    ``within_s``: seconds a request waits for Redis before this node counts it by itself.
    """

    def __init__(self, scripts: Scripts, clock: Callable[[], float] = time.monotonic, *, within_s: float = _WITHIN_S) -> None:
        self._scripts = scripts
        self._within_s = within_s
        self._clock = clock
        self._let_be_until = 0.0
        self.alone = 0

    async def take(self, quotas: Sequence[Quota]) -> list[Standing] | None:
        answer = await self._asked(quotas) if self._clock() >= self._let_be_until else None
        if answer is None:
            self.alone += 1
            return None
        figures = [float(figure) for figure in answer]
        return [
            Standing(quota.rates.per_hour, int(left), reset_s, wait_s, quota.whose)
            for quota, left, reset_s, wait_s in zip(quotas, figures[::3], figures[1::3], figures[2::3], strict=True)
        ]

    async def _asked(self, quotas: Sequence[Quota]) -> list[bytes] | None:
        keys = [f"quota:{quota.kind}:{quota.who}" for quota in quotas]
        arguments = [str(figure) for quota in quotas for figure in _rates(quota)]
        answer = await self._scripts.run(_TAKE, keys, arguments, within_s=self._within_s)
        if answer is None:
            self._let_be_until = self._clock() + _LET_BE_S
        return answer


def _rates(quota: Quota) -> tuple[float, float, float]:
    """Per hour, per second (0: no such bound), at once."""
    rates = quota.rates
    return rates.per_hour, 0.0 if rates.per_minute is None else rates.per_minute / MINUTE_S, rates.burst
