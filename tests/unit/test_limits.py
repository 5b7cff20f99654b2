"""Rate limits: the counter in memory, the setting, and the budgets that a request is charged to."""

import pytest

from adapters.memory.limits import MemoryLimiter
from application.shared.limits import RateLimited
from domain.shared import UserId
from entrypoints.access.limits import EXPENSIVE, RATES, Caller, Cost, RateLimits, rates
from entrypoints.http.responses import rate_limit_headers
from tests.port_contracts.limits import TEN, LimiterContract, LimiterHarness
from tests.unit.clock import Time


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def harness(time: Time) -> LimiterHarness:
    return LimiterHarness(MemoryLimiter(time.monotonic), time.wait)


class TestLimiter(LimiterContract): ...


async def test_full_budgets_are_forgotten(time: Time) -> None:
    limiter = MemoryLimiter(time.monotonic)
    for number in range(1000):
        await limiter.take(f"once-{number}", TEN)
    await time.wait(60)
    for number in range(600):
        await limiter.take(f"later-{number}", TEN)

    assert len(limiter) <= 700


async def test_made_up_keys_take_a_bounded_amount_of_memory(time: Time) -> None:
    limiter = MemoryLimiter(time.monotonic, max_keys=100)
    for number in range(1000):
        await limiter.take(f"made-up-{number}", TEN, 10)

    assert len(limiter) == 100


@pytest.fixture
def limits(time: Time) -> RateLimits:
    return RateLimits(MemoryLimiter(time.monotonic), rates("read=3/60,anonymous=10/60,auth=2/60,media=50/60"))


async def allowed(limits: RateLimits, cost: Cost, client: UserId | str) -> int:
    """The number of requests of the user or network that are allowed before one is refused."""
    for number in range(100):
        try:
            if isinstance(client, str):
                await limits.charge_network(Caller(client), cost)
            else:
                await limits.charge_user(Caller("198.51.100.7"), cost, client)
        except RateLimited:
            return number
    return 100


async def test_ap3_each_user_and_each_network_has_its_own_budget(limits: RateLimits) -> None:
    assert await allowed(limits, "read", UserId(1)) == 3
    assert await allowed(limits, "read", UserId(2)) == 3
    assert await allowed(limits, "read", "198.51.100.7") == 10
    assert await allowed(limits, "read", "198.51.100.8") == 10
    assert await allowed(limits, "read", UserId(1)) == 0


async def test_ap3_without_a_token_each_cost_class_has_its_own_limit(limits: RateLimits) -> None:
    assert await allowed(limits, "expensive", "198.51.100.7") == 10 // EXPENSIVE
    assert await allowed(limits, "auth", "198.51.100.7") == 2
    assert await allowed(limits, "media", "198.51.100.7") == 50


async def test_the_cost_class_none_is_not_counted(limits: RateLimits) -> None:
    assert await allowed(limits, "none", "198.51.100.7") == 100


async def test_ap3_the_headers_show_the_remaining_budget(limits: RateLimits) -> None:
    caller = Caller("198.51.100.7")
    for _ in range(2):
        await limits.charge_user(caller, "read", UserId(1))

    assert rate_limit_headers(caller) == (
        (b"ratelimit-policy", b'"read";q=3;w=60'),
        (b"ratelimit", b'"read";r=1;t=40'),
    )


async def test_ap3_a_refusal_says_when_to_try_again(limits: RateLimits, time: Time) -> None:
    caller = Caller("198.51.100.7")
    for _ in range(3):
        await limits.charge_user(caller, "read", UserId(1))
    await time.wait(5.5)

    with pytest.raises(RateLimited) as refused:
        await limits.charge_user(caller, "read", UserId(1))

    assert refused.value.retry_after == 15  # of 14.5
    assert rate_limit_headers(caller)[1] == (b"ratelimit", b'"read";r=0;t=55')
    await time.wait(15)
    await limits.charge_user(caller, "read", UserId(1))


async def test_with_limits_off_nothing_is_counted_or_shown(time: Time) -> None:
    limits = RateLimits(MemoryLimiter(time.monotonic), rates("off"))
    caller = Caller("198.51.100.7")
    await limits.charge_user(caller, "read", UserId(1))

    assert await allowed(limits, "auth", "198.51.100.7") == 100
    assert not rate_limit_headers(caller)


def test_the_setting_changes_only_the_rates_that_it_names() -> None:
    changed = rates("read=2400/30, write=7/1")

    assert changed is not None
    assert changed["read"] == ("read", 2400, 30)
    assert changed["write"] == ("write", 7, 1)
    assert changed["auth"] == RATES["auth"]
    assert rates("on") == RATES
