"""Pages over HTTP: opaque cursors, and links to what comes next and came before."""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BinasciiError
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

from litestar import Request
from litestar.params import QueryParameter

from application.shared.paging import Page, Window
from entrypoints.http.answers import Answer, Out, as_json
from entrypoints.http.errors import CursorInvalid

T = TypeVar("T")
_LAYOUT = struct.Struct(">Bq")
_MAC = 8

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="How many items at most.")]
Cursor = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=64,
        description="`next` or `prev` of a page of the same list. Opaque: its form may change at any time.",
    ),
]


class PageOut(Out, Generic[T]):
    """Part of a list. `next` is null at the end of the list, and only there."""

    items: list[T]
    next: str | None
    prev: str | None


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
        if len(body) != _LAYOUT.size or not hmac.compare_digest(
            mac, self._mac(request.scope["path"], body, of)
        ):
            raise CursorInvalid("this cursor is not from this list")
        back, edge = _LAYOUT.unpack(body)
        return Window(limit, edge, bool(back))

    def answer(
        self, request: Request[Any, Any, Any], page: Page[Any], items: list[Any], of: str = ""
    ) -> Answer:
        """The page, with links to the next and the one before."""
        links, cursors = [], {}
        for rel, window in (("next", page.next), ("prev", page.prev)):
            if window is not None:
                cursor = self.cursor(request.scope["path"], window, of)
                cursors[rel] = cursor
                query = urlencode({**_other_parameters(request), "limit": window.limit, "cursor": cursor})
                links.append(f'<{self.url}{request.scope["path"]}?{query}>; rel="{rel}"')
        out = PageOut(items, cursors.get("next"), cursors.get("prev"))
        return Answer(as_json(out, [(b"link", ", ".join(links).encode())] if links else []))

    def cursor(self, path: str, window: Window, of: str = "") -> str:
        """The cursor of a window of the list at `path`."""
        body = _LAYOUT.pack(window.back, window.edge or 0)
        return urlsafe_b64encode(body + self._mac(path, body, of)).decode().rstrip("=")

    def _mac(self, path: str, body: bytes, of: str) -> bytes:
        return hmac.digest(self.key, f"{path}\0{of}\0".encode(errors="replace") + body, "sha256")[:_MAC]


def _other_parameters(request: Request[Any, Any, Any]) -> dict[str, str]:
    return {name: value for name, value in request.query_params.items() if name not in {"limit", "cursor"}}
