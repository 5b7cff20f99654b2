"""How often passwords may be tried, hour after hour."""

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
        """Whether the password was looked at."""
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
async def test_id2_in_an_hour_a_hundred_guesses_are_looked_at_at_most(
    tries: Tries, user_id: UserId | None
) -> None:
    looked_at = 0
    while tries.now < HOUR:
        looked_at += await tries.login(f"network {int(tries.now) % 500}", user_id)
        tries.now += 1

    assert 20 < looked_at <= 100


async def test_id2_guesses_from_elsewhere_are_not_taken_from_a_network_that_is_known(tries: Tries) -> None:
    for number in range(5000):
        await tries.login(f"network {number % 50}")

    assert not await tries.login("a new one", right=True)
    assert await tries.login("home", recognised=True, right=True)


async def test_id2_a_known_network_cannot_guess_without_end_either(tries: Tries) -> None:
    looked_at = 0
    while tries.now < HOUR:
        looked_at += await tries.login("home", recognised=True)
        tries.now += 1

    assert looked_at <= 20


async def test_id2_guesses_at_one_password_are_a_hundred_an_hour_however_they_are_spread(
    tries: Tries,
) -> None:
    """From strangers, from twenty networks that the account knows, and with twenty stolen tokens."""
    looked_at: list[float] = []

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
        for looked in (
            await tries.login(f"network {number}"),
            await tries.login(f"home {number}", recognised=True),
            await confirm(number),
        ):
            looked_at += [tries.now] * looked
        tries.now += 5

    for start in range(0, 2 * HOUR, 60):
        assert sum(start <= at < start + HOUR for at in looked_at) <= 100
    assert len(looked_at) > 100, "it is slowed down, not ended"


async def test_id2_an_owner_who_logs_in_gives_others_in_the_network_no_further_guesses(tries: Tries) -> None:
    looked_at = 0
    for _ in range(40):
        looked_at += sum([await tries.login("office", recognised=True) for _ in range(9)])
        await tries.login("office", recognised=True, right=True)

    assert looked_at == 50


async def test_id2_one_network_cannot_try_many_accounts(tries: Tries) -> None:
    looked_at = [await tries.login("network", UserId(number)) for number in range(1, 200)]

    assert sum(looked_at) == 100


async def test_what_one_budget_refuses_is_not_taken_from_the_others(tries: Tries) -> None:
    for number in range(20):
        await tries.login(f"network {number}")  # the account's budget is used up
    for _ in range(30):
        assert not await tries.login("another")

    looked_at = [await tries.login("another", UserId(number)) for number in range(100, 300)]
    assert sum(looked_at) == 100


async def test_who_is_right_pays_nothing(tries: Tries) -> None:
    assert all([await tries.login("office", UserId(1 + number % 50), right=True) for number in range(500)])


async def test_what_was_not_looked_at_for_lack_of_time_is_not_counted(tries: Tries) -> None:
    for _ in range(50):
        with pytest.raises(Overloaded):
            async with tries.throttle.login(ANN, "ann", "home", recognised=False):
                raise Overloaded("too many log in at this moment")

    assert await tries.login("home")


async def test_a_session_has_its_own_tries(tries: Tries) -> None:
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


async def test_a_site_registers_so_many_accounts_from_however_many_networks(tries: Tries) -> None:
    done = [await registers(tries, f"network {number}", "site") for number in range(130)]

    assert done == [True] * 120 + [False] * 10
    assert await registers(tries, "elsewhere", "another site")
    assert await registers(tries, "an IPv4 address", "")


async def test_a_registration_that_is_told_again_is_free(tries: Tries) -> None:
    for number in range(300):
        assert await registers(tries, f"network {number}", "site")
        await tries.throttle.registered_before(f"network {number}", "site")
