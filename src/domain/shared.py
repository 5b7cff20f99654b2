"""Shared by all modules: ids, viewer contexts, errors, and limits of texts."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import ClassVar, NewType

from domain.dataclasses import dataclass

UserId = NewType("UserId", int)
PostId = NewType("PostId", int)
SessionId = NewType("SessionId", int)
EventId = NewType("EventId", int)
MediaId = NewType("MediaId", int)

MAX_ID = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


OPEN_VISIBILITIES = frozenset({"public", "unlisted"})
"""The visibilities of open posts: everybody may see them, unless the author is restricted. A count includes only open
posts: others would be revealed to readers who may not see them."""


@dataclass(frozen=True, slots=True)
class ViewerContext:
    """The relationships of a viewer that decide what the viewer may see, at one moment. The default is an anonymous viewer."""

    viewer: UserId | None = None
    follows: frozenset[UserId] = frozenset()
    """The accounts that the viewer follows, without pending requests."""
    blocked: frozenset[UserId] = frozenset()
    """The accounts that block the viewer or are blocked by the viewer: the two see nothing of each other."""
    muted: frozenset[UserId] = frozenset()
    """The accounts that the viewer mutes. They are left out of lists that mix authors, but not of their own pages: a mute
    does not affect visibility."""
    version: int = 0
    """Increases whenever `follows` or `blocked` changes; 0 if they never changed."""


def id_from(text: str) -> int | None:
    """The id in canonical decimal digits; None for any other text, such as `007`, `+7` and `٧`."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19) or text[0] == "0":
        return None
    value = int(text)
    return value if value <= MAX_ID else None


def made_at(id_: int) -> datetime:
    """The time at which `id_` was allocated: its upper 48 bits are milliseconds since 1970 in UTC."""
    return _EPOCH + timedelta(milliseconds=id_ >> 16)


class DomainError(Exception):
    """A request is refused. Raise one of the classes below or a subclass of them, never this one.

    `code` is stable and part of the API. The message is for people and may change.
    """

    code: ClassVar[str]


class Unauthenticated(DomainError):
    """The request has no token, an invalid token, or wrong credentials."""

    code = "unauthenticated"


class Forbidden(DomainError):
    """The user is not allowed to do this."""

    code = "forbidden"


class NotFound(DomainError):
    """The resource does not exist, or the user may not know that it exists."""

    code = "not_found"


class UserNotFound(NotFound):
    """There is no such user."""

    code = "user_not_found"


class Conflict(DomainError):
    """The current state does not allow the request."""

    code = "conflict"


class Stale(DomainError):
    """The resource changed since the client read it."""

    code = "precondition_failed"


class Unavailable(DomainError):
    """A required part of the server is unavailable or overloaded. It is safe to retry after some seconds."""

    code = "unavailable"

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class TooMany(DomainError):
    """This client sends too many requests; others are still served. `retry_after` is in whole seconds."""

    code = "too_many"

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class FieldError:
    """One error in the input: the name of the member, a stable code, and a text for people."""

    field: str
    code: str
    detail: str


class Invalid(DomainError):
    """The input breaks rules, or has unknown members or query parameters. `errors` lists all errors found."""

    code = "invalid"

    def __init__(self, *field_errors: FieldError) -> None:
        super().__init__("; ".join(field_error.detail for field_error in field_errors))
        self.field_errors: Sequence[FieldError] = field_errors


class FieldErrors:
    """Collects the errors of several members, so that a client gets all of them at once.

    >>> with FieldErrors.collected() as field_errors:
    ...     with field_errors: name = username(raw)
    ...     with field_errors: address = email(raw)
    """

    def __init__(self) -> None:
        self._found: list[FieldError] = []

    @classmethod
    @contextmanager
    def collected(cls) -> "Iterator[FieldErrors]":
        field_errors = cls()
        yield field_errors
        if field_errors._found:
            raise Invalid(*field_errors._found)

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, Invalid):
            self._found.extend(error.field_errors)
            return True
        return False


CountGraphemes = Callable[[str], int]
"""The number of characters that a person sees in a text (extended grapheme clusters)."""


@dataclass(frozen=True, slots=True)
class TextRule:
    """The rule for a text member. Both limits apply: one visible character can have many bytes."""

    field: str
    max_graphemes: int
    max_bytes: int
    required: bool = False
    lines: bool = False

    def apply(self, raw: str, graphemes: CountGraphemes) -> str:
        r"""`raw` in NFC, with `\n` as line ends and without surrounding blanks. Raises Invalid if it breaks the rule."""
        if len(raw) > self.max_bytes:  # cheap, before any work on a malicious text
            raise self._too_long()
        if (bad := _unprintable(raw, lines=self.lines)) is not None:
            raise Invalid(FieldError(self.field, "characters", f"the character {bad} is not allowed"))
        text = unicodedata.normalize("NFC", raw.replace("\r\n", "\n").replace("\r", "\n")).strip()
        if len(text.encode()) > self.max_bytes or graphemes(text) > self.max_graphemes:
            raise self._too_long()
        if self.required and not shows_something(text):
            raise Invalid(FieldError(self.field, "empty", f"{self.field} must not be empty"))
        return text

    def _too_long(self) -> Invalid:
        limits = f"{self.max_graphemes} characters and {self.max_bytes} bytes"
        return Invalid(FieldError(self.field, "too_long", f"{self.field} is longer than {limits}"))


def _unprintable(text: str, *, lines: bool) -> str | None:
    # Cc: controls (NUL among them); Cs: half of a surrogate pair, which no UTF-8 can carry;
    # Zl, Zp: line separators that are not controls
    allowed, refused = ("\t\r\n", {"Cc", "Cs"}) if lines else ("", {"Cc", "Cs", "Zl", "Zp"})
    for char in text:
        misleads = not lines and char in _MISLEADING
        if misleads or (unicodedata.category(char) in refused and char not in allowed):
            return f"U+{ord(char):04X}"
    return None


_MISLEADING = frozenset(
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\u206a\u206b\u206c\u206d\u206e\u206f\ufeff"
)
"""Characters that change the direction of the following text, or are invisible: in a name they only deceive. The joiners
are allowed, since Persian and emoji need them."""


_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and a symbol, by their categories, that are rendered as nothing."""


def shows_something(text: str) -> bool:
    """Whether the text has a visible character: blanks, controls and marks without a letter are not visible."""
    nothing = {"Zs", "Zl", "Zp", "Cc", "Cf", "Mn", "Me"}
    return any(unicodedata.category(char) not in nothing and char not in _BLANK for char in text)
