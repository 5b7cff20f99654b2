"""A lane of its own for the read that is asked for most: one post, by its id.

Routing, parameters and dependencies cost Litestar more than the use case and its query together. Here
the same use case, the same presenter and the same table of errors are called without them. What is not
plain (another route, a browser's cross-origin request, an odd scheme) goes on to Litestar as if this were
not here. `docs/performance.md` has the figures.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

from litestar.types import ASGIApp, Receive, Scope, Send

from application.posts.queries import SeenPost
from domain.shared import DomainError, PostId, UserId, id_from
from entrypoints.http.answers import Ready, tagged
from entrypoints.http.auth import Admission
from entrypoints.http.errors import refusal
from entrypoints.http.posts.shapes import PostOut
from entrypoints.http.resources import MAX_TAGS as MAX_HEADER

PREFIX = "/api/v1/posts/"
TEMPLATE = PREFIX + "{post_id}"
_AT = len(PREFIX)

ReadPost: TypeAlias = Callable[[UserId | None, PostId], Awaitable[SeenPost]]


class FastLane:
    def __init__(self, app: ASGIApp, admit: Admission, read_post: ReadPost) -> None:
        self._app, self._admit, self._read_post = app, admit, read_post

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(PREFIX) and scope.get("method") == "GET":
            post_id = id_from(path[_AT:])
            if post_id is not None and (ready := await self._ready(PostId(post_id), scope)) is not None:
                await ready(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _ready(self, post_id: PostId, scope: Scope) -> Ready | None:
        asked = _asked(scope["headers"])
        if asked is None:
            return None
        token, known = asked
        scope["path_template"] = TEMPLATE
        try:
            principal = await self._admit(scope, token, "read")
            seen = await self._read_post(principal.user_id if principal else None, post_id)
        except DomainError as error:
            return refusal(error, scope["request_id"])  # type: ignore[typeddict-item]  # set by the edge
        return tagged(PostOut.of(seen), seen.row.version, known)


def _asked(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str | None, str | None] | None:
    """The token and the known tags; None for what is better looked at closely."""
    found: dict[bytes, str] = {}
    for name, value in headers:
        if name in {b"authorization", b"if-none-match"}:
            if name in found or len(value) > MAX_HEADER:
                return None
            found[name] = value.decode("latin-1")
        elif name == b"origin":
            return None
    authorization, known = found.get(b"authorization"), found.get(b"if-none-match")
    if authorization is None:
        return None, known
    scheme, _, token = authorization.partition(" ")
    return (token, known) if scheme == "Bearer" and token else None
