"""Accounts in memory."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.memory.store import Draft, Rows
from adapters.text import email_key
from domain.identity import Account, EmailTaken, UsernameTaken
from domain.shared import UserId, UserNotFound


def account_in(rows: Rows, user_id: UserId) -> Account:
    account: Account | None = rows.get("accounts", user_id)
    if account is None:
        raise UserNotFound("no such user")
    return account


def _index(username: str) -> bytes:
    return hashlib.blake2b(
        username.encode()
    ).digest()  # hashed as in the database: a deleted name must not be readable


@dataclass(frozen=True, slots=True)
class MemoryAccounts:
    rows: Draft

    def check_name(self, username: str, now: datetime) -> None:
        """Raise UsernameTaken if an account has the username, or while the name of a deleted account is not yet free
        again."""
        rests_until: datetime | None = self.rows.get("resting_names", _index(username))
        rests = rests_until is not None and now < rests_until
        if rests or self.rows.get("usernames", username) is not None:
            raise UsernameTaken("this username is taken")

    async def add(self, account: Account) -> None:
        self.check_name(account.username, account.created_at)
        if self.rows.get("email_keys", email_key(account.email)) is not None:
            raise EmailTaken("this address has an account already")
        self.rows.put("accounts", account.id, account)
        self.rows.put("usernames", account.username, account.id)
        self.rows.put("email_keys", email_key(account.email), account.id)

    async def get(self, user_id: UserId) -> Account:
        return account_in(self.rows, user_id)

    async def save(self, account: Account) -> None:
        old = account_in(self.rows, account.id)
        new = replace(
            old,
            display_name=account.display_name,
            bio=account.bio,
            private=account.private,
            version=account.version,
        )
        self.rows.put("accounts", account.id, new)

    async def set_password_hash(self, user_id: UserId, password_hash: str) -> None:
        account = replace(account_in(self.rows, user_id), password_hash=password_hash)
        self.rows.put("accounts", user_id, account)

    async def remove(self, account: Account, rests_until: datetime) -> None:
        self.rows.delete("accounts", account.id)
        self.rows.delete("usernames", account.username)
        self.rows.delete("email_keys", email_key(account.email))
        self.rows.put("resting_names", _index(account.username), rests_until)

    async def count_posts(self, user_id: UserId, change: int) -> None:
        account: Account | None = self.rows.get("accounts", user_id)
        if account is not None:
            self.rows.put("accounts", user_id, replace(account, posts=account.posts + change))

    async def post_counts(self, after: UserId, limit: int) -> Mapping[UserId, int]:
        later: list[Account] = [account for account in self.rows.all("accounts") if account.id > after]
        return {account.id: account.posts for account in sorted(later, key=lambda one: one.id)[:limit]}
