"""Measured ports that several modules use."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.metered.meters import Meters
from application.shared.caching import Cache, CachedValue
from application.shared.events import Event
from application.shared.limits import Decision, Limiter, LocalLimiter, Rate
from application.shared.mail import Mail, Message, Undeliverable
from application.shared.ports import Clock
from application.shared.subscriptions import Failed, Handled, Outcome, Subscribers
from domain.shared import EventId, made_at


class MeteredLimiter:
    def __init__(self, limiter: Limiter, meters: Meters) -> None:
        self._limiter, self._taken = limiter, meters.limits

    async def take(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        decision = await self._limiter.take(key, rate, cost)
        self._taken[rate.name, decision.allowed] += 1
        return decision

    async def refund(self, key: str, rate: Rate, cost: int = 1) -> None:
        await self._limiter.refund(key, rate, cost)

    async def clear(self, key: str, rate: Rate) -> None:
        await self._limiter.clear(key, rate)


class MeteredLocalLimiter(MeteredLimiter):
    """Of a limiter in the memory of this process."""

    def __init__(self, limiter: Limiter, local: LocalLimiter, meters: Meters) -> None:
        super().__init__(limiter, meters)
        self._local = local

    def take_now(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        decision = self._local.take_now(key, rate, cost)
        self._taken[rate.name, decision.allowed] += 1
        return decision


def metered_limiter(limiter: Limiter, meters: Meters) -> Limiter:
    if isinstance(limiter, LocalLimiter):
        return MeteredLocalLimiter(limiter, limiter, meters)
    return MeteredLimiter(limiter, meters)


@dataclass(frozen=True, slots=True)
class MeteredCache:
    cache: Cache
    meters: Meters

    async def get(self, key: str) -> CachedValue | None:
        found = await self.cache.get(key)
        self.meters.cache_hits[found is not None] += 1
        return found

    async def set(self, key: str, value: CachedValue, ttl: float) -> None:
        await self.cache.set(key, value, ttl)

    async def delete(self, key: str) -> None:
        await self.cache.delete(key)


@dataclass(frozen=True, slots=True)
class MeteredMail:
    mail: Mail
    meters: Meters

    async def send(self, message: Message) -> None:
        sent = self.meters.mail
        try:
            await self.mail.send(message)
        except Undeliverable:
            sent["refused"] += 1
            raise
        except Exception:
            sent["failed"] += 1
            raise
        sent["sent"] += 1


@dataclass(frozen=True, slots=True)
class MeteredSubscribers:
    subscribers: Subscribers
    meters: Meters
    now: Clock

    def of(self, event: Event) -> Sequence[str]:
        return self.subscribers.of(event)

    async def deliver(
        self,
        subscriber: str,
        event: Event,
        event_id: EventId,
        continue_from: str | None = None,
        traceparent: str | None = None,
    ) -> Outcome:
        began = time.perf_counter()
        outcome = await self.subscribers.deliver(subscriber, event, event_id, continue_from, traceparent)
        took = time.perf_counter() - began
        match outcome:
            case Handled(None):
                name = "handled"
                self.meters.delays.observe(max(0.0, (self.now() - made_at(event_id)).total_seconds()))
            case Handled():
                name = "continued"
            case Failed(is_counted=False):
                name = "unavailable"
            case Failed():
                name = "failed"
            case _:  # the name is from another version, and no label
                return outcome
        self.meters.deliveries[subscriber, name].observe(took)
        return outcome
