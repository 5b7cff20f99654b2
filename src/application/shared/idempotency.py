"""Effects that happen once, however often the client retries."""

from collections.abc import Awaitable, Callable

from application.shared.ports import Idempotency, IdempotentRequest, Record
from domain.dataclasses import dataclass
from domain.shared import SessionId, UserId


@dataclass(frozen=True, slots=True)
class IdempotentResult:
    """The outcome of an effect, and whether an earlier attempt caused it."""

    outcome: Record
    replayed: bool = False


async def run_once(
    store: Idempotency,
    idempotent_request: IdempotentRequest | None,
    effect: Callable[[], Awaitable[Record]],
    owner: Callable[[Record], UserId] | None = None,
    session: Callable[[Record], SessionId] | None = None,
) -> IdempotentResult:
    """Run `effect`, or return the outcome of an earlier attempt with the same key.

    `store` belongs to the transaction of the effect, so the outcome is stored if and only if the effect is. Without a key
    the effect simply runs. `owner` extracts the user that the outcome belongs to, for an anonymous request such as a
    registration. `session` extracts the session whose credentials the outcome contains: the outcome is deleted when that
    session ends or gets other tokens.
    """
    if idempotent_request is None:
        return IdempotentResult(await effect())
    if (outcome := await store.begin(idempotent_request)) is not None:
        return IdempotentResult(outcome, replayed=True)
    outcome = await effect()
    await store.finish(
        idempotent_request, outcome, owner(outcome) if owner else None, session(outcome) if session else None
    )
    return IdempotentResult(outcome)
