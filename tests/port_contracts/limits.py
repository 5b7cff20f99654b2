"""What every counter of requests must do. Each test has its own keys: a shared counter keeps what others did."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from application.shared.limits import Limiter, Rate

TEN = Rate("ten", 10, 60)

_keys = itertools.count()


def a_key() -> str:
    return f"user-{next(_keys)}"


@dataclass
class Counting:
    """A counter, and how to let time go by for it."""

    limiter: Limiter
    wait: Callable[[float], Awaitable[None]]


class LimiterContract:
    async def test_as_much_as_the_limit_is_taken_at_once_and_no_more(self, counting: Counting) -> None:
        key = a_key()

        decisions = [await counting.limiter.take(key, TEN) for _ in range(11)]

        assert [decision.allowed for decision in decisions] == [True] * 10 + [False]
        assert [decision.remaining for decision in decisions] == [*range(9, -1, -1), 0]
        assert decisions[0].retry_after == 0.0
        assert round(decisions[0].reset) == 6
        assert round(decisions[9].reset) == 60
        assert round(decisions[10].retry_after) == 6
        assert round(decisions[10].reset) == 60

    async def test_ap3_of_many_at_once_as_many_are_let_in_as_there_may_be(self, counting: Counting) -> None:
        key = a_key()

        decisions = await asyncio.gather(*(counting.limiter.take(key, TEN) for _ in range(80)))

        assert sum(decision.allowed for decision in decisions) == 10

    async def test_what_was_taken_comes_back_bit_by_bit(self, counting: Counting) -> None:
        key = a_key()
        await counting.limiter.take(key, TEN, 10)

        await counting.wait(5)
        too_early = await counting.limiter.take(key, TEN)
        await counting.wait(too_early.retry_after + 0.01)
        in_time = await counting.limiter.take(key, TEN)
        again = await counting.limiter.take(key, TEN)

        assert (too_early.allowed, in_time.allowed, again.allowed) == (False, True, False)

    async def test_a_refusal_costs_nothing(self, counting: Counting) -> None:
        key = a_key()
        await counting.limiter.take(key, TEN, 8)

        refused = await counting.limiter.take(key, TEN, 3)
        taken = await counting.limiter.take(key, TEN, 2)

        assert (refused.allowed, refused.remaining) == (False, 2)
        assert (taken.allowed, taken.remaining) == (True, 0)

    async def test_a_budget_never_grows_beyond_its_limit(self, counting: Counting) -> None:
        key = a_key()
        await counting.limiter.take(key, TEN)

        await counting.wait(600)
        await counting.limiter.give_back(key, TEN, 5)
        decisions = [await counting.limiter.take(key, TEN) for _ in range(11)]

        assert sum(decision.allowed for decision in decisions) == 10

    async def test_keys_and_names_have_budgets_of_their_own(self, counting: Counting) -> None:
        key, other = a_key(), a_key()
        await counting.limiter.take(key, TEN, 10)

        assert (await counting.limiter.take(other, TEN)).allowed
        assert (await counting.limiter.take(key, TEN._replace(name="another"))).allowed
        assert not (await counting.limiter.take(key, TEN)).allowed

    async def test_what_is_given_back_can_be_taken_again(self, counting: Counting) -> None:
        key = a_key()
        await counting.limiter.take(key, TEN, 10)

        await counting.limiter.give_back(key, TEN, 2)
        decisions = [await counting.limiter.take(key, TEN) for _ in range(3)]

        assert [decision.allowed for decision in decisions] == [True, True, False]

    async def test_a_budget_that_is_cleared_is_whole(self, counting: Counting) -> None:
        key = a_key()
        await counting.limiter.take(key, TEN, 10)

        await counting.limiter.clear(key, TEN)
        await counting.limiter.clear(a_key(), TEN)

        assert (await counting.limiter.take(key, TEN, 10)).allowed
