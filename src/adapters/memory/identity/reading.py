"""Reads accounts and sessions in memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.memory.identity.accounts import account_in
from adapters.memory.store import Store
from application.identity.ports import Credentials, SessionRow
from application.shared.paging import Window
from application.shared.people import AuthorCard
from domain.identity import Account, Session
from domain.shared import SessionId, UserId


@dataclass(frozen=True, slots=True)
class MemoryIdentityReader:
    store: Store

    async def account(self, user_id: UserId) -> Account:
        return account_in(self.store, user_id)

    async def account_named(self, username: str) -> Account:
        return account_in(self.store, self.store.get("usernames", username))

    async def credentials(self, *, username: str, email: str) -> Credentials | None:
        user_id = self.store.get("usernames", username) or self.store.get("email_keys", email)
        account: Account | None = self.store.get("accounts", user_id)
        return Credentials(account.id, account.password_hash) if account else None

    async def recognises(self, user_id: UserId, network: str) -> bool:
        return network != "" and any(
            session.user_id == user_id and session.network == network
            for session in self.store.all("sessions")
        )

    async def session_alive(self, session_id: SessionId, now: datetime) -> bool:
        session: Session | None = self.store.get("sessions", session_id)
        return session is not None and session.alive(now)

    async def sessions_alive(self, session_ids: Collection[SessionId], now: datetime) -> frozenset[SessionId]:
        return frozenset([id_ for id_ in session_ids if await self.session_alive(id_, now)])

    async def sessions_of(self, user_id: UserId, now: datetime, window: Window) -> Sequence[SessionRow]:
        found: list[Session] = [
            session
            for session in self.store.all("sessions")
            if session.user_id == user_id
            and session.alive(now)
            and (
                window.edge is None or (session.id > window.edge if window.back else session.id < window.edge)
            )
        ]
        found.sort(key=lambda session: session.id, reverse=not window.back)
        rows = [SessionRow(each.id, each.device, each.refreshed_at) for each in found[: window.limit + 1]]
        return rows[::-1] if window.back else rows

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        found = (self.store.get("accounts", user_id) for user_id in ids)
        return {
            account.id: AuthorCard(account.id, account.username, account.display_name)
            for account in found
            if account
        }

    async def ids_named(self, usernames: Collection[str]) -> Mapping[str, UserId]:
        return {name: id_ for name in usernames if (id_ := self.store.get("usernames", name))}
