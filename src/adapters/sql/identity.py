"""Accounts, sessions and signing keys."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    bindparam,
    exc,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql.database import Database, Prepared
from adapters.sql.idempotency import SqlIdempotency
from adapters.sql.metadata import Id, IdList, Instant, NameList, among, instant, metadata
from adapters.sql.outbox import SqlInbox, SqlOutbox, insert_new
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

accounts = Table(
    "accounts",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("username", String(30), nullable=False, unique=True),
    Column("email_index", LargeBinary(32), nullable=False, unique=True),  # a keyed hash
    Column("email_sealed", LargeBinary, nullable=False),
    Column("password_hash", String(128), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("bio", Text, nullable=False),
    Column("posts", Integer, nullable=False),
    Column("version", Integer, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("user_id", Id, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("seed", LargeBinary(16), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("refreshed_at", Instant, nullable=False),
    Column("ended_at", Instant),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String(32), primary_key=True),
    Column("private_sealed", LargeBinary, nullable=False),
    Column("public", LargeBinary(32), nullable=False),
    Column("state", String(10), nullable=False),
    Column("made_at", Instant, nullable=False),
    CheckConstraint("state IN ('active', 'retiring')", name="state"),
    # At most one active key: processes that start together agree on one.
    Index(
        "uq_signing_keys_active",
        "state",
        unique=True,
        sqlite_where=text("state = 'active'"),
        postgresql_where=text("state = 'active'"),
    ),
)


class Sealer(Protocol):
    """Encrypts what is not searched, and makes the keyed hash by which it is found all the same."""

    def seal(self, plain: bytes, bound_to: str) -> bytes: ...
    def open(self, sealed: bytes, bound_to: str) -> bytes: ...
    def index(self, key: str) -> bytes: ...


_ACCOUNT = (
    accounts.c.id,
    accounts.c.username,
    accounts.c.email_sealed,
    accounts.c.password_hash,
    accounts.c.display_name,
    accounts.c.bio,
    accounts.c.posts,
    accounts.c.version,
)
_user_id = bindparam("user_id", type_=Id)
_account = Prepared(select(*_ACCOUNT).where(accounts.c.id == _user_id))
_account_named = Prepared(select(*_ACCOUNT).where(accounts.c.username == bindparam("username", type_=String)))
_credentials = Prepared(
    select(accounts.c.id, accounts.c.password_hash).where(
        or_(
            accounts.c.username == bindparam("username", type_=String),
            accounts.c.email_index == bindparam("email_index", type_=LargeBinary),
        )
    )
)
_session = Prepared(
    select(
        sessions.c.seed,
        sessions.c.user_id,
        sessions.c.generation,
        sessions.c.refreshed_at,
        sessions.c.ended_at,
    ).where(sessions.c.id == bindparam("session_id", type_=Id))
)
_cards = Prepared(
    select(accounts.c.id, accounts.c.username, accounts.c.display_name).where(
        among(accounts.c.id, bindparam("ids", type_=IdList))
    )
)
_ids_named = Prepared(
    select(accounts.c.username, accounts.c.id).where(
        among(accounts.c.username, bindparam("names", type_=NameList))
    )
)
_holder = select(accounts.c.id).where(accounts.c.email_index == bindparam("email_index", type_=LargeBinary))
_session_row = select(sessions).where(sessions.c.id == bindparam("session_id", type_=Id)).with_for_update()
_count_posts = (
    update(accounts)
    .where(accounts.c.id == bindparam("which", type_=Id))
    .values(posts=accounts.c.posts + bindparam("change", type_=Integer))
)
_account_row = select(*_ACCOUNT).where(accounts.c.id == _user_id).with_for_update()


@dataclass(frozen=True, slots=True)
class SqlAccounts:
    connection: AsyncConnection
    sealer: Sealer

    async def add(self, account: Account) -> None:
        # Asked, since databases differ in which of two broken constraints they name.
        email_index = self.sealer.index(email_key(account.email))
        if (await self.connection.execute(_holder, {"email_index": email_index})).first():
            raise EmailTaken("this address has an account already")
        try:
            await self.connection.execute(
                insert(accounts),
                {
                    "id": account.id,
                    "username": account.username,
                    "email_index": email_index,
                    "email_sealed": self.sealer.seal(account.email.encode(), _email_of(account.id)),
                    "password_hash": account.password_hash,
                    "display_name": account.display_name,
                    "bio": account.bio,
                    "posts": account.posts,
                    "version": account.version,
                },
            )
        except exc.IntegrityError as error:
            violated = _violated(error)
            if "email_index" in violated:
                raise EmailTaken("this address has an account already") from None
            if "username" in violated:
                raise UsernameTaken("this username is taken") from None
            raise

    async def get(self, user_id: UserId) -> Account:
        row = (await self.connection.execute(_account_row, {"user_id": user_id})).first()
        if row is None:
            raise UserNotFound("no such user")
        return _account_from(row, self.sealer)

    async def save(self, account: Account) -> None:
        await self.connection.execute(
            update(accounts)
            .where(accounts.c.id == account.id)
            .values(display_name=account.display_name, bio=account.bio, version=account.version)
        )

    async def set_password_hash(self, user_id: UserId, password_hash: str) -> None:
        await self.connection.execute(
            update(accounts).where(accounts.c.id == user_id).values(password_hash=password_hash)
        )

    async def count_posts(self, user_id: UserId, change: int) -> None:
        await self.connection.execute(_count_posts, {"which": user_id, "change": change})


@dataclass(frozen=True, slots=True)
class SqlSessions:
    connection: AsyncConnection

    async def add(self, session: Session) -> None:
        await self.connection.execute(insert(sessions), _row(session))

    async def get(self, session_id: SessionId) -> Session:
        row = (await self.connection.execute(_session_row, {"session_id": session_id})).first()
        if row is None:
            raise SessionEnded("no such session")
        return Session(**row._mapping)

    async def save(self, session: Session) -> None:
        await self.connection.execute(
            update(sessions).where(sessions.c.id == session.id).values(_row(session))
        )


@dataclass(frozen=True, slots=True)
class SqlKeyStore:
    database: Database

    async def keys(self) -> Sequence[StoredKey]:
        async with self.database.begin() as connection:
            rows = (await connection.execute(select(signing_keys))).all()
        return [
            StoredKey(row.kid, row.private_sealed, row.public, row.made_at, row.state == "active")
            for row in rows
        ]

    async def add_first(self, key: StoredKey) -> None:
        row = {
            "kid": key.kid,
            "private_sealed": key.private_sealed,
            "public": key.public,
            "made_at": key.made_at,
            "state": "active" if key.active else "retiring",
        }
        async with self.database.begin() as connection:
            await connection.execute(insert_new(signing_keys), row)


@dataclass(frozen=True, slots=True)
class SqlIdentityReader:
    database: Database
    sealer: Sealer

    async def account(self, user_id: UserId) -> Account:
        rows = await self.database.fetch(_account, user_id=user_id)
        if not rows:
            raise UserNotFound("no such user")
        return _account_from(rows[0], self.sealer)

    async def account_named(self, username: str) -> Account:
        rows = await self.database.fetch(_account_named, username=username)
        if not rows:
            raise UserNotFound("no such user")
        return _account_from(rows[0], self.sealer)

    async def credentials(self, *, username: str, email: str) -> Credentials | None:
        index = self.sealer.index(email)
        rows = await self.database.fetch(_credentials, username=username, email_index=index)
        return Credentials(UserId(rows[0][0]), rows[0][1]) if rows else None

    async def session_alive(self, session_id: SessionId, now: datetime) -> bool:
        rows = await self.database.fetch(_session, session_id=session_id)
        if not rows:
            return False
        seed, user_id, generation, refreshed_at, ended_at = rows[0]
        session = Session(
            id=session_id,
            user_id=UserId(user_id),
            seed=seed,
            generation=generation,
            refreshed_at=instant(refreshed_at),
            ended_at=None if ended_at is None else instant(ended_at),
        )
        return session.alive(now)

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, Card]:
        rows = await self.database.fetch(_cards, ids=list(ids))
        return {row[0]: Card(row[0], row[1], row[2]) for row in rows}

    async def ids_named(self, usernames: Collection[str]) -> Mapping[str, UserId]:
        if not usernames:
            return {}
        rows = await self.database.fetch(_ids_named, names=list(usernames))
        return {row[0]: UserId(row[1]) for row in rows}


def transactions(database: Database, sealer: Sealer, new_id: NewId) -> OpenTx[IdentityTx]:
    def ports(connection: AsyncConnection) -> IdentityTx:
        return IdentityTx(
            SqlAccounts(connection, sealer),
            SqlSessions(connection),
            SqlOutbox(connection, new_id),
            SqlInbox(connection),
            SqlIdempotency(connection),
        )

    return database.transactions(ports)


def _violated(error: exc.IntegrityError) -> str:
    """The constraint. PostgreSQL's message holds the value as well, and a user may be called anything."""
    cause = getattr(error.orig, "__cause__", None)
    return getattr(cause, "constraint_name", None) or str(error.orig)


def _email_of(user_id: int) -> str:
    return f"accounts.email/{user_id}"


def _account_from(row: Any, sealer: Sealer) -> Account:
    id_, username, sealed, password_hash, display_name, bio, posts, version = row
    return Account(
        id=UserId(id_),
        username=username,
        email=sealer.open(sealed, _email_of(id_)).decode(),
        password_hash=password_hash,
        display_name=display_name,
        bio=bio,
        posts=posts,
        version=version,
    )


def _row(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "user_id": session.user_id,
        "seed": session.seed,
        "generation": session.generation,
        "refreshed_at": session.refreshed_at,
        "ended_at": session.ended_at,
    }
