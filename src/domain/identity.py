"""Accounts and sessions: the rules for usernames, e-mail addresses and passwords, and the lifetime of sessions."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

from domain.dataclasses import dataclass
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
"""A password may contain a name shorter than this: too many passwords would contain it by chance."""
MAX_EMAIL_BYTES = 254
MAX_LOCAL_BYTES = 64

AsciiDomain: TypeAlias = Callable[[str], str]
"""Returns the canonical form of a domain name, in lower case (IDNA 2008, mapped by UTS 46). Two names are the same if
their canonical forms are equal. Raises ValueError for a name that has none."""

NAME_REST = timedelta(days=90)
"""For this long nobody can register the username of a deleted account. Otherwise the new owner could be mistaken for the
old one."""

SESSION_IDLE = timedelta(days=30)
"""A session ends if it is not refreshed for this long."""
SESSION_LIFE = timedelta(days=90)
"""A session ends this long after its login, however active it is."""
REUSE_GRACE = timedelta(seconds=30)
"""For this long after its exchange a refresh token can be exchanged again for the same successor, because a response may
get lost and two tabs may race. A later use proves that the token was copied."""
MAX_SESSIONS = 100
"""The sessions of one account. A further login ends the one that was not used for longest."""

RECENT = timedelta(minutes=5)
"""For this long after a login or a password confirmation a session may perform dangerous actions."""
MAX_DEVICE = 200

CONFIRMATION_LIFE = timedelta(hours=24)
"""For this long the mailed token confirms a registration, and the username is reserved for it."""

_USERNAME = re.compile(r"[a-z0-9_]{3,30}")
_LOCAL = re.compile(r"[^\s@.\"(),:;<>\[\\\]]+(?:\.[^\s@.\"(),:;<>\[\\\]]+)*")
"""A dot-atom (RFC 5322), with letters of every script (RFC 6531). Quoted strings are not accepted: nobody uses them."""
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")
"""In ASCII. The IP address of a host is no domain name, in brackets or not."""


class UsernameTaken(Conflict):
    """Another account has this username, whatever the case, or had it until recently."""

    code = "username_taken"


class EmailTaken(Conflict):
    """Another account has this e-mail address, whatever the case."""

    code = "email_taken"


class RegistrationTokenInvalid(Forbidden):
    """The token does not confirm a registration: it is wrong, was used, or is older than 24 hours, or the username or
    the address belongs to an account by now. Register again."""

    code = "registration_token_invalid"


class ConfirmationNeeded(Conflict):
    """This action cannot be undone. Send the request again with the confirmation that the detail describes."""

    code = "confirmation_needed"


class WrongCredentials(Unauthenticated):
    """The account is unknown, or the password is wrong. The error is the same for both."""

    code = "wrong_credentials"


class WrongPassword(Forbidden):
    """The password is not the one of this account. The access token is valid, so a refresh does not help."""

    code = "wrong_password"


class SessionEnded(Unauthenticated):
    """The refresh token is unknown, used or expired, or its session has ended. Log in again."""

    code = "session_ended"


class RecentLoginRequired(Forbidden):
    """This action needs a session that gave its password within the last five minutes: `POST /api/v1/auth/confirm`."""

    code = "recent_login_required"


class SessionNotFound(NotFound):
    """You have no such session, or it has ended."""

    code = "session_not_found"


def username(raw: str) -> str:
    """The canonical (lower-case) username. It is ASCII only, so that no two look alike. Raises Invalid."""
    name = raw.lower() if raw.isascii() else raw
    if not _USERNAME.fullmatch(name):
        detail = "a username has 3 to 30 of the characters a-z, 0-9 and _"
        raise Invalid(FieldError("username", "username_format", detail))
    if is_reserved(name):
        raise Invalid(FieldError("username", "username_reserved", "this username is reserved"))
    return name


def email(raw: str, ascii_domain: AsciiDomain) -> str:
    """The address as it is displayed and mailed to. Raises Invalid for anything that mail cannot be sent to. Only a sent
    mail can show whether the address exists."""
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
    """A key that is equal for addresses that count as the same mailbox. It ignores the case of both parts and the
    spelling of the domain, and nothing else."""
    local, at, domain = unicodedata.normalize("NFC", address.strip()).rpartition("@")
    try:
        domain = ascii_domain(domain)
    except (
        ValueError
    ):  # no valid address, or one older than the rules: its key cannot equal that of a valid one
        domain = domain.lower()
    return f"{local.lower()}{at}{domain}"


def password(raw: str, *, field: str = "password") -> str:
    """The password in NFKC, as it is compared. Raises Invalid for a password that no account can have."""
    # A decomposed input may be up to four times longer than its NFKC form. A longer one is hostile and not normalised.
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
    """The password in NFKC. It may contain spaces and any script. It must be long enough, must not be `common`, and must
    contain none of `names`: those of the user, of the address and of the site. Raises Invalid."""
    secret = password(raw, field=field)
    if len(secret) < MIN_PASSWORD:
        raise Invalid(FieldError(field, "password_too_short", f"at least {MIN_PASSWORD} characters"))
    folded = secret.casefold()
    known = (unicodedata.normalize("NFKC", name).casefold() for name in names)
    if any(len(name) >= MIN_NAME and name in folded for name in known):
        raise Invalid(
            FieldError(
                field,
                "password_guessable",
                "the password contains your name, your address or this site's name",
            )
        )
    if common(secret):
        raise Invalid(
            FieldError(field, "password_common", "this password is one of the first that attackers try")
        )
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
    """Whether only the followers of the account, and the users it mentions, may see what it posts."""
    posts: int = 0
    """The number of posts that the profile shows, without comments. The events of the posts module keep it up to date."""
    version: int = 1
    """Rises with every edit of the profile. If-Match compares it."""

    @property
    def created_at(self) -> datetime:
        return made_at(self.id)

    def edited(
        self, *, display_name: str | None = None, bio: str | None = None, private: bool | None = None
    ) -> "Account":
        """The account with the given members replaced. Returns the same object if nothing changes."""
        new = replace(
            self,
            display_name=self.display_name if display_name is None else display_name,
            bio=self.bio if bio is None else bio,
            private=self.private if private is None else private,
        )
        return self if new == self else replace(new, version=self.version + 1)


def device(raw: str) -> str:
    """The device name that a client sent, made fit for display: printable, at most MAX_DEVICE characters."""
    shown = "".join(
        " " if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} else char
        for char in raw[: 4 * MAX_DEVICE]
    )
    return " ".join(shown.split())[:MAX_DEVICE].rstrip()


def session_expires(created_at: datetime, last_used_at: datetime) -> datetime:
    """When the session ends if it is not used again."""
    return min(last_used_at + SESSION_IDLE, created_at + SESSION_LIFE)


class TokenExchange(NamedTuple):
    """The refresh tokens from `generation` up to the generation of the next entry were exchanged at `at`."""

    generation: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One login on one device. Its refresh tokens form a chain of which only the newest is valid."""

    id: SessionId
    user_id: UserId
    seed: bytes
    """Random, per session. All refresh tokens of the chain are derived from it and the server's key, so that no token is
    stored. Neither the database nor the key alone is enough to forge one."""
    generation: int = 0
    exchanges: tuple[TokenExchange, ...] = ()
    """The exchanges within the last REUSE_GRACE, without that of the newest token's parent. Exchanges within the same
    second share an entry, so there are at most about thirty."""
    refreshed_at: datetime
    """The last login or refresh. A client in use refreshes every ten minutes, so this serves as the time of the last
    use, and no request has to write it."""
    authenticated_at: datetime
    """When the user last gave the password in this session."""
    device: str = ""
    """The User-Agent that the client sent; see `device`."""
    network: str = ""
    """A keyed hash of the network that the session was opened from. The address itself is not stored."""
    ended_at: datetime | None = None

    @property
    def created_at(self) -> datetime:
        return made_at(self.id)

    def alive(self, now: datetime) -> bool:
        return self.ended_at is None and now < session_expires(self.created_at, self.refreshed_at)

    def require_recent(self, now: datetime) -> None:
        """Raise RecentLoginRequired unless the password was given in this session within RECENT. A stolen access token
        alone must not be enough to take over or destroy an account."""
        if now > self.authenticated_at + RECENT:
            raise RecentLoginRequired("give your password again: POST /api/v1/auth/confirm")

    def exchanged_at(self, generation: int) -> datetime | None:
        """When the token of `generation` was exchanged for the next one; None if it was not exchanged, or so long ago
        that the exchange is no longer stored."""
        if generation == self.generation - 1:
            return self.refreshed_at
        if generation >= self.generation:
            return None
        return next((each.at for each in reversed(self.exchanges) if each.generation <= generation), None)

    def refreshed(self, generation: int, now: datetime) -> "Session":
        """The session after a refresh with the token of `generation`.

        The newest token advances the chain. An older token within REUSE_GRACE after its exchange leaves the session as
        it is, and brings the same successor again. Any other token must have been copied: the returned session is
        ended, and the caller must store it before it refuses the request.
        """
        if generation == self.generation:
            return replace(self, generation=generation + 1, exchanges=self._remembered(now), refreshed_at=now)
        at = self.exchanged_at(generation)
        return self if at is not None and now <= at + REUSE_GRACE else self.ended(now)

    def _remembered(self, now: datetime) -> tuple[TokenExchange, ...]:
        """The exchanges that may still be repeated at `now`, that of the parent included."""
        kept = [each for each in self.exchanges if now <= each.at + REUSE_GRACE]
        if self.generation == 0 or now > self.refreshed_at + REUSE_GRACE:
            return tuple(kept)
        parent = TokenExchange(self.generation - 1, self.refreshed_at)
        if kept and kept[-1].at.replace(microsecond=0) == parent.at.replace(microsecond=0):
            parent = TokenExchange(kept.pop().generation, parent.at)
        return (*kept, parent)

    def renewed(self, seed: bytes, now: datetime) -> "Session":
        """The session after its password was given at `now`: a new chain of refresh tokens begins, and no token of the
        old chain is valid any more."""
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
