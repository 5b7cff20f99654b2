"""Pages over HTTP: opaque cursors, and links to what comes next and came before."""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BinasciiError
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Generic, TypeAlias, TypeVar
from urllib.parse import urlencode

from litestar import Request
from litestar.params import QueryParameter

from application.shared.paging import Page, Window
from domain.shared import FieldError
from entrypoints.http.answers import Answer, Out, Ready, as_json
from entrypoints.http.errors import CursorInvalid, QueryInvalid

T = TypeVar("T")
_LAYOUT = struct.Struct(">Bq")
"""Whether it leads back, and the edge. What was seen beyond it follows, an id in eight bytes."""
_MAC = 8
MAX_CURSOR = 512

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="How many items at most.")]
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
        description="`prev` of a page of the same feed, to ask for what is new since then: the page next above it, whose "
        "`prev` leads on. Every page of a feed has one, an empty one too. Not together with `cursor`.",
    ),
]


class PageOut(Out, Generic[T]):
    """Part of a list. `next` is null at the end of the list, and only there."""

    items: list[T]
    next: str | None
    prev: str | None


MakePage: TypeAlias = Callable[[list[Any], str | None, str | None], Out]
"""Of the items, `next` and `prev`: for pages that hold more than these."""


@dataclass(frozen=True, slots=True)
class Pager:
    """Makes cursors and reads them back. They are signed, each for the list that gave it out."""

    key: bytes
    url: str

    def window(self, request: Request[Any, Any, Any], limit: int, cursor: str | None, of: str = "") -> Window:
        """Raises CursorInvalid for what this list did not give out. `of` tells lists apart that have the same
        path, here as in `answer`."""
        if cursor is None:
            return Window(limit)
        try:
            raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except (BinasciiError, ValueError):
            raw = b""
        body, mac = raw[:-_MAC], raw[-_MAC:]
        if (
            len(body) < _LAYOUT.size
            or len(body) % 8 != _LAYOUT.size % 8
            or not hmac.compare_digest(mac, self._mac(request.scope["path"], body, of))
        ):
            raise CursorInvalid("this cursor is not from this list")
        back, edge = _LAYOUT.unpack_from(body)
        return Window(limit, edge, bool(back), _ids(body[_LAYOUT.size :]))

    def newer(
        self,
        request: Request[Any, Any, Any],
        limit: int,
        cursor: str | None,
        since: str | None,
        of: str = "",
    ) -> Window:
        """As `window`, for a list that can be asked for what is new. Raises CursorInvalid and QueryInvalid."""
        if since is None:
            return self.window(request, limit, cursor, of)
        if cursor is not None:
            raise QueryInvalid(
                FieldError("?since", "either_or", "there is a place to go on from, or one to ask since")
            )
        window = self.window(request, limit, since, of)
        if not window.back:
            raise CursorInvalid("this cursor does not lead to what is new")
        return window

    def answer(
        self,
        request: Request[Any, Any, Any],
        page: Page[Any],
        items: Any,
        of: str = "",
        make: MakePage = PageOut,
    ) -> Answer:
        """The page, with links to the next and the one before; `items` may be a list that is JSON already."""
        return Answer(self.ready(request.scope["path"], _other_parameters(request), page, items, of, make))

    def ready(
        self,
        path: str,
        parameters: Mapping[str, str],
        page: Page[Any],
        items: Any,
        of: str = "",
        make: MakePage = PageOut,
    ) -> Ready:
        """The same, of the list at `path`; its links repeat the parameters."""
        links, cursors = [], {}
        same = urlencode(parameters) + "&" if parameters else ""
        for rel, window in (("next", page.next), ("prev", page.prev)):
            if window is not None:
                cursor = self.cursor(path, window, of)
                cursors[rel] = cursor
                query = f"{same}limit={window.limit}&cursor={cursor}"  # neither needs escaping
                links.append(f'<{self.url}{path}?{query}>; rel="{rel}"')
        out = make(items, cursors.get("next"), cursors.get("prev"))
        return as_json(out, [(b"link", ", ".join(links).encode())] if links else [])

    def cursor(self, path: str, window: Window, of: str = "") -> str:
        """The cursor of a window of the list at `path`."""
        body = _LAYOUT.pack(window.back, window.edge or 0)
        if window.seen:
            body += struct.pack(f">{len(window.seen)}q", *window.seen)
        return urlsafe_b64encode(body + self._mac(path, body, of)).decode().rstrip("=")

    def _mac(self, path: str, body: bytes, of: str) -> bytes:
        words = f"{path}\0{of}\0".encode(errors="replace") + body
        return blake2b(words, key=self.key, digest_size=_MAC).digest()


def _ids(raw: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(raw) // 8}q", raw) if raw else ()


OF_PAGES = frozenset({"limit", "cursor", "since"})
REPEATED = frozenset({"depth", "grouped", "kinds", "pinned", "q", "reposts", "type"})
"""What the links of a page repeat of its request: the other parameters of lists. What no list knows is not sent
back, or a header would be as long as a client likes."""


def _other_parameters(request: Request[Any, Any, Any]) -> dict[str, str]:
    return {name: value for name, value in request.query_params.items() if name in REPEATED}
