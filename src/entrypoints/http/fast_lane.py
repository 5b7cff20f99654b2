"""A shortcut past the framework for the two most frequent reads: a post by its id, and the first page of the home feed.

In Litestar, routing, parameters and dependencies cost more than the use case and its query together. The shortcut calls
the same use case, the same presenter and the same error table without them. Every other request, including an unusual
form of these two, goes to Litestar. `docs/performance.md` has the figures.
"""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from application.posts.queries import HydratedPost
from application.shared.paging import Page, Window
from application.shared.readings import Reading
from domain.shared import DomainError, PostId, UserId, id_from
from entrypoints.access.authentication import Authenticator
from entrypoints.http.common_headers import defaults
from entrypoints.http.errors import refusal
from entrypoints.http.fragments import Fragments
from entrypoints.http.kept_responses import KeptResponse, KeptResponses
from entrypoints.http.paging import Pager, tagged_page
from entrypoints.http.resources import MAX_TAGS as MAX_HEADER
from entrypoints.http.responses import Ready, with_tag

PREFIX = "/api/v1/posts/"
TEMPLATE = PREFIX + "{post_id}"
_AT = len(PREFIX)

HOME = "/api/v1/feeds/home"
LIMITS = {b"": 20} | {b"limit=%d" % limit: limit for limit in range(1, 101)}
"""The query strings that ask for a first page in the usual form, with their limits."""

STREAM = "/api/v1/stream"

ReadHomeFeed: TypeAlias = Callable[[UserId, Window], Awaitable[Page[HydratedPost]]]
ReadPost: TypeAlias = Callable[[UserId | None, PostId], Awaitable[HydratedPost]]


class FastLane:
    def __init__(
        self,
        app: ASGIApp,
        authenticate: Authenticator,
        *,
        read_post: ReadPost,
        read_home_feed: ReadHomeFeed,
        fragments: Fragments,
        pager: Pager,
        socket: ASGIApp,
        kept: KeptResponses | None,
    ) -> None:
        """`kept` is None if no response is kept."""
        self._app, self._authenticate, self._fragments, self._pager = app, authenticate, fragments, pager
        self._socket, self._kept = socket, kept
        self._read_post, self._read_home_feed = read_post, read_home_feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.WEBSOCKET and scope["path"] == STREAM:
            await self._socket(scope, receive, send)
            return
        ready = await self._respond(scope) if scope.get("method") == "GET" else None
        await (ready or self._app)(scope, receive, send)

    async def _respond(self, scope: Scope) -> Ready | None:
        path: str = scope["path"]
        if path.startswith(PREFIX):
            post_id = None if scope["query_string"] else id_from(path[_AT:])
            return None if post_id is None else await self._post(PostId(post_id), scope)
        if path == HOME:
            limit = LIMITS.get(scope["query_string"])
            return None if limit is None else await self._home(limit, scope)
        return None

    async def _home(self, limit: int, scope: Any) -> Ready | None:
        found = _token_and_tags(scope["headers"])
        if found is None or found[0] is None:
            return None
        scope["path_template"] = HOME
        try:
            principal = await self._authenticate(scope["caller"], found[0], "read")
            if principal is None:
                return None
            key = principal.user_id, limit
            if self._kept is not None:
                kept = await self._kept.find_refreshed(page=True, key=key)
                if kept is not None:
                    return kept.response.unless_known(found[1])
            with self._reading() as reading:
                page = await self._read_home_feed(principal.user_id, Window(limit))
        except DomainError as error:
            return refusal(error, scope["request_id"])
        items = self._fragments.all(page.items)
        response = tagged_page(self._pager.ready(HOME, {}, page, items), items, page)
        if self._kept is not None and reading is not None and not any(map(_has_restricted_media, page.items)):
            made = KeptResponse(response, reading, defaults(scope, response.headers))
            self._kept.keep(page=True, key=key, made=made)
        return response.unless_known(found[1])

    async def _post(self, post_id: PostId, scope: Any) -> Ready | None:
        found = _token_and_tags(scope["headers"])
        if found is None:
            return None
        token, known = found
        scope["path_template"] = TEMPLATE
        try:
            principal = await self._authenticate(scope["caller"], token, "read")
            user = None if principal is None else principal.user_id
            if user is not None and self._kept is not None:
                kept = await self._kept.find_refreshed(page=False, key=(user, post_id))
                if kept is not None:
                    return kept.response.unless_known(known)
            with self._reading() as reading:
                hydrated = await self._read_post(user, post_id)
        except DomainError as error:
            return refusal(error, scope["request_id"])
        response = with_tag(self._fragments(hydrated), hydrated.post.state.version)
        if (
            self._kept is not None
            and reading is not None
            and user is not None
            and not _has_restricted_media(hydrated)
        ):
            made = KeptResponse(response, reading, defaults(scope, response.headers))
            self._kept.keep(page=False, key=(user, post_id), made=made)
        return response.unless_known(known)

    def _reading(self) -> AbstractContextManager[Reading | None]:
        return _NO_READING if self._kept is None else self._kept.reading()


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
