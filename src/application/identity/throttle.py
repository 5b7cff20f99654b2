"""How often passwords may be tried: enough for a person, never enough to guess one.

Whoever tries an account in vain must not lock out its owner. So networks from which this account was
logged in before, and its sessions, have budgets of their own, and no try from elsewhere is taken from them.
All guesses at one password together are at most 100 in any hour: 40 from networks that the account does not know, and 60
from those that it knows and from sessions (`/auth/confirm`, `/auth/password`).
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import ceil
from typing import TypeAlias

from application.shared.errors import Overloaded
from application.shared.limits import Limiter, Rate
from domain.shared import SessionId, TooMany, UserId

LOGINS = Rate("login", 10, 300)
"""Of one account from one network that it does not know. A login that succeeds makes it whole again."""
LOGINS_FROM_KNOWN = Rate("login-known", 10, 3600)
"""Of one account from one network that it knows: one network cannot use up what is for all of them. A login that
succeeds makes it whole again."""
LOGINS_TO_ACCOUNT = Rate("login-account", 20, 3600)
"""Of one account from all networks that it does not know together: 40 within the first hour, then 20."""
FAMILIAR = Rate("login-familiar", 50, 18_000)
"""Of one account from the networks that it knows and from its sessions together: 60 within the first hour, then 10.
Nothing makes it whole but time, since the owner's logins must not pay for somebody else's guesses."""
LOGINS_FROM_NETWORK = Rate("login-network", 100, 300)
"""To all accounts that do not know this network together."""
LOGINS_IN_ALL = Rate("login-all", 3000, 300)
"""To all accounts, from networks that they do not know."""
CONFIRMATIONS = Rate("confirm", 10, 3600)
"""Of one session: whoever has stolen a token shall not find out the password with it."""
REGISTRATIONS = Rate("register", 60, 3600)
"""From one network. A class may register together; a machine that makes accounts is slowed down."""
REGISTRATIONS_FROM_SITE = Rate("register-site", 120, 3600)
"""From all networks of one IPv6 /48, which is what a customer may get whole: 65,536 networks to register from."""

Budget: TypeAlias = tuple[str, Rate]


class TooManyAttempts(TooMany):
    """Too many tries with passwords, or too many registrations. Come again after `Retry-After`: until then the
    right password is answered like a wrong one."""

    code = "too_many_attempts"


@dataclass(frozen=True, slots=True)
class Throttle:
    """Every method raises TooManyAttempts before the password is looked at."""

    limiter: Limiter
    fingerprint: Callable[..., str]
    """A keyed hash of bytes: in the field for the name people type passwords too."""

    @asynccontextmanager
    async def login(
        self, user_id: UserId | None, login: str, network: str, *, recognised: bool
    ) -> AsyncIterator[None]:
        """One try to log in, which is free if the block ends well. `user_id` is whom `login` names, if anybody:
        a name that nobody has is counted like an account. `recognised`: this account was logged in from
        this network before."""
        whom = f"u{user_id}" if user_id else "t" + self.fingerprint(b"login", login.encode(errors="replace"))
        pair = (f"{whom} {network}", LOGINS_FROM_KNOWN if recognised else LOGINS)
        if recognised:
            budgets = [pair, (whom, FAMILIAR)]
        else:
            budgets = [pair, (network, LOGINS_FROM_NETWORK), ("", LOGINS_IN_ALL), (whom, LOGINS_TO_ACCOUNT)]
        async with self._one_try(budgets):
            yield
        await self.limiter.clear(*pair)

    @asynccontextmanager
    async def confirmation(self, user_id: UserId, session_id: SessionId) -> AsyncIterator[None]:
        """One try to give one's password again, which is free if the block ends well."""
        async with self._one_try([(f"s{session_id}", CONFIRMATIONS), (f"u{user_id}", FAMILIAR)]):
            yield

    async def registration(self, network: str, site: str) -> None:
        """One registration, whatever comes of it. `site` is empty where a network belongs to none."""
        await self._take(_registering(network, site))

    async def registered_before(self, network: str, site: str) -> None:
        """It was a registration that is told again, and makes no account."""
        await self._give_back(_registering(network, site))

    @asynccontextmanager
    async def _one_try(self, budgets: list[Budget]) -> AsyncIterator[None]:
        await self._take(budgets)
        try:
            yield
        except Overloaded:  # nothing was compared
            await self._give_back(budgets)
            raise
        await self._give_back(budgets)

    async def _take(self, budgets: list[Budget]) -> None:
        """From each of them, or from none."""
        for done, budget in enumerate(budgets):
            decision = await self.limiter.take(*budget)
            if not decision.allowed:
                await self._give_back(budgets[:done])
                raise TooManyAttempts(
                    "too many attempts; come again later", retry_after=max(1, ceil(decision.retry_after))
                )

    async def _give_back(self, budgets: list[Budget]) -> None:
        for budget in budgets:
            await self.limiter.give_back(*budget)


def _registering(network: str, site: str) -> list[Budget]:
    return [(network, REGISTRATIONS), *([(site, REGISTRATIONS_FROM_SITE)] if site else [])]
