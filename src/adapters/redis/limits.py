"""Rate limits that all processes share, in Redis."""

from collections.abc import Callable
from dataclasses import dataclass

from adapters.redis.client import Client, Script
from adapters.redis.connection import RedisAway
from application.shared.limits import Decision, Limiter, Rate

_PREFIX = "waggle:1:limit:"

_TAKE = Script("""
-- GCRA in microseconds by the clock of Redis: one number per budget, the time at which it is full again.
-- ARGV: limit, seconds, cost. Returns allowed, remaining, retry after, reset.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local period = ARGV[2] * 1000000
local each = period / ARGV[1]
local owed = (tonumber(redis.pcall('GET', KEYS[1]) or 0) or 0) - now
if not (owed > 0) then owed = 0 end
if owed > period then owed = period end  -- a clock that was set back must not lock a client out
local after = owed + ARGV[3] * each
if after > period + each * 0.000001 + 1 then
  return {0, math.floor((period - owed) / each + 0.000001), math.ceil(after - period), math.ceil(owed)}
end
redis.call('SET', KEYS[1], string.format('%.0f', now + after), 'PX', math.ceil(after / 1000) + 1)
return {1, math.floor(math.max(0, period - after) / each + 0.00001), 0, math.ceil(after)}
""")

_REFUND = Script("""
-- ARGV: limit, seconds, cost.
local full_at = tonumber(redis.pcall('GET', KEYS[1]) or 0) or 0
if full_at > 0 then
  redis.call('SET', KEYS[1], string.format('%.0f', full_at - ARGV[3] * ARGV[2] * 1000000 / ARGV[1]), 'KEEPTTL')
end
""")


@dataclass(frozen=True, slots=True)
class RedisLimiter:
    """While Redis is unavailable, each process counts for itself with its share of the rates. Together the processes allow
    as much as Redis would."""

    client: Client
    fallback: Limiter
    processes: Callable[[], int]
    """The number of processes that share the rates."""

    async def take(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        try:
            allowed, remaining, retry_after, reset = await self.client.run_script(
                _TAKE, (_key(key, rate),), rate.limit, rate.seconds, cost
            )
        except RedisAway:
            return await self.fallback.take(key, self._share(rate, cost), cost)
        return Decision(allowed == 1, remaining, retry_after / 1e6, reset / 1e6)

    async def refund(self, key: str, rate: Rate, cost: int = 1) -> None:
        await self.fallback.refund(key, self._share(rate, cost), cost)
        try:
            await self.client.run_script(_REFUND, (_key(key, rate),), rate.limit, rate.seconds, cost)
        except RedisAway:
            return

    async def clear(self, key: str, rate: Rate) -> None:
        await self.fallback.clear(key, rate)
        try:
            await self.client.call("UNLINK", _key(key, rate))
        except RedisAway:
            return

    def _share(self, rate: Rate, cost: int) -> Rate:
        """The share of this process in a rate, at least enough for one request."""
        return Rate(rate.name, max(cost, rate.limit // self.processes()), rate.seconds)


def _key(key: str, rate: Rate) -> str:
    return f"{_PREFIX}{rate.name}:{key}"
