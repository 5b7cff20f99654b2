"""Opaque cursors: signed positions in a list, valid only for the list that gave them out."""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BinasciiError
from dataclasses import dataclass
from hashlib import blake2b

from application.posts.searching import TagWindow
from application.shared.paging import Window
from domain.shared import DomainError

_LAYOUT = struct.Struct(">Bq")
"""The direction (1: back) and the edge. The ids in `Window.seen` follow, eight bytes each."""
_MAC = 8

MAX_CURSOR = 512
"""Characters of the longest cursor of a Window."""


class CursorInvalid(DomainError):
    """The cursor is not from this list, or it is too old."""

    code = "cursor_invalid"


@dataclass(frozen=True, slots=True)
class Cursors:
    """Encodes windows as cursors and decodes them again.

    `list_` names the list, in any form that the adapter keeps to: HTTP uses the path. `variant` separates lists that
    share a name, such as the same search with other words.
    """

    key: bytes

    def encode(self, list_: str, window: Window | TagWindow, variant: str = "") -> str:
        if isinstance(window, TagWindow):
            content = bytes([window.back]) + (window.edge or "").encode()
        else:
            content = _LAYOUT.pack(window.back, window.edge or 0)
            if window.seen:
                content += struct.pack(f">{len(window.seen)}q", *window.seen)
        return urlsafe_b64encode(content + self._mac(list_, content, variant)).decode().rstrip("=")

    def window(self, list_: str, limit: int, cursor: str | None, variant: str = "") -> Window:
        """The beginning of the list without a cursor. Raises CursorInvalid."""
        if cursor is None:
            return Window(limit)
        content = self._content(list_, cursor, variant)
        if len(content) < _LAYOUT.size or len(content) % 8 != _LAYOUT.size % 8:
            raise CursorInvalid("this cursor is not from this list")
        back, edge = _LAYOUT.unpack_from(content)
        return Window(limit, edge, bool(back), _ids(content[_LAYOUT.size :]))

    def newer(self, list_: str, limit: int, cursor: str, variant: str = "") -> Window:
        """The window of what is new since the cursor, which must be a `prev` of the list. Raises CursorInvalid."""
        window = self.window(list_, limit, cursor, variant)
        if not window.back:
            raise CursorInvalid("this cursor does not lead to newer items")
        return window

    def tag_window(self, list_: str, limit: int, cursor: str | None, variant: str = "") -> TagWindow:
        """As `window`, for a list of hashtags. Raises CursorInvalid."""
        if cursor is None:
            return TagWindow(limit)
        content = self._content(list_, cursor, variant)
        if not content:
            raise CursorInvalid("this cursor is not from this list")
        return TagWindow(limit, content[1:].decode(errors="replace"), bool(content[0]))

    def _content(self, list_: str, cursor: str, variant: str) -> bytes:
        """The signed value. Raises CursorInvalid."""
        try:
            raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except (BinasciiError, ValueError):
            raw = b""
        content, mac = raw[:-_MAC], raw[-_MAC:]
        if not hmac.compare_digest(mac, self._mac(list_, content, variant)):
            raise CursorInvalid("this cursor is not from this list")
        return content

    def _mac(self, list_: str, content: bytes, variant: str) -> bytes:
        signed = f"{list_}\0{variant}\0".encode(errors="replace") + content
        return blake2b(signed, key=self.key, digest_size=_MAC).digest()


def _ids(raw: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(raw) // 8}q", raw) if raw else ()
