"""The port for rate limits."""

from typing import NamedTuple, Protocol, runtime_checkable

from domain.shared import TooMany


class Rate(NamedTuple):
    """At most `limit` at once, and after that one more every `seconds / limit`.

    So a client gets at most twice the limit within any `seconds`, and there is no window at whose end all clients return
    together.
    """

    name: str
    """Budgets with different names are independent."""
    limit: int
    seconds: int


class Decision(NamedTuple):
    allowed: bool
    remaining: int
    """The units that could still be taken immediately."""
    retry_after: float
    """Seconds until the requested units can be taken; 0.0 if they were taken."""
    reset: float
    """Seconds until the budget is full again."""


class Limiter(Protocol):
    """Budgets, one for each rate and key. Every method is atomic among all processes that share the limiter.

    Its memory is bounded: with too many keys, a budget that is not full may be forgotten and starts again. So a client that
    can make up keys must be limited by another budget first.
    """

    async def take(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        """Take `cost` units (1 to the limit) from the budget, or nothing if it has less."""
        ...

    async def refund(self, key: str, rate: Rate, cost: int = 1) -> None:
        """Return units to the budget. It never exceeds its full size."""
        ...

    async def clear(self, key: str, rate: Rate) -> None:
        """Fill the budget."""
        ...


@runtime_checkable
class LocalLimiter(Protocol):
    """A limiter that is in the memory of this process."""

    def take_now(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        """As `Limiter.take`."""
        ...


class RateLimited(TooMany):
    """Too many requests of this kind. `RateLimit` shows the remaining budget, `Retry-After` when to try again."""

    code = "rate_limited"
