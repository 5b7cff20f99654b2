"""A lane of its own for the read that is asked for most: one post, by its id.

Routing, parameters and dependencies cost Litestar more than the use case and its query together. Here
the same use case, the same presenter and the same table of errors are called without them. What is not
plain (another route, a browser's cross-origin request, an odd scheme) goes on to Litestar as if this were
not here. `docs/performance.md` has the figures.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from litestar.types import ASGIApp, Receive, Scope, Send

from application.identity.queries import Authenticate
from application.posts.queries import SeenPost
from domain.shared import DomainError, PostId, UserId, id_from
from entrypoints.http.answers import Ready, tagged
from entrypoints.http.errors import refusal
from entrypoints.http.posts import PostOut

PREFIX = "/api/v1/posts/"
_AT = len(PREFIX)
MAX_TAGS = 1000
"""What is longer, Litestar refuses."""

ReadPost: TypeAlias = Callable[[UserId | None, PostId], Awaitable[SeenPost]]


class FastLane:
    def __init__(self, app: ASGIApp, authenticate: Authenticate, read_post: ReadPost) -> None:
        self._app, self._authenticate, self._read_post = app, authenticate, read_post

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(PREFIX) and scope.get("method") == "GET":
            post_id = id_from(path[_AT:])
            if post_id is not None and (ready := await self._ready(PostId(post_id), scope)) is not None:
                await ready(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _ready(self, post_id: PostId, scope: Scope) -> Ready | None:
        token = known = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                scheme, _, token = value.decode("latin-1").partition(" ")
                if scheme != "Bearer":
                    return None
            elif name == b"if-none-match":
                known = value.decode("latin-1")
                if len(known) > MAX_TAGS:
                    return None
            elif name == b"origin":
                return None
        try:
            viewer = (await self._authenticate(token)).user_id if token is not None else None
            seen = await self._read_post(viewer, post_id)
        except DomainError as error:
            return refusal(error, scope["request_id"])  # type: ignore[typeddict-item]  # set by the edge
        return tagged(PostOut.of(seen), seen.row.version, known)
