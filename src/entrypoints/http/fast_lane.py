"""A shortcut past the framework for the hot reads.

In Litestar, routing, parameters and dependencies cost more than the use case and its query together. The shortcut calls
the same use cases, the same presenters and the same error table without them. Every other request, including an unusual
form of these, goes to Litestar. `docs/performance.md` has the figures.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from application.posts.queries import HydratedPost
from application.shared.readings import Reading
from domain.shared import DomainError
from entrypoints.access.authentication import Authenticator
from entrypoints.http.common_headers import defaults
from entrypoints.http.errors import refusal
from entrypoints.http.hot_reads import HotRead
from entrypoints.http.hot_targets import target_of
from entrypoints.http.kept_responses import KeptKey, KeptResponse, KeptResponses
from entrypoints.http.resources import MAX_TAGS as MAX_HEADER
from entrypoints.http.responses import Ready

STREAM = "/api/v1/stream"


class FastLane:
    def __init__(
        self,
        app: ASGIApp,
        authenticate: Authenticator,
        *,
        reads: Mapping[str, HotRead],
        socket: ASGIApp,
        kept: KeptResponses | None,
    ) -> None:
        """`reads` by the templates of their targets. `kept` is None if no response is kept."""
        self._app, self._authenticate, self._reads = app, authenticate, reads
        self._socket, self._kept = socket, kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.WEBSOCKET and scope["path"] == STREAM:
            await self._socket(scope, receive, send)
            return
        ready = await self._respond(scope) if scope.get("method") == "GET" else None
        await (ready or self._app)(scope, receive, send)

    async def _respond(self, scope: Any) -> Ready | None:
        target = target_of(scope["path"], scope["query_string"])
        found = None if target is None else _token_and_tags(scope["headers"])
        if target is None or found is None:
            return None
        token, known = found
        scope["path_template"] = target.template
        try:
            principal = await self._authenticate(scope["caller"], token, "read")
            viewer = None if principal is None else principal.user_id
            key = KeptKey(viewer, target)
            if self._kept is not None and (kept := await self._kept.find_refreshed(key)) is not None:
                return kept.response.unless_known(known)
            with await self._reading() as reading:
                response, posts = await self._reads[target.template](viewer, target, scope["path"])
        except DomainError as error:
            return refusal(error, scope["request_id"])
        if self._kept is not None and reading is not None:
            made = KeptResponse(response, reading, defaults(scope, response.headers))
            self._kept.keep(key, made, expires=any(map(_has_restricted_media, posts)))
        return response.unless_known(known)

    async def _reading(self) -> AbstractContextManager[Reading | None]:
        if self._kept is None or not await self._kept.is_caught_up():
            return _NO_READING
        return self._kept.reading()


_NO_READING: AbstractContextManager[None] = nullcontext()


def _has_restricted_media(hydrated: HydratedPost) -> bool:
    """Whether the post has media that not everybody may see: their addresses expire soon."""
    return bool(hydrated.post.content.media) and not hydrated.post.state.open


def _token_and_tags(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str | None, str | None] | None:
    """The token and the tags of If-None-Match; None for an unusual form, which Litestar handles."""
    found: dict[bytes, str] = {}
    for name, value in headers:
        if name in {b"authorization", b"if-none-match"}:
            if name in found or len(value) > MAX_HEADER:
                return None
            found[name] = value.decode("latin-1")
    authorization, known = found.get(b"authorization"), found.get(b"if-none-match")
    if authorization is None:
        return None, known
    scheme, _, token = authorization.partition(" ")
    return (token, known) if scheme == "Bearer" and token else None
