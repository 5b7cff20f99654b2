"""The table of accounts, within transactions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, LargeBinary, String, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql

from adapters.sql.errors import is_integrity_error, violated_constraint
from adapters.sql.identity.tables import accounts, resting_names
from adapters.sql.identity.words import name_words
from adapters.sql.metadata import Id, Instant
from adapters.sql.sealing import Sealer
from adapters.sql.transactions import Transaction
from adapters.text import email_key
from application.identity.searching import words_of_name
from domain.identity import Account, EmailTaken, UsernameTaken
from domain.shared import UserId, UserNotFound

ACCOUNT = (
    accounts.c.id,
    accounts.c.username,
    accounts.c.email_sealed,
    accounts.c.password_hash,
    accounts.c.display_name,
    accounts.c.bio,
    accounts.c.private,
    accounts.c.posts,
    accounts.c.version,
)
_add = insert(accounts)
_add_words = insert(name_words)
_remove_words = delete(name_words).where(name_words.c.user_id == bindparam("which", type_=Id))
_named = select(accounts.c.id).where(accounts.c.username == bindparam("username", type_=String))
_holder = select(accounts.c.id).where(accounts.c.email_index == bindparam("email_index", type_=LargeBinary))
_count_posts = (
    update(accounts)
    .where(accounts.c.id == bindparam("which", type_=Id))
    .values(posts=accounts.c.posts + bindparam("change", type_=Integer))
)
_post_counts = (
    select(accounts.c.id, accounts.c.posts)
    .where(accounts.c.id > bindparam("after", type_=Id))
    .order_by(accounts.c.id)
    .limit(bindparam("n", type_=Integer))
    .with_for_update(key_share=True)
)
_resting = select(resting_names.c.until).where(
    resting_names.c.name_index == bindparam("name_index", type_=LargeBinary),
    resting_names.c.until > bindparam("now", type_=Instant),
)
_reserve = postgresql.insert(resting_names)  # SQLite has the same syntax
_reserve = _reserve.on_conflict_do_update(
    index_elements=[resting_names.c.name_index], set_={"until": _reserve.excluded.until}
)
_account_row = select(*ACCOUNT).where(accounts.c.id == bindparam("user_id", type_=Id)).with_for_update()


@dataclass(frozen=True, slots=True)
class SqlAccounts:
    transaction: Transaction
    sealer: Sealer

    async def add(self, account: Account) -> None:
        # Checked with queries, because databases differ in which of two violated constraints they report. The name comes
        # first: names are public, and a client that sends a taken name must not learn about the address.
        await self.check_name(account.username, account.created_at)
        email_index = self.sealer.index(email_key(account.email))
        if (await self.transaction.execute(_holder, {"email_index": email_index})).first():
            raise EmailTaken("this address has an account already")
        try:
            await self.transaction.execute(
                _add,
                {
                    "id": account.id,
                    "username": account.username,
                    "email_index": email_index,
                    "email_sealed": self.sealer.seal(account.email.encode(), email_context(account.id)),
                    "password_hash": account.password_hash,
                    "display_name": account.display_name,
                    "bio": account.bio,
                    "private": account.private,
                    "posts": account.posts,
                    "version": account.version,
                },
            )
        except Exception as error:
            if not is_integrity_error(error):
                raise
            violated = violated_constraint(error)
            if "email_index" in violated:
                raise EmailTaken("this address has an account already") from None
            if "username" in violated:
                raise UsernameTaken("this username is taken") from None
            raise
        await self._index(account)
        # Checked again after the insert, which waits for a concurrent deletion of an account with this name.
        await self._check_rest(account.username, account.created_at)

    async def check_name(self, username: str, now: datetime) -> None:
        """Raise UsernameTaken if an account has the username, or while the name of a deleted account is not yet free
        again."""
        if (await self.transaction.execute(_named, {"username": username})).first():
            raise UsernameTaken("this username is taken")
        await self._check_rest(username, now)

    async def _check_rest(self, username: str, now: datetime) -> None:
        resting = {"name_index": self._name_index(username), "now": now}
        if (await self.transaction.execute(_resting, resting)).first():
            raise UsernameTaken("this username is taken")

    async def _index(self, account: Account) -> None:
        """Add the words of the account's names to the search index."""
        words = words_of_name(account.username, account.display_name)
        rows = [{"word": word, "user_id": account.id} for word in words]
        await self.transaction.execute(_add_words, rows)

    async def _unindex(self, account: Account) -> None:
        await self.transaction.execute(_remove_words, {"which": account.id})

    def _name_index(self, username: str) -> bytes:
        return self.sealer.index(f"username:{username}")

    async def remove(self, account: Account, rests_until: datetime) -> None:
        await self._unindex(account)
        await self.transaction.execute(delete(accounts).where(accounts.c.id == account.id))
        row = {"name_index": self._name_index(account.username), "until": rests_until}
        await self.transaction.execute(_reserve, row)

    async def get(self, user_id: UserId) -> Account:
        row = (await self.transaction.execute(_account_row, {"user_id": user_id})).first()
        if row is None:
            raise UserNotFound("no such user")
        return account_from(row, self.sealer)

    async def save(self, account: Account) -> None:
        await self.transaction.execute(
            update(accounts)
            .where(accounts.c.id == account.id)
            .values(
                display_name=account.display_name,
                bio=account.bio,
                private=account.private,
                version=account.version,
            )
        )
        await self._unindex(account)
        await self._index(account)

    async def set_password_hash(self, user_id: UserId, password_hash: str) -> None:
        await self.transaction.execute(
            update(accounts).where(accounts.c.id == user_id).values(password_hash=password_hash)
        )

    async def count_posts(self, user_id: UserId, change: int) -> None:
        await self.transaction.execute(_count_posts, {"which": user_id, "change": change})

    async def post_counts(self, after: UserId, limit: int) -> Mapping[UserId, int]:
        rows = await self.transaction.execute(_post_counts, {"after": after, "n": limit})
        return {UserId(row.id): row.posts for row in rows}


def email_context(user_id: int) -> str:
    return f"accounts.email/{user_id}"


def account_from(row: Any, sealer: Sealer) -> Account:
    id_, username, sealed, password_hash, display_name, bio, private, posts, version = row
    return Account(
        id=UserId(id_),
        username=username,
        email=sealer.open(sealed, email_context(id_)).decode(),
        password_hash=password_hash,
        display_name=display_name,
        bio=bio,
        private=bool(private),
        posts=posts,
        version=version,
    )
