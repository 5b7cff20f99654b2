"""The number of passwords that may be tried per hour."""

from dataclasses import dataclass, field

import pytest

from adapters.memory.limits import MemoryLimiter
from application.identity.throttle import Throttle, TooManyAttempts
from application.shared.errors import Overloaded
from domain.identity import WrongCredentials
from domain.shared import SessionId, UserId

HOUR = 3600
ANN = UserId(7)


@dataclass
class Tries:
    now: float = 0.0
    throttle: Throttle = field(init=False)

    def __post_init__(self) -> None:
        limiter = MemoryLimiter(lambda: self.now + 1)
        self.throttle = Throttle(limiter, lambda *parts: b" ".join(parts).hex())

    async def login(
        self,
        network: str,
        user_id: UserId | None = ANN,
        *,
        login: str = "ann",
        recognised: bool = False,
        right: bool = False,
    ) -> bool:
        """Whether the password was checked."""
        try:
            async with self.throttle.login(user_id, login, network, recognised=recognised):
                if not right:
                    refuse()
        except TooManyAttempts:
            return False
        except WrongCredentials:
            pass
        return True


def refuse() -> None:
    raise WrongCredentials


@pytest.fixture
def tries() -> Tries:
    return Tries()


@pytest.mark.parametrize("user_id", [ANN, None], ids=["an account", "nobody"])
async def test_id2_at_most_a_hundred_guesses_an_hour_are_checked(
    tries: Tries, user_id: UserId | None
) -> None:
    checked = 0
    while tries.now < HOUR:
        checked += await tries.login(f"network {int(tries.now) % 500}", user_id)
        tries.now += 1

    assert 20 < checked <= 100


async def test_id2_guesses_from_elsewhere_do_not_lock_out_a_known_network(tries: Tries) -> None:
    for number in range(5000):
        await tries.login(f"network {number % 50}")

    assert not await tries.login("a new one", right=True)
    assert await tries.login("home", recognised=True, right=True)


async def test_id2_a_known_network_is_limited_too(tries: Tries) -> None:
    checked = 0
    while tries.now < HOUR:
        checked += await tries.login("home", recognised=True)
        tries.now += 1

    assert checked <= 20


async def test_id2_guesses_at_one_password_are_limited_however_they_are_distributed(
    tries: Tries,
) -> None:
    """They come from unknown networks, from twenty known networks, and with twenty stolen tokens."""
    checked: list[float] = []

    async def confirm(session: int) -> bool:
        try:
            async with tries.throttle.confirmation(ANN, SessionId(session)):
                refuse()
        except TooManyAttempts:
            return False
        except WrongCredentials:
            pass
        return True

    while tries.now < 3 * HOUR:
        number = int(tries.now) % 20
        for was_checked in (
            await tries.login(f"network {number}"),
            await tries.login(f"home {number}", recognised=True),
            await confirm(number),
        ):
            checked += [tries.now] * was_checked
        tries.now += 5

    for start in range(0, 2 * HOUR, 60):
        assert sum(start <= at < start + HOUR for at in checked) <= 100
    assert len(checked) > 100, "guessing is slowed down, not stopped"


async def test_id2_a_login_of_the_owner_gives_others_in_the_network_no_more_guesses(tries: Tries) -> None:
    checked = 0
    for _ in range(40):
        checked += sum([await tries.login("office", recognised=True) for _ in range(9)])
        await tries.login("office", recognised=True, right=True)

    assert checked == 50


async def test_id2_one_network_cannot_try_many_accounts(tries: Tries) -> None:
    checked = [await tries.login("network", UserId(number)) for number in range(1, 200)]

    assert sum(checked) == 100


async def test_a_refusal_by_one_budget_takes_nothing_from_the_others(tries: Tries) -> None:
    for number in range(20):
        await tries.login(f"network {number}")  # the account's budget is used up
    for _ in range(30):
        assert not await tries.login("another")

    checked = [await tries.login("another", UserId(number)) for number in range(100, 300)]
    assert sum(checked) == 100


async def test_a_correct_password_costs_nothing(tries: Tries) -> None:
    assert all([await tries.login("office", UserId(1 + number % 50), right=True) for number in range(500)])


async def test_an_attempt_that_was_refused_by_overload_is_not_counted(tries: Tries) -> None:
    for _ in range(50):
        with pytest.raises(Overloaded):
            async with tries.throttle.login(ANN, "ann", "home", recognised=False):
                raise Overloaded("too many logins at this moment")

    assert await tries.login("home")


async def test_each_session_has_its_own_budget(tries: Tries) -> None:
    async def wrong(session: int) -> bool:
        try:
            async with tries.throttle.confirmation(ANN, SessionId(session)):
                refuse()
        except TooManyAttempts:
            return False
        except WrongCredentials:
            pass
        return True

    assert [await wrong(1) for _ in range(11)] == [True] * 10 + [False]
    assert await wrong(2)


async def registers(tries: Tries, network: str, site: str) -> bool:
    try:
        await tries.throttle.registration(network, site)
    except TooManyAttempts:
        return False
    return True


async def test_a_site_has_one_budget_for_registrations_across_its_networks(tries: Tries) -> None:
    done = [await registers(tries, f"network {number}", "site") for number in range(130)]

    assert done == [True] * 120 + [False] * 10
    assert await registers(tries, "elsewhere", "another site")
    assert await registers(tries, "an IPv4 address", "")


async def test_a_replayed_registration_costs_nothing(tries: Tries) -> None:
    for number in range(300):
        assert await registers(tries, f"network {number}", "site")
        await tries.throttle.registered_before(f"network {number}", "site")
