"""The handlers of identity's events in graph."""

from collections.abc import Callable

from application.graph.ports import AccountDirectory, GraphTx
from application.graph.relationships import ForgetViewerContexts, apply_change
from application.shared.events import AccountDeleted, ProfileChanged
from application.shared.ports import NewId, OpenTx
from application.shared.subscriptions import BUDGET, MORE
from domain.dataclasses import dataclass
from domain.graph import FollowRequestNotFound, Relationship
from domain.shared import EventId, UserId

BATCH = 20
"""Relationships that are looked up at once. Each of them is changed in a transaction of its own."""


def opens_account(event: ProfileChanged) -> bool:
    return event.private is False


@dataclass(frozen=True, slots=True)
class AcceptFollowRequests:
    """Accept all follow requests of an account when it becomes public. The event may arrive late: if the account is
    private again by then, the requests stay open."""

    open_tx: OpenTx[GraphTx]
    accounts: AccountDirectory
    new_id: NewId
    forget: ForgetViewerContexts
    monotonic: Callable[[], float]
    budget: float = BUDGET

    async def __call__(
        self, event: ProfileChanged, _event_id: EventId, _more: str | None = None
    ) -> str | None:
        if not opens_account(event):
            return None
        user = UserId(event.user_id)
        until = self.monotonic() + self.budget
        # The requests are read first, then the account. So requests that existed while the account was still public are
        # accepted, even if it becomes private afterwards.
        while (requesters := await self._requesters(user)) and await self.accounts.is_private(user) is False:
            for other in requesters:
                try:
                    async with self.open_tx() as tx:
                        await apply_change(tx, user, other, _accepted, self.new_id())
                finally:
                    self.forget(user, other)
            if self.monotonic() >= until:
                return MORE
        return None

    async def _requesters(self, user: UserId) -> list[UserId]:
        async with self.open_tx() as tx:
            return [*await tx.relationships.requesters(user, BATCH)]


def _accepted(relationship: Relationship) -> Relationship:
    """Accept the request, unless it was withdrawn meanwhile."""
    try:
        return relationship.accepted()
    except FollowRequestNotFound:
        return relationship


@dataclass(frozen=True, slots=True)
class EraseRelationships:
    """Erase all relationships of a deleted account one by one, so that the counts of the other accounts stay exact. The
    work may stop anywhere and start again. When the budget is used up, other events get their turn before the handler goes on."""

    open_tx: OpenTx[GraphTx]
    new_id: NewId
    forget: ForgetViewerContexts
    monotonic: Callable[[], float]
    budget: float = BUDGET

    async def __call__(
        self, event: AccountDeleted, _event_id: EventId, _more: str | None = None
    ) -> str | None:
        user = UserId(event.user_id)
        self.forget(user)
        until = self.monotonic() + self.budget
        while True:
            async with self.open_tx() as tx:
                others = await tx.relationships.related(user, BATCH)
                if not others:
                    await tx.relationships.remove_counts(user)
                    return None
            for other in others:
                try:
                    async with self.open_tx() as tx:
                        before = await tx.relationships.lock(user, other)
                        await tx.relationships.save(
                            before, Relationship(user=user, other=other), self.new_id()
                        )
                        back = await tx.relationships.lock(other, user)
                        await tx.relationships.save(back, Relationship(user=other, other=user), self.new_id())
                finally:
                    self.forget(user, other)
            if self.monotonic() >= until:
                return MORE
