"""Accounts, sessions and signing keys in memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.memory.outbox import MemoryIdempotency, MemoryInbox, MemoryOutbox
from adapters.memory.store import Draft, Rows, Store
from application.identity.ports import Card, Credentials, IdentityTx, StoredKey
from application.shared.ports import NewId, OpenTx
from domain.identity import (
    Account,
    EmailTaken,
    Session,
    SessionEnded,
    UsernameTaken,
    UserNotFound,
    email_key,
)
from domain.shared import SessionId, UserId


def _account(rows: Rows, user_id: UserId) -> Account:
    account: Account | None = rows.get("accounts", user_id)
    if account is None:
        raise UserNotFound("no such user")
    return account


@dataclass(frozen=True, slots=True)
class MemoryAccounts:
    rows: Draft

    async def add(self, account: Account) -> None:
        if self.rows.get("email_keys", email_key(account.email)) is not None:
            raise EmailTaken("this address has an account already")
        if self.rows.get("usernames", account.username) is not None:
            raise UsernameTaken("this username is taken")
        self.rows.put("accounts", account.id, account)
        self.rows.put("usernames", account.username, account.id)
        self.rows.put("email_keys", email_key(account.email), account.id)

    async def get(self, user_id: UserId) -> Account:
        return _account(self.rows, user_id)

    async def save(self, account: Account) -> None:
        old = _account(self.rows, account.id)
        new = replace(old, display_name=account.display_name, bio=account.bio, version=account.version)
        self.rows.put("accounts", account.id, new)

    async def set_password_hash(self, user_id: UserId, password_hash: str) -> None:
        account = replace(_account(self.rows, user_id), password_hash=password_hash)
        self.rows.put("accounts", user_id, account)

    async def count_posts(self, user_id: UserId, change: int) -> None:
        account: Account | None = self.rows.get("accounts", user_id)
        if account is not None:
            self.rows.put("accounts", user_id, replace(account, posts=account.posts + change))


@dataclass(frozen=True, slots=True)
class MemorySessions:
    rows: Draft

    async def add(self, session: Session) -> None:
        self.rows.put("sessions", session.id, session)

    async def get(self, session_id: SessionId) -> Session:
        session: Session | None = self.rows.get("sessions", session_id)
        if session is None:
            raise SessionEnded("no such session")
        return session

    async def save(self, session: Session) -> None:
        self.rows.put("sessions", session.id, session)


@dataclass(frozen=True, slots=True)
class MemoryIdentityReader:
    store: Store

    async def account(self, user_id: UserId) -> Account:
        return _account(self.store, user_id)

    async def account_named(self, username: str) -> Account:
        return _account(self.store, self.store.get("usernames", username))

    async def credentials(self, *, username: str, email: str) -> Credentials | None:
        user_id = self.store.get("usernames", username) or self.store.get("email_keys", email)
        account: Account | None = self.store.get("accounts", user_id)
        return Credentials(account.id, account.password_hash) if account else None

    async def session_alive(self, session_id: SessionId, now: datetime) -> bool:
        session: Session | None = self.store.get("sessions", session_id)
        return session is not None and session.alive(now)

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, Card]:
        found = (self.store.get("accounts", user_id) for user_id in ids)
        return {
            account.id: Card(account.id, account.username, account.display_name)
            for account in found
            if account
        }

    async def ids_named(self, usernames: Collection[str]) -> Mapping[str, UserId]:
        return {name: id_ for name in usernames if (id_ := self.store.get("usernames", name))}


@dataclass(frozen=True, slots=True)
class MemoryKeyStore:
    store: Store

    async def keys(self) -> Sequence[StoredKey]:
        return list(self.store.all("signing_keys"))

    async def add_first(self, key: StoredKey) -> None:
        async with self.store.begin() as rows:
            if not any(stored.active for stored in rows.all("signing_keys")):
                rows.put("signing_keys", key.kid, key)


def transactions(store: Store, new_id: NewId) -> OpenTx[IdentityTx]:
    def ports(rows: Draft) -> IdentityTx:
        return IdentityTx(
            MemoryAccounts(rows),
            MemorySessions(rows),
            MemoryOutbox(rows, new_id),
            MemoryInbox(rows),
            MemoryIdempotency(rows),
        )

    return store.transactions(ports)
