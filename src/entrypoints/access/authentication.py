"""Authenticate a request by its token, and charge it to the rate limits."""

from typing import TypeAlias

from application.identity.authentication import Authenticate, Principal
from application.shared.errors import TokenInvalid
from domain.shared import Unauthenticated
from entrypoints.access.limits import Caller, Cost, RateLimits

Known: TypeAlias = Principal
"""The principal of a token."""


class TokenMissing(Unauthenticated):
    """The operation needs an access token: `Authorization: Bearer <token>`."""

    code = "token_missing"


class Authenticator:
    """Finds the principal of a token and charges the request: to the user, or to the network if there is no token.

    An invalid token is charged to the network as well, or guessing tokens would be free.
    """

    __slots__ = ("_authenticate", "_limits")

    def __init__(self, authenticate: Authenticate, limits: RateLimits) -> None:
        self._authenticate, self._limits = authenticate, limits

    async def __call__(self, caller: Caller, token: str | None, cost: Cost) -> Principal | None:
        """None without a token. Raises TokenInvalid, RateLimited and Unavailable."""
        if token is None:
            await self._limits.charge_network(caller, cost)
            return None
        try:
            principal = await self._authenticate(token)
        except TokenInvalid:
            await self._limits.charge_network(caller, "read")
            raise
        await self._limits.charge_user(caller, cost, principal.user_id)
        return principal

    def known(self, token: str) -> Principal | None:
        """The principal of a token that needs no look at the store; nothing is charged."""
        return self._authenticate.known(token)

    async def charge(self, caller: Caller, cost: Cost, principal: Principal | None) -> None:
        """Charge a request of the principal, or one without a token. Raises RateLimited."""
        if principal is None:
            await self._limits.charge_network(caller, cost)
        else:
            await self._limits.charge_user(caller, cost, principal.user_id)

    def charge_now(self, caller: Caller, cost: Cost, principal: Principal | None) -> bool:
        """Charge a request of the principal, or one without a token, without suspending the task. False if that is
        impossible. Raises RateLimited."""
        if principal is None:
            return self._limits.charge_network_now(caller, cost)
        return self._limits.charge_user_now(caller, cost, principal.user_id)
