"""Pages over HTTP: cursors as query parameters, and links to the next and the previous page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeAlias, TypeVar
from urllib.parse import urlencode

import msgspec
from litestar import Request
from litestar.params import QueryParameter

from application.shared.paging import Page, Window
from domain.shared import FieldError
from entrypoints.access.cursors import MAX_CURSOR, Cursors
from entrypoints.http.errors import QueryInvalid
from entrypoints.http.responses import Out, Ready, ReadyResponse, Tagged, as_json, hash_of

T = TypeVar("T")

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="The maximum number of items.")]
Cursor = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=64,
        description="`next` or `prev` of a page of the same list. Opaque: its form may change at any time.",
    ),
]
FeedCursor = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=MAX_CURSOR,
        description="`next` or `prev` of a page of the same feed. Opaque: its form may change at any time.",
    ),
]
Since = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=MAX_CURSOR,
        description="`prev` of a page of the same feed. The response is the page of newer posts next to it, and its "
        "`prev` continues from there. Every page of a feed has a `prev`, an empty page too. Cannot be combined with "
        "`cursor`.",
    ),
]


class PageOut(Out, Generic[T]):
    """Part of a list. `next` is null at the end of the list, and only there."""

    items: list[T]
    next: str | None
    prev: str | None


MakePage: TypeAlias = Callable[[list[Any], str | None, str | None], Out]
"""Makes the page of its items, `next` and `prev`, for pages with more members than these."""


@dataclass(frozen=True, slots=True)
class Pager:
    """Reads the cursors of requests and links pages. A list is named by its path; `variant` separates lists that have the
    same path, and must be the same for reading and linking."""

    cursors: Cursors
    url: str

    def window(
        self, request: Request[Any, Any, Any], limit: int, cursor: str | None, variant: str = ""
    ) -> Window:
        """Raises CursorInvalid for a cursor that is not from this list."""
        return self.cursors.window(request.scope["path"], limit, cursor, variant)

    def newer(
        self,
        request: Request[Any, Any, Any],
        limit: int,
        cursor: str | None,
        since: str | None,
        variant: str = "",
    ) -> Window:
        """As `window`, for a list that can be asked for newer items. Raises CursorInvalid and QueryInvalid."""
        if since is None:
            return self.window(request, limit, cursor, variant)
        if cursor is not None:
            raise QueryInvalid(FieldError("?since", "either_or", "send either cursor or since, not both"))
        return self.cursors.newer(request.scope["path"], limit, since, variant)

    def response(
        self,
        request: Request[Any, Any, Any],
        page: Page[Any],
        items: Any,
        variant: str = "",
        make: MakePage = PageOut,
    ) -> ReadyResponse:
        """The page, with links to the next and the previous one. `items` may be a list that is JSON already."""
        ready = self.ready(request.scope["path"], _other_parameters(request), page, items, variant, make)
        return ReadyResponse(ready)

    def tagged_response(
        self,
        request: Request[Any, Any, Any],
        page: Page[Any],
        items: msgspec.Raw,
        if_none_match: str | None,
        variant: str = "",
    ) -> ReadyResponse:
        """As `response`, with an ETag; or 304 if the client has the page."""
        ready = self.ready(request.scope["path"], _other_parameters(request), page, items, variant)
        return ReadyResponse(tagged_page(ready, items, page).unless_known(if_none_match))

    def ready(
        self,
        path: str,
        parameters: Mapping[str, str],
        page: Page[Any],
        items: Any,
        variant: str = "",
        make: MakePage = PageOut,
    ) -> Ready:
        """The page of the list at `path`. Its links repeat the parameters."""
        links, cursors = [], {}
        same = urlencode(parameters) + "&" if parameters else ""
        for rel, window in (("next", page.next), ("prev", page.prev)):
            if window is not None:
                cursor = self.cursors.encode(path, window, variant)
                cursors[rel] = cursor
                query = f"{same}limit={window.limit}&cursor={cursor}"  # neither needs escaping
                links.append(f'<{self.url}{path}?{query}>; rel="{rel}"')
        out = make(items, cursors.get("next"), cursors.get("prev"))
        return as_json(out, [(b"link", ", ".join(links).encode())] if links else [])


def tagged_page(ready: Ready, items: msgspec.Raw, page: Page[Any]) -> Tagged:
    """The page with an ETag of its items and of where the next page begins. The tag is weak: `prev` moves forward with time
    while the page is the same, and the one that the client has remains right."""
    end = b"" if page.next is None else b"%d" % (page.next.edge or 0)
    return Tagged(f'"{hash_of(bytes(items) + end)}"', ready.headers[2:], ready.body, weak=True)


PAGE_PARAMETERS = frozenset({"limit", "cursor", "since"})
REPEATED = frozenset({"depth", "grouped", "kinds", "pinned", "q", "reposts", "type"})
"""The other parameters of lists, which the links of a page repeat. A parameter that no list knows is not sent back, or a
client could make the header as long as it likes."""


def _other_parameters(request: Request[Any, Any, Any]) -> dict[str, str]:
    return {name: value for name, value in request.query_params.items() if name in REPEATED}
