"""How often something may be done: the port of whoever counts."""

from typing import NamedTuple, Protocol

from domain.shared import TooMany


class Rate(NamedTuple):
    """At most `limit` at once, and after that one more every `seconds / limit`.

    So nobody gets more than twice the limit within any `seconds`, and there is no full minute whose
    end everybody waits for.
    """

    name: str
    """Budgets of different names never meet."""
    limit: int
    seconds: int


class Decision(NamedTuple):
    allowed: bool
    remaining: int
    """What could still be taken at once."""
    retry_after: float
    """Seconds until as much as was asked for can be taken; 0.0 if it was."""
    reset: float
    """Seconds until the budget is whole again."""


class Limiter(Protocol):
    """Budgets, one for each rate and key. Every method is atomic among all who count with it.

    Bounded in memory: when there are more keys than it keeps, one that is not whole yet may be forgotten,
    and begins anew. So who makes keys up must be held by another budget first.
    """

    async def take(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        """Take `cost` (1 to the limit) from the budget, or nothing if it does not hold as much."""
        ...

    async def give_back(self, key: str, rate: Rate, cost: int = 1) -> None:
        """Undo that much of what was taken. The budget never gets larger than it was at first."""
        ...

    async def clear(self, key: str, rate: Rate) -> None:
        """Make the budget whole."""
        ...


class RateLimited(TooMany):
    """Too many requests of this kind. `RateLimit` tells what is left, `Retry-After` when to come again."""

    code = "rate_limited"
