"""Words every module speaks: ids, time, text within limits, and the shape of a refusal."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, NewType

UserId = NewType("UserId", int)
PostId = NewType("PostId", int)
SessionId = NewType("SessionId", int)
EventId = NewType("EventId", int)
MediaId = NewType("MediaId", int)

MAX_ID = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ViewerContext:
    """How a viewer stands to others, as of one moment. The default is a stranger: nobody is known to nobody."""

    viewer: UserId | None = None
    follows: frozenset[UserId] = frozenset()
    """Whom the viewer follows, accepted requests only."""
    blocked: frozenset[UserId] = frozenset()
    """Who blocks the viewer or is blocked by them: the two see nothing of each other."""
    muted: frozenset[UserId] = frozenset()
    """Whom the viewer does not want to come across. They hide from lists that mix authors, never from who
    goes to them: visibility does not ask for it."""
    version: int = 0
    """Rises whenever `follows` or `blocked` changes; 0 if neither ever did."""


def id_from(text: str) -> int | None:
    """The id that `text` spells in canonical decimal digits, or None: `007`, `+7` and `٧` are no ids."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19) or text[0] == "0":
        return None
    value = int(text)
    return value if value <= MAX_ID else None


def made_at(id_: int) -> datetime:
    """When `id_` was allocated: its upper 48 bits are milliseconds since 1970 in UTC."""
    return _EPOCH + timedelta(milliseconds=id_ >> 16)


class DomainError(Exception):
    """A rule said no. Raise one of the kinds below or a subclass of it, never this one.

    `code` is stable and part of the API; the message is for people and may change.
    """

    code: ClassVar[str]


class Unauthenticated(DomainError):
    """Who is asking is not known: no token, a bad one, or wrong credentials."""

    code = "unauthenticated"


class Forbidden(DomainError):
    """Who is asking is known, and may not."""

    code = "forbidden"


class NotFound(DomainError):
    """It does not exist, or the one who asks may not know that it does."""

    code = "not_found"


class UserNotFound(NotFound):
    """There is no such user."""

    code = "user_not_found"


class Conflict(DomainError):
    """The state of things does not allow it (yet, or any more)."""

    code = "conflict"


class Stale(DomainError):
    """The resource changed since the client read it."""

    code = "precondition_failed"


class Unavailable(DomainError):
    """Not now: something needed is away or overloaded. Safe to try again after some seconds."""

    code = "unavailable"

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class TooMany(DomainError):
    """This one asks for too much; others are served. `retry_after` is in whole seconds."""

    code = "too_many"

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with the input: where (a member's name), a stable code, and words for people."""

    field: str
    code: str
    detail: str


class Invalid(DomainError):
    """The input breaks rules, or has members or query parameters that do not exist. `errors` lists all that was found."""

    code = "invalid"

    def __init__(self, *field_errors: FieldError) -> None:
        super().__init__("; ".join(field_error.detail for field_error in field_errors))
        self.field_errors: Sequence[FieldError] = field_errors


class FieldErrors:
    """Collects the faults of several members, so that a client hears of all of them at once.

    >>> with Faults.collected() as faults:
    ...     with faults: name = Username(raw)
    ...     with faults: email = Email(raw)
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
"""How many characters a person sees in a text (extended grapheme clusters)."""


@dataclass(frozen=True, slots=True)
class TextRule:
    """What a text member may hold. Both limits count: one seen character can be many bytes."""

    field: str
    max_graphemes: int
    max_bytes: int
    required: bool = False
    lines: bool = False

    def apply(self, raw: str, graphemes: CountGraphemes) -> str:
        r"""`raw` in NFC with `\n` line ends and no outer blanks; raises Invalid if it breaks the rule."""
        if len(raw) > self.max_bytes:  # cheap, before any work on a hostile text
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
    # Zl, Zp: what breaks a line without being a control
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
"""Turns the direction of what follows, or cannot be seen: in a name it only deceives. The joiners stay,
which Persian and emoji need."""


_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and a sign, going by their category, that are drawn as nothing."""


def shows_something(text: str) -> bool:
    """Whether there is anything to see: blanks, controls, and marks that have no letter are nothing."""
    nothing = {"Zs", "Zl", "Zp", "Cc", "Cf", "Mn", "Me"}
    return any(unicodedata.category(char) not in nothing and char not in _BLANK for char in text)
