"""Subscriptions to events, and the calls of their handlers."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol, TypeAlias, TypeVar

from application.shared.events import Event
from application.shared.log import delivered_event, log
from application.shared.log_events import RepeatedDeliveryFailed
from domain.dataclasses import dataclass
from domain.shared import EventId, Unavailable

E = TypeVar("E", bound=Event)

Handler: TypeAlias = Callable[[E, EventId], Awaitable[None]]
"""Takes an event and its id. It may be called again with the same id, and must then have no further effect: because it is
idempotent, or with the help of `Inbox`. If it raises, it is called again later."""

LongHandler: TypeAlias = Callable[[E, EventId, str | None], Awaitable[str | None]]
"""Does a part of the work and returns where to continue (`continue_from`, at most 64 characters), or None when it is done.
It is called again with that string until it is done; the first time with None. Other deliveries are made in between."""

MORE = "more"
"""A `continue_from` for handlers that find the remaining work in the store."""
TIMEOUT = timedelta(seconds=10)
"""After this time a handler has failed."""
BUDGET = 1.0
"""Seconds after which a long handler should return where to continue. A fraction of TIMEOUT."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscriber takes events of this type. Created with `on` or `on_long`."""

    event_type: type[Event]
    subscriber: str
    """`module.verb_object`. It stands in databases (deliveries, dead letters, the inbox), so it is never changed.
    Events of one aggregate come to a subscriber in order; between subscribers there is none. Handlers that must see
    each other's events in order share one name."""
    handle: LongHandler[Event]
    concerns: Callable[[Event], bool] | None = None
    """Whether this event is for the subscriber; None where each is. What concerns nobody costs no transaction."""


def on(
    event_type: type[E], subscriber: str, handler: Handler[E], when: Callable[[E], bool] | None = None
) -> Subscription:
    """With `when` only those events of the type for which it is true."""

    async def handle(event: Event, event_id: EventId, _continue_from: str | None) -> str | None:
        if isinstance(event, event_type):
            await handler(event, event_id)
        return None

    return Subscription(event_type, subscriber, handle, _concerns(event_type, when))


def on_long(
    event_type: type[E], subscriber: str, handler: LongHandler[E], when: Callable[[E], bool] | None = None
) -> Subscription:
    async def handle(event: Event, event_id: EventId, continue_from: str | None) -> str | None:
        return await handler(event, event_id, continue_from) if isinstance(event, event_type) else None

    return Subscription(event_type, subscriber, handle, _concerns(event_type, when))


def _concerns(event_type: type[E], when: Callable[[E], bool] | None) -> Callable[[Event], bool] | None:
    return None if when is None else lambda event: isinstance(event, event_type) and when(event)


def in_turn(*handlers: Handler[E]) -> Handler[E]:
    """A handler that calls these handlers one after the other."""

    async def handle(event: E, event_id: EventId) -> None:
        for handler in handlers:
            await handler(event, event_id)

    return handle


@dataclass(frozen=True, slots=True)
class Handled:
    """The subscriber handled the event; with `continue_from`, a part of it."""

    continue_from: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    reason: str
    is_counted: bool = True
    """False if something that the subscriber needs is unavailable."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """This process has no such subscriber. A newer version may have it."""


Outcome: TypeAlias = Handled | Failed | Unknown


class Subscribers(Protocol):
    """Delivers an event to a subscriber. `InProcess` calls a function; a broker can reach a module in another process."""

    def of(self, event: Event) -> Sequence[str]:
        """The subscribers that the event is for."""
        ...

    async def deliver(
        self,
        subscriber: str,
        event: Event,
        event_id: EventId,
        continue_from: str | None = None,
        traceparent: str | None = None,
    ) -> Outcome:
        """Returns when the subscriber has handled the event, or why it has not. `traceparent` is the trace that the
        handling belongs to. Raises nothing."""
        ...


class InProcess:
    """Subscribers that are functions in this process."""

    def __init__(self, subscriptions: Iterable[Subscription]) -> None:
        """Raises ValueError if a subscriber takes one type of event twice."""
        by_type: dict[type[Event], dict[str, Subscription]] = {}
        for one in subscriptions:
            of_type = by_type.setdefault(one.event_type, {})
            if one.subscriber in of_type:
                raise ValueError(f"{one.subscriber} takes {one.event_type.__name__} twice")
            of_type[one.subscriber] = one
        self._subscriptions: Mapping[type[Event], Mapping[str, Subscription]] = by_type

    def of(self, event: Event) -> Sequence[str]:
        of_type = self._subscriptions.get(type(event), {})
        return [name for name, one in of_type.items() if one.concerns is None or one.concerns(event)]

    async def deliver(
        self,
        subscriber: str,
        event: Event,
        event_id: EventId,
        continue_from: str | None = None,
        traceparent: str | None = None,
    ) -> Outcome:
        subscription = self._subscriptions.get(type(event), {}).get(subscriber)
        if subscription is None:
            return Unknown()
        before = delivered_event.set(event_id)
        try:
            async with asyncio.timeout(TIMEOUT.total_seconds()):
                return Handled(await subscription.handle(event, event_id, continue_from))
        except Unavailable as error:
            return Failed(_reason(error), is_counted=False)
        except (Exception, asyncio.CancelledError) as error:  # a failure must not stop the other subscribers
            if isinstance(error, asyncio.CancelledError) and _is_stopping():
                raise
            return Failed(_reason(error))
        finally:
            delivered_event.reset(before)


async def deliver_again(subscribers: Subscribers, event: Event, event_id: EventId) -> None:
    """Bring an event once more to all its subscribers, each to its end. A failure is logged and not retried."""
    for subscriber in subscribers.of(event):
        outcome = await subscribers.deliver(subscriber, event, event_id)
        while isinstance(outcome, Handled) and outcome.continue_from is not None:
            outcome = await subscribers.deliver(subscriber, event, event_id, outcome.continue_from)
        if isinstance(outcome, Failed):
            kind = type(event).__name__
            log(RepeatedDeliveryFailed(kind=kind, subscriber=subscriber, reason=outcome.reason))


def _is_stopping() -> bool:
    """Whether this task was cancelled, and not something that a handler waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _reason(error: BaseException) -> str:
    """The error as text that can be stored: databases refuse NUL and lone surrogates."""
    text = f"{type(error).__name__}: {error}"[:500]
    return text.encode(errors="replace").decode().replace("\0", "?")
