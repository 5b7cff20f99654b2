"""Limits for password attempts: enough for a person, too few to guess a password.

An attacker must not be able to lock out the owner of an account. Therefore networks from which the account has logged in
before, and its sessions, have budgets of their own, which attempts from elsewhere do not use.
All attempts at one password together are at most 100 in any hour: 40 from networks that are unknown to the account, and 60
from known networks and from sessions (`/auth/confirm`, `/auth/password`).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import ceil
from typing import Protocol, TypeAlias

from application.shared.errors import Overloaded
from application.shared.limits import Limiter, Rate
from domain.dataclasses import dataclass
from domain.shared import SessionId, TooMany, UserId

LOGINS = Rate("login", 10, 300)
"""Logins to one account from one unknown network. A successful login resets it."""
LOGINS_FROM_KNOWN = Rate("login-known", 10, 3600)
"""Logins to one account from one known network, so that one network cannot use up the budget of all known networks. A
successful login resets it."""
LOGINS_TO_ACCOUNT = Rate("login-account", 20, 3600)
"""Logins to one account from all unknown networks together: 40 within the first hour, then 20 per hour."""
FAMILIAR = Rate("login-familiar", 50, 18_000)
"""Attempts at one account from its known networks and its sessions together: 60 within the first hour, then 10 per hour.
Only time refills it: the owner's logins must not reset the count of an attacker's guesses."""
LOGINS_FROM_NETWORK = Rate("login-network", 100, 300)
"""Logins from one network to all accounts to which it is unknown together."""
LOGINS_IN_ALL = Rate("login-all", 3000, 300)
"""Logins to all accounts from networks that are unknown to them."""
CONFIRMATIONS = Rate("confirm", 10, 3600)
"""Password confirmations of one session, so that a stolen token does not help to guess the password."""
REGISTRATIONS = Rate("register", 60, 3600)
"""Registrations from one network. A school class can register together; a program that makes accounts is slowed down."""
REGISTRATIONS_FROM_SITE = Rate("register-site", 120, 3600)
"""Registrations from all networks of one IPv6 /48. One customer may own a whole /48, which has 65,536 networks."""

Budget: TypeAlias = tuple[str, Rate]


class TooManyAttempts(TooMany):
    """Too many password attempts, or too many registrations. Try again after `Retry-After`. Until then the right password
    is refused like a wrong one."""

    code = "too_many_attempts"


class Fingerprint(Protocol):
    def __call__(self, *parts: bytes) -> str:
        """A keyed hash of the parts."""
        ...


@dataclass(frozen=True, slots=True)
class Throttle:
    """Every method raises TooManyAttempts before the password is compared."""

    limiter: Limiter
    fingerprint: Fingerprint
    """Logins are stored hashed, because users also type passwords into that field."""

    @asynccontextmanager
    async def login(
        self, user_id: UserId | None, login: str, network: str, *, recognised: bool
    ) -> AsyncIterator[None]:
        """One login attempt, which is not counted if the block succeeds. `user_id` is the account of `login`; None for an
        unknown login, which is counted like an account. `recognised` tells whether this account has logged in from this
        network before."""
        account = (
            f"u{user_id}" if user_id else "t" + self.fingerprint(b"login", login.encode(errors="replace"))
        )
        pair = (f"{account} {network}", LOGINS_FROM_KNOWN if recognised else LOGINS)
        if recognised:
            budgets = [pair, (account, FAMILIAR)]
        else:
            budgets = [
                pair,
                (network, LOGINS_FROM_NETWORK),
                ("", LOGINS_IN_ALL),
                (account, LOGINS_TO_ACCOUNT),
            ]
        async with self._one_attempt(budgets):
            yield
        await self.limiter.clear(*pair)

    @asynccontextmanager
    async def confirmation(self, user_id: UserId, session_id: SessionId) -> AsyncIterator[None]:
        """One password confirmation, which is not counted if the block succeeds."""
        async with self._one_attempt([(f"s{session_id}", CONFIRMATIONS), (f"u{user_id}", FAMILIAR)]):
            yield

    async def registration(self, network: str, site: str) -> None:
        """Count one registration, whether or not it succeeds. `site` is empty for a network without a site."""
        await self._take(_registration_budgets(network, site))

    async def registered_before(self, network: str, site: str) -> None:
        """Release the budget: the registration was a replay and made no account."""
        await self._release(_registration_budgets(network, site))

    @asynccontextmanager
    async def _one_attempt(self, budgets: list[Budget]) -> AsyncIterator[None]:
        await self._take(budgets)
        try:
            yield
        except Overloaded:  # no password was compared
            await self._release(budgets)
            raise
        await self._release(budgets)

    async def _take(self, budgets: list[Budget]) -> None:
        """Take from each budget, or from none."""
        for done, budget in enumerate(budgets):
            decision = await self.limiter.take(*budget)
            if not decision.allowed:
                await self._release(budgets[:done])
                raise TooManyAttempts(
                    "too many attempts; try again later", retry_after=max(1, ceil(decision.retry_after))
                )

    async def _release(self, budgets: list[Budget]) -> None:
        for budget in budgets:
            await self.limiter.refund(*budget)


def _registration_budgets(network: str, site: str) -> list[Budget]:
    return [(network, REGISTRATIONS), *([(site, REGISTRATIONS_FROM_SITE)] if site else [])]
