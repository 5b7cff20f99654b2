"""Reading accounts and sessions, outside of transactions."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import LargeBinary, String, bindparam, or_, select

from adapters.sql.database import Database, Prepared
from adapters.sql.identity.accounts import ACCOUNT, account_from
from adapters.sql.identity.tables import Sealer, accounts, sessions
from adapters.sql.metadata import Id, IdList, NameList, among, instant
from application.identity.ports import Card, Credentials
from domain.identity import Account, Session, UserNotFound
from domain.shared import SessionId, UserId

_user_id = bindparam("user_id", type_=Id)
_account = Prepared(select(*ACCOUNT).where(accounts.c.id == _user_id))
_account_named = Prepared(select(*ACCOUNT).where(accounts.c.username == bindparam("username", type_=String)))
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


@dataclass(frozen=True, slots=True)
class SqlIdentityReader:
    database: Database
    sealer: Sealer

    async def account(self, user_id: UserId) -> Account:
        rows = await self.database.fetch(_account, user_id=user_id)
        if not rows:
            raise UserNotFound("no such user")
        return account_from(rows[0], self.sealer)

    async def account_named(self, username: str) -> Account:
        rows = await self.database.fetch(_account_named, username=username)
        if not rows:
            raise UserNotFound("no such user")
        return account_from(rows[0], self.sealer)

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
