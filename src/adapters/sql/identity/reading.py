"""Reads accounts and sessions, outside of transactions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Integer, LargeBinary, String, and_, bindparam, or_, select

from adapters.sql.database import Database
from adapters.sql.identity.accounts import ACCOUNT, account_from
from adapters.sql.identity.sessions import opened_device
from adapters.sql.identity.tables import accounts, sessions
from adapters.sql.metadata import Id, IdList, NameList, among, instant, millis
from adapters.sql.sealing import Sealer
from adapters.sql.statements import Prepared
from application.identity.ports import Credentials, SessionRow
from application.shared.paging import Window
from application.shared.people import AuthorCard
from domain.identity import SESSION_IDLE, SESSION_LIFE, Account, session_expires
from domain.shared import MAX_ID, SessionId, UserId, UserNotFound, made_at

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
    select(sessions.c.refreshed_at, sessions.c.ended_at).where(
        sessions.c.id == bindparam("session_id", type_=Id)
    )
)
_from_network = Prepared(
    select(sessions.c.id)
    .where(sessions.c.user_id == _user_id, sessions.c.network == bindparam("network", type_=String))
    .limit(1)
)
_is_active = and_(
    sessions.c.ended_at.is_(None),
    sessions.c.refreshed_at > bindparam("idle_before", type_=Id),
    sessions.c.id > bindparam("old_before", type_=Id),
)
_active_of = Prepared(
    select(sessions.c.id).where(among(sessions.c.id, bindparam("ids", type_=IdList)), _is_active)
)
_sessions_of = (
    select(sessions.c.id, sessions.c.device_sealed, sessions.c.refreshed_at)
    .where(sessions.c.user_id == _user_id, _is_active)
    .limit(bindparam("n", type_=Integer))
)
_edge = bindparam("edge", type_=Id)
_older = Prepared(_sessions_of.where(sessions.c.id < _edge).order_by(sessions.c.id.desc()))
_newer = Prepared(_sessions_of.where(sessions.c.id > _edge).order_by(sessions.c.id))
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


def _at(now: datetime) -> dict[str, int]:
    """The parameters of `_is_active`. Sessions that were opened in the very millisecond of `now - SESSION_LIFE` have ended,
    whatever the lower bits of their ids."""
    return {
        "idle_before": millis(now - SESSION_IDLE),
        "old_before": ((millis(now - SESSION_LIFE) + 1) << 16) - 1,
    }


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

    async def recognises(self, user_id: UserId, network: str) -> bool:
        return bool(await self.database.fetch(_from_network, user_id=user_id, network=network))

    async def session_alive(self, session_id: SessionId, now: datetime) -> bool:
        rows = await self.database.fetch(_session, session_id=session_id)
        if not rows:
            return False
        refreshed_at, ended_at = rows[0]
        return ended_at is None and now < session_expires(made_at(session_id), instant(refreshed_at))

    async def sessions_alive(self, session_ids: Collection[SessionId], now: datetime) -> frozenset[SessionId]:
        rows = await self.database.fetch(_active_of, ids=[*session_ids], **_at(now))
        return frozenset(SessionId(row[0]) for row in rows)

    async def sessions_of(self, user_id: UserId, now: datetime, window: Window) -> Sequence[SessionRow]:
        rows = await self.database.fetch(
            _newer if window.back else _older,
            user_id=user_id,
            **_at(now),
            edge=window.edge if window.edge is not None else 0 if window.back else MAX_ID,
            n=window.limit + 1,
        )
        found = [
            SessionRow(SessionId(id_), opened_device(id_, sealed, self.sealer), instant(refreshed_at))
            for id_, sealed, refreshed_at in rows
        ]
        return found[::-1] if window.back else found

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        rows = await self.database.fetch(_cards, ids=list(ids))
        return {row[0]: AuthorCard(row[0], row[1], row[2]) for row in rows}

    async def ids_named(self, usernames: Collection[str]) -> Mapping[str, UserId]:
        if not usernames:
            return {}
        rows = await self.database.fetch(_ids_named, names=list(usernames))
        return {row[0]: UserId(row[1]) for row in rows}
