"""The contract of limiters. Each test uses its own keys, since a shared limiter contains those of other tests."""

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
class LimiterHarness:
    """A limiter, and a function that lets time pass for it."""

    limiter: Limiter
    wait: Callable[[float], Awaitable[None]]


class LimiterContract:
    async def test_a_burst_up_to_the_limit_is_allowed_and_no_more(self, harness: LimiterHarness) -> None:
        key = a_key()

        decisions = [await harness.limiter.take(key, TEN) for _ in range(11)]

        assert [decision.allowed for decision in decisions] == [True] * 10 + [False]
        assert [decision.remaining for decision in decisions] == [*range(9, -1, -1), 0]
        assert decisions[0].retry_after == 0.0
        assert round(decisions[0].reset) == 6
        assert round(decisions[9].reset) == 60
        assert round(decisions[10].retry_after) == 6
        assert round(decisions[10].reset) == 60

    async def test_concurrent_requests_are_allowed_up_to_the_limit(self, harness: LimiterHarness) -> None:
        key = a_key()

        decisions = await asyncio.gather(*(harness.limiter.take(key, TEN) for _ in range(80)))

        assert sum(decision.allowed for decision in decisions) == 10

    async def test_a_budget_refills_gradually(self, harness: LimiterHarness) -> None:
        key = a_key()
        await harness.limiter.take(key, TEN, 10)

        await harness.wait(5)
        too_early = await harness.limiter.take(key, TEN)
        await harness.wait(too_early.retry_after + 0.01)
        in_time = await harness.limiter.take(key, TEN)
        again = await harness.limiter.take(key, TEN)

        assert (too_early.allowed, in_time.allowed, again.allowed) == (False, True, False)

    async def test_a_refused_request_takes_nothing(self, harness: LimiterHarness) -> None:
        key = a_key()
        await harness.limiter.take(key, TEN, 8)

        refused = await harness.limiter.take(key, TEN, 3)
        taken = await harness.limiter.take(key, TEN, 2)

        assert (refused.allowed, refused.remaining) == (False, 2)
        assert (taken.allowed, taken.remaining) == (True, 0)

    async def test_a_budget_never_grows_beyond_its_limit(self, harness: LimiterHarness) -> None:
        key = a_key()
        await harness.limiter.take(key, TEN)

        await harness.wait(600)
        await harness.limiter.refund(key, TEN, 5)
        decisions = [await harness.limiter.take(key, TEN) for _ in range(11)]

        assert sum(decision.allowed for decision in decisions) == 10

    async def test_keys_and_names_have_separate_budgets(self, harness: LimiterHarness) -> None:
        key, other = a_key(), a_key()
        await harness.limiter.take(key, TEN, 10)

        assert (await harness.limiter.take(other, TEN)).allowed
        assert (await harness.limiter.take(key, TEN._replace(name="another"))).allowed
        assert not (await harness.limiter.take(key, TEN)).allowed

    async def test_refunded_units_can_be_taken_again(self, harness: LimiterHarness) -> None:
        key = a_key()
        await harness.limiter.take(key, TEN, 10)

        await harness.limiter.refund(key, TEN, 2)
        decisions = [await harness.limiter.take(key, TEN) for _ in range(3)]

        assert [decision.allowed for decision in decisions] == [True, True, False]

    async def test_clearing_restores_the_full_budget(self, harness: LimiterHarness) -> None:
        key = a_key()
        await harness.limiter.take(key, TEN, 10)

        await harness.limiter.clear(key, TEN)
        await harness.limiter.clear(a_key(), TEN)

        assert (await harness.limiter.take(key, TEN, 10)).allowed
