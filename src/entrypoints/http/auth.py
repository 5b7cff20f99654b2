"""Authentication of HTTP requests. Deny by default: a route needs a token unless it says otherwise."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias

from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler

from application.identity.authentication import Principal
from application.shared.errors import TokenInvalid
from domain.shared import UserId
from entrypoints.access.authentication import Authenticator, TokenMissing
from entrypoints.access.limits import Cost
from entrypoints.http.bodies import StrictRequest
from entrypoints.http.parameters import refuse_unknown

Access: TypeAlias = Literal["token", "optional", "public"]

PUBLIC: dict[str, Access] = {"access": "public"}
"""A token is ignored."""
OPTIONAL: dict[str, Access] = {"access": "optional"}
"""Without a token the client sees what is public. A token that is sent must be valid."""

AuthenticatedRequest: TypeAlias = StrictRequest[Principal, None, State]
"""A request with a token."""
AnyRequest: TypeAlias = StrictRequest[Principal | None, None, State]
"""A request that may have one."""

BY_ADDRESS = "token"
"""The query parameter, and the option of a route that accepts a token of its own in the address, for clients that
cannot send a header. The handler checks that token."""

LIMITED_AS_AUTH: dict[str, Cost] = {"limit": "auth"}
"""For controllers that handle passwords and tokens."""

Guard: TypeAlias = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]


def authentication(authenticate: Authenticator) -> Guard:
    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        access: Access = handler.opt.get("access", "token")
        scope: Any = connection.scope
        cost: Cost = handler.opt.get("limit") or ("read" if scope.get("method") == "GET" else "write")
        header = None if access == "public" else connection.headers.get("authorization")
        token = _bearer(header) if header is not None else None
        if header is not None and token is None:
            await authenticate(scope["caller"], None, "read")
            raise TokenInvalid("the Authorization header must be: Bearer <access token>")
        scope["user"] = await authenticate(scope["caller"], token, cost)
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
