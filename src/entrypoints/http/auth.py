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

Access: TypeAlias = Literal["token", "optional", "public"]

PUBLIC: dict[str, Access] = {"access": "public"}
"""No token is looked at."""
OPTIONAL: dict[str, Access] = {"access": "optional"}
"""Without a token one sees what is public. A token that is sent must be good."""

Mine: TypeAlias = StrictRequest[Principal, None, State]
"""A request with a token."""
Anyones: TypeAlias = StrictRequest[Principal | None, None, State]
"""A request that may have one."""

Guard: TypeAlias = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]


class TokenMissing(Unauthenticated):
    """The route needs an access token: `Authorization: Bearer <token>`."""

    code = "token_missing"


def authentication(authenticate: Authenticate) -> Guard:
    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        access: Access = handler.opt.get("access", "token")
        if access == "public":
            return
        header = connection.headers.get("authorization")
        if header is None:
            if access == "token":
                raise TokenMissing("this needs an access token")
            connection.scope["user"] = None
            return
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TokenInvalid("the Authorization header must be: Bearer <access token>")
        connection.scope["user"] = await authenticate(token)

    return guard


def viewer(request: Anyones) -> UserId | None:
    principal = request.user
    return principal.user_id if principal else None
