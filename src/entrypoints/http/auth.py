"""Who is asking. Deny by default: a route takes a token unless it says otherwise."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias

from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler

from application.identity.queries import Authenticate, Principal
from application.shared.errors import TokenInvalid
from domain.shared import Unauthenticated, UserId
from entrypoints.http.bodies import StrictRequest
from entrypoints.http.limits import Cost, Limits
from entrypoints.http.parameters import refuse_unknown

Access: TypeAlias = Literal["token", "optional", "public"]

PUBLIC: dict[str, Access] = {"access": "public"}
"""No token is looked at."""
OPTIONAL: dict[str, Access] = {"access": "optional"}
"""Without a token one sees what is public. A token that is sent must be good."""

AuthenticatedRequest: TypeAlias = StrictRequest[Principal, None, State]
"""A request with a token."""
AnyRequest: TypeAlias = StrictRequest[Principal | None, None, State]
"""A request that may have one."""

BY_ADDRESS = "token"
"""The query parameter, and the option of a route that takes a token of its own in its address, for clients that can
send no header. The handler looks at it."""

LIMITED_AS_AUTH: dict[str, Cost] = {"limit": "auth"}
"""For controllers that deal with passwords and tokens."""

Guard: TypeAlias = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]


class TokenMissing(Unauthenticated):
    """The route needs an access token: `Authorization: Bearer <token>`."""

    code = "token_missing"


class Admission:
    """Who is asking, once the request is paid for: by the user, else by the network. A token that is no good
    is paid for by the network as well, or guessing would be free. Raises TokenInvalid and RateLimited."""

    __slots__ = ("_authenticate", "_limits")

    def __init__(self, authenticate: Authenticate, limits: Limits) -> None:
        self._authenticate, self._limits = authenticate, limits

    async def __call__(self, scope: Any, token: str | None, cost: Cost) -> Principal | None:
        if token is None:
            await self._limits.of_network(scope, cost)
            return None
        try:
            principal = await self._authenticate(token)
        except TokenInvalid:
            await self._limits.of_network(scope, "read")
            raise
        await self._limits.of_user(scope, cost, principal.user_id)
        return principal


def authentication(admit: Admission) -> Guard:
    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        access: Access = handler.opt.get("access", "token")
        scope: Any = connection.scope
        cost: Cost = handler.opt.get("limit") or ("read" if scope.get("method") == "GET" else "write")
        header = None if access == "public" else connection.headers.get("authorization")
        token = _bearer(header) if header is not None else None
        if header is not None and token is None:
            await admit(scope, None, "read")
            raise TokenInvalid("the Authorization header must be: Bearer <access token>")
        scope["user"] = await admit(scope, token, cost)
        by_address = BY_ADDRESS in handler.opt and BY_ADDRESS in connection.query_params
        if access == "token" and token is None and not by_address:
            raise TokenMissing("this needs an access token")
        if scope["query_string"]:
            refuse_unknown([name for name, _ in connection.query_params.multi_items()], handler)

    return guard


def _bearer(header: str) -> str | None:
    scheme, _, token = header.partition(" ")
    return token if scheme.lower() == "bearer" and token else None


def viewer(request: AnyRequest) -> UserId | None:
    principal = request.user
    return principal.user_id if principal else None
