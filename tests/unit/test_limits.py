"""Limits: the counter in memory, what the setting means, and who pays."""

from typing import Any

import pytest

from adapters.memory.limits import MemoryLimiter
from application.shared.limits import RateLimited
from domain.shared import UserId
from entrypoints.http.limits import EXPENSIVE, RATES, Cost, Limits, headers, rates
from tests.port_contracts.limits import TEN, Counting, LimiterContract


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def counting(time: Time) -> Counting:
    return Counting(MemoryLimiter(time), time.wait)


class TestLimiter(LimiterContract): ...


async def test_what_is_whole_again_is_forgotten(time: Time) -> None:
    limiter = MemoryLimiter(time)
    for number in range(1000):
        await limiter.take(f"once-{number}", TEN)
    await time.wait(60)
    for number in range(600):
        await limiter.take(f"later-{number}", TEN)

    assert len(limiter) <= 700


async def test_keys_that_are_made_up_take_no_more_memory_than_there_is(time: Time) -> None:
    limiter = MemoryLimiter(time, max_keys=100)
    for number in range(1000):
        await limiter.take(f"made-up-{number}", TEN, 10)

    assert len(limiter) == 100


@pytest.fixture
def limits(time: Time) -> Limits:
    return Limits(MemoryLimiter(time), rates("read=3/60,anonymous=10/60,auth=2/60,media=50/60"))


async def admitted(limits: Limits, cost: Cost, who: UserId | str) -> int:
    """How many are let in until the first is not."""
    for number in range(100):
        scope: dict[str, Any] = {"network": who}
        try:
            if isinstance(who, str):
                await limits.of_network(scope, cost)
            else:
                await limits.of_user(scope, cost, who)
        except RateLimited:
            return number
    return 100


async def test_ap3_each_user_and_each_network_has_its_own_budget(limits: Limits) -> None:
    assert await admitted(limits, "read", UserId(1)) == 3
    assert await admitted(limits, "read", UserId(2)) == 3
    assert await admitted(limits, "read", "198.51.100.7") == 10
    assert await admitted(limits, "read", "198.51.100.8") == 10
    assert await admitted(limits, "read", UserId(1)) == 0


async def test_ap3_what_costs_more_is_had_less_often_without_a_token(limits: Limits) -> None:
    assert await admitted(limits, "expensive", "198.51.100.7") == 10 // EXPENSIVE
    assert await admitted(limits, "auth", "198.51.100.7") == 2
    assert await admitted(limits, "media", "198.51.100.7") == 50


async def test_probes_cost_nothing(limits: Limits) -> None:
    assert await admitted(limits, "none", "198.51.100.7") == 100


async def test_ap3_the_answer_tells_what_is_left(limits: Limits) -> None:
    scope: dict[str, Any] = {}
    for _ in range(2):
        await limits.of_user(scope, "read", UserId(1))

    assert headers(scope) == (
        (b"ratelimit-policy", b'"read";q=3;w=60'),
        (b"ratelimit", b'"read";r=1;t=40'),
    )


async def test_ap3_a_refusal_tells_when_to_come_again(limits: Limits, time: Time) -> None:
    scope: dict[str, Any] = {}
    for _ in range(3):
        await limits.of_user(scope, "read", UserId(1))
    await time.wait(5.5)

    with pytest.raises(RateLimited) as refused:
        await limits.of_user(scope, "read", UserId(1))

    assert refused.value.retry_after == 15  # of 14.5
    assert headers(scope)[1] == (b"ratelimit", b'"read";r=0;t=55')
    await time.wait(15)
    await limits.of_user(scope, "read", UserId(1))


async def test_without_limits_nothing_is_counted_or_told(time: Time) -> None:
    limits = Limits(MemoryLimiter(time), rates("off"))
    scope: dict[str, Any] = {}
    await limits.of_user(scope, "read", UserId(1))

    assert await admitted(limits, "auth", "198.51.100.7") == 100
    assert not headers(scope)


def test_a_setting_changes_what_it_names_and_leaves_the_rest() -> None:
    changed = rates("read=2400/30, write=7/1")

    assert changed is not None
    assert changed["read"] == ("read", 2400, 30)
    assert changed["write"] == ("write", 7, 1)
    assert changed["auth"] == RATES["auth"]
    assert rates("on") == RATES
