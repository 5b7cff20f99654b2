"""An effect that happens once, however often the client has to ask."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from application.shared.ports import Attempt, Idempotency, Record


@dataclass(frozen=True, slots=True)
class Once:
    """The outcome of an effect, and whether an earlier attempt had brought it about."""

    outcome: Record
    replayed: bool = False


async def once(store: Idempotency, attempt: Attempt | None, effect: Callable[[], Awaitable[Record]]) -> Once:
    """Run `effect`, or give what it gave to an earlier attempt with the same key.

    `store` belongs to the transaction of the effect, so the outcome is stored if and only if the
    effect is. Without a key the effect simply runs.
    """
    if attempt is None:
        return Once(await effect())
    if (outcome := await store.begin(attempt)) is not None:
        return Once(outcome, replayed=True)
    outcome = await effect()
    await store.finish(attempt, outcome)
    return Once(outcome)
