"""Accounts and sessions: what a name, an address and a password may be, and how a session lives."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

from domain.names import is_reserved
from domain.shared import (
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    SessionId,
    TextRule,
    Unauthenticated,
    UserId,
    made_at,
)

BIO = TextRule("bio", max_graphemes=500, max_bytes=4_000, lines=True)

MIN_PASSWORD, MAX_PASSWORD = 8, 256
MIN_NAME = 4
"""A shorter name may stand in a password: it would be in too many by chance."""
MAX_EMAIL_BYTES = 254
MAX_LOCAL_BYTES = 64

AsciiDomain: TypeAlias = Callable[[str], str]
"""The form of a domain name in which two names are the same or not (IDNA 2008, mapped by UTS 46), in lower case.
Raises ValueError for what has none."""

NAME_REST = timedelta(days=90)
"""For this long nobody can register the username of an account that was deleted: who takes it would be
taken for the one before."""

SESSION_IDLE = timedelta(days=30)
"""A session that nobody refreshed for this long has ended."""
SESSION_LIFE = timedelta(days=90)
"""However active, a session ends this long after the login."""
REUSE_GRACE = timedelta(seconds=30)
"""For this long after its exchange a refresh token brings the same successor again: an answer was lost, or
two tabs raced. Used after that it is proof of a copy."""
MAX_SESSIONS = 100
"""Of one account. Another login ends the one that was not used for longest."""

RECENT = timedelta(minutes=5)
"""For this long after a login or a confirmation by password a session may do what is dangerous."""
MAX_DEVICE = 200

CONFIRMATION_LIFE = timedelta(hours=24)
"""For this long a registration can be confirmed by the token that was mailed, and nobody else gets the name."""

_USERNAME = re.compile(r"[a-z0-9_]{3,30}")
_LOCAL = re.compile(r"[^\s@.\"(),:;<>\[\\\]]+(?:\.[^\s@.\"(),:;<>\[\\\]]+)*")
"""A dot-atom (RFC 5322), with letters of every script (RFC 6531). No quoted strings: nobody has one."""
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")
"""In ASCII. An address of a host, in brackets or not, is none."""


class UsernameTaken(Conflict):
    """Another account has this username, whatever the case, or had it until not long ago."""

    code = "username_taken"


class EmailTaken(Conflict):
    """Another account has this e-mail address, whatever the case."""

    code = "email_taken"


class RegistrationTokenInvalid(Forbidden):
    """The token confirms no registration: it is wrong, was used, is older than 24 hours, or the name or the address has
    an account by now. Register again."""

    code = "registration_token_invalid"


class ConfirmationNeeded(Conflict):
    """What was asked for cannot be undone: ask again, and say so as the detail tells."""

    code = "confirmation_needed"


class WrongCredentials(Unauthenticated):
    """One error for an unknown account and for a wrong password: neither tells which it was."""

    code = "wrong_credentials"


class WrongPassword(Forbidden):
    """The password is not the one of this account. The access token is good: to renew it helps nothing."""

    code = "wrong_password"


class SessionEnded(Unauthenticated):
    """The refresh token is unknown, spent or expired, or its session was ended: log in again."""

    code = "session_ended"


class RecentLoginRequired(Forbidden):
    """This needs a session that gave its password within the last five minutes: `POST /api/v1/auth/confirm`."""

    code = "recent_login_required"


class SessionNotFound(NotFound):
    """One has no such session, or it has ended."""

    code = "session_not_found"


def username(raw: str) -> str:
    """The canonical (lower-case) username; raises Invalid. ASCII only, so no two look alike."""
    name = raw.lower() if raw.isascii() else raw
    if not _USERNAME.fullmatch(name):
        detail = "a username has 3 to 30 of the characters a-z, 0-9 and _"
        raise Invalid(FieldError("username", "username_format", detail))
    if is_reserved(name):
        raise Invalid(FieldError("username", "username_reserved", "this username is reserved"))
    return name


def email(raw: str, ascii_domain: AsciiDomain) -> str:
    """The address as it is shown and written to; raises Invalid for what no mail can go to. Whether it exists only
    mail tells."""
    if len(raw) > 4 * MAX_EMAIL_BYTES:
        raise _no_address()
    address = unicodedata.normalize("NFC", raw.strip())
    local, _, domain = address.rpartition("@")
    if (
        len(address.encode(errors="replace")) > MAX_EMAIL_BYTES
        or len(local.encode(errors="replace")) > MAX_LOCAL_BYTES
        or not _LOCAL.fullmatch(local)
        or any(unicodedata.category(char)[0] in "CZ" for char in address)
    ):
        raise _no_address()
    try:
        domain = ascii_domain(domain)
    except ValueError:
        raise _no_address() from None
    if not _DOMAIN.fullmatch(domain) or len(local.encode()) + 1 + len(domain) > MAX_EMAIL_BYTES:
        raise _no_address()
    return address


def _no_address() -> Invalid:
    return Invalid(FieldError("email", "email_format", "this is not an e-mail address"))


def email_key(address: str, ascii_domain: AsciiDomain) -> str:
    """Equal for addresses that are the same mailbox as far as uniqueness goes: the case of both parts and the
    spelling of the domain are ignored, and nothing else."""
    local, at, domain = unicodedata.normalize("NFC", address.strip()).rpartition("@")
    try:
        domain = ascii_domain(domain)
    except ValueError:  # no address, or one from before there were rules: nobody else's key becomes like it
        domain = domain.lower()
    return f"{local.lower()}{at}{domain}"


def password(raw: str, *, field: str = "password") -> str:
    """The password in NFKC, as it is compared; raises Invalid for what no account can have."""
    # Typed decomposed it may be longer than it is; beyond that no work is done on a hostile text.
    secret = unicodedata.normalize("NFKC", raw) if len(raw) <= 4 * MAX_PASSWORD else raw
    if len(secret) > MAX_PASSWORD or any(unicodedata.category(char) == "Cs" for char in secret):
        raise Invalid(
            FieldError(field, "password_too_long", f"at most {MAX_PASSWORD} characters, in valid Unicode")
        )
    return secret


def new_password(
    raw: str,
    *,
    common: Callable[[str], bool],
    names: Iterable[str] = (),
    field: str = "password",
) -> str:
    """The password in NFKC; raises Invalid. Blanks and every script are welcome; it must be long, not
    `common`, and hold none of `names`: of the person, the address, the site."""
    secret = password(raw, field=field)
    if len(secret) < MIN_PASSWORD:
        raise Invalid(FieldError(field, "password_too_short", f"at least {MIN_PASSWORD} characters"))
    folded = secret.casefold()
    known = (unicodedata.normalize("NFKC", name).casefold() for name in names)
    if any(len(name) >= MIN_NAME and name in folded for name in known):
        raise Invalid(
            FieldError(
                field, "password_guessable", "the password holds your name, your address or this site's name"
            )
        )
    if common(secret):
        raise Invalid(FieldError(field, "password_common", "this password is among the first that are tried"))
    return secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    id: UserId
    username: str
    email: str
    password_hash: str
    display_name: str = ""
    bio: str = ""
    private: bool = False
    """What it posts is for its followers and for whom it mentions."""
    posts: int = 0
    """How many posts (comments aside) the account shows; follows the facts of the posts module."""
    version: int = 1
    """Rises with every edit of the profile; what If-Match compares."""

    @property
    def created_at(self) -> datetime:
        return made_at(self.id)

    def edited(
        self, *, display_name: str | None = None, bio: str | None = None, private: bool | None = None
    ) -> "Account":
        """The account with the members that are given replaced; the same one if that changes nothing."""
        new = replace(
            self,
            display_name=self.display_name if display_name is None else display_name,
            bio=self.bio if bio is None else bio,
            private=self.private if private is None else private,
        )
        return self if new == self else replace(new, version=self.version + 1)


def device(raw: str) -> str:
    """What a client says that it is, fit to be shown to its owner: printable, at most MAX_DEVICE characters."""
    shown = "".join(
        " " if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} else char
        for char in raw[: 4 * MAX_DEVICE]
    )
    return " ".join(shown.split())[:MAX_DEVICE].rstrip()


def session_expires(created_at: datetime, last_used_at: datetime) -> datetime:
    """When a session that is not used again has ended."""
    return min(last_used_at + SESSION_IDLE, created_at + SESSION_LIFE)


class TokenExchange(NamedTuple):
    """The refresh tokens from `generation` up to that of the next entry were exchanged at `at`."""

    generation: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One login on one device. Its refresh tokens form a chain; only the newest is good."""

    id: SessionId
    user_id: UserId
    seed: bytes
    """Random, per session. With the server's key it makes every refresh token of the chain, so that
    none is stored: neither the database nor the key alone can forge one."""
    generation: int = 0
    exchanges: tuple[TokenExchange, ...] = ()
    """Which tokens before the parent of the newest were exchanged within the last REUSE_GRACE, and when. What was
    exchanged within the same second shares an entry, so there are never more than about thirty."""
    refreshed_at: datetime
    """The last login or refresh. A client in use refreshes every ten minutes, so this is when it was last
    used, and no request has to write for it."""
    authenticated_at: datetime
    """When the password was last given in this session."""
    device: str = ""
    """What the client said that it is (User-Agent); see `device`."""
    network: str = ""
    """A keyed hash of the network that the session was opened from, never the address."""
    ended_at: datetime | None = None

    @property
    def created_at(self) -> datetime:
        return made_at(self.id)

    def alive(self, now: datetime) -> bool:
        return self.ended_at is None and now < session_expires(self.created_at, self.refreshed_at)

    def require_recent(self, now: datetime) -> None:
        """Raise RecentLoginRequired unless the password was given in this session within RECENT: a stolen
        access token alone must not take over or destroy an account."""
        if now > self.authenticated_at + RECENT:
            raise RecentLoginRequired("give your password again: POST /api/v1/auth/confirm")

    def exchanged_at(self, generation: int) -> datetime | None:
        """When the token of `generation` was exchanged for the next one; None if it was not, or too long ago to be
        known."""
        if generation == self.generation - 1:
            return self.refreshed_at
        if generation >= self.generation:
            return None
        return next((each.at for each in reversed(self.exchanges) if each.generation <= generation), None)

    def refreshed(self, generation: int, now: datetime) -> "Session":
        """The session after a refresh with the token of `generation`.

        The newest token moves the chain on. Any other leaves the session as it is within the grace after its own
        exchange, so that it brings the same successor again. After that it was copied: the session comes back ended,
        which the caller must store before it refuses.
        """
        if generation == self.generation:
            return replace(self, generation=generation + 1, exchanges=self._remembered(now), refreshed_at=now)
        at = self.exchanged_at(generation)
        return self if at is not None and now <= at + REUSE_GRACE else self.ended(now)

    def _remembered(self, now: datetime) -> tuple[TokenExchange, ...]:
        """The exchanges that may still be asked for again at `now`, that of the parent included."""
        kept = [each for each in self.exchanges if now <= each.at + REUSE_GRACE]
        if self.generation == 0 or now > self.refreshed_at + REUSE_GRACE:
            return tuple(kept)
        parent = TokenExchange(self.generation - 1, self.refreshed_at)
        if kept and kept[-1].at.replace(microsecond=0) == parent.at.replace(microsecond=0):
            parent = TokenExchange(kept.pop().generation, parent.at)
        return (*kept, parent)

    def renewed(self, seed: bytes, now: datetime) -> "Session":
        """The session whose password was given just now: a new chain of refresh tokens begins, and no token of the
        one before is good any more."""
        return replace(
            self,
            seed=seed,
            generation=self.generation + 1,
            exchanges=(),
            refreshed_at=now,
            authenticated_at=now,
        )

    def ended(self, now: datetime) -> "Session":
        return self if self.ended_at else replace(self, ended_at=now)
