"""What graph does when identity tells it something of an account."""

from collections.abc import Callable
from dataclasses import dataclass

from application.graph.ports import Accounts, GraphTx
from application.graph.tying import Forget, tied
from application.shared.events import AccountDeleted, ProfileChanged
from application.shared.ports import NewId, OpenTx
from domain.graph import NoSuchRequest, Ties
from domain.shared import EventId, UserId

BATCH = 20
"""Pairs that are looked for at once; each is a transaction of its own."""
BUDGET = 1.0
"""Seconds after which other facts have their turn. A fraction of the relay's patience."""


@dataclass(frozen=True, slots=True)
class AcceptAll:
    """Who asked to follow an account follows it as soon as it is open to everybody. The fact may come late: whoever
    asks an account that is private again waits for an answer."""

    open_tx: OpenTx[GraphTx]
    accounts: Accounts
    new_id: NewId
    forget: Forget
    monotonic: Callable[[], float]
    budget: float = BUDGET

    async def __call__(self, event: ProfileChanged, _event_id: EventId) -> None:
        if event.private is not False:
            return
        user = UserId(event.user_id)
        until = self.monotonic() + self.budget
        # In this order: those who asked before it is seen to be open may follow, whatever comes after.
        while (asking := await self._asking(user)) and await self.accounts.is_private(user) is False:
            for other in asking:
                try:
                    async with self.open_tx() as tx:
                        await tied(tx, user, other, _accepted, self.new_id())
                finally:
                    self.forget(user, other)
            if self.monotonic() >= until:
                async with self.open_tx() as tx:
                    await tx.outbox.add(event)
                return

    async def _asking(self, user: UserId) -> list[UserId]:
        async with self.open_tx() as tx:
            return [*await tx.pairs.asking(user, BATCH)]


def _accepted(ties: Ties) -> Ties:
    """One that was withdrawn meanwhile is not there."""
    try:
        return ties.accepted()
    except NoSuchRequest:
        return ties


@dataclass(frozen=True, slots=True)
class EraseTies:
    """Ends all that ties a deleted account to others, pair by pair, so that everybody's counts stay exact. It may
    be stopped anywhere and begun again; when the time is up it tells the fact anew."""

    open_tx: OpenTx[GraphTx]
    new_id: NewId
    forget: Forget
    monotonic: Callable[[], float]
    budget: float = BUDGET

    async def __call__(self, event: AccountDeleted, _event_id: EventId) -> None:
        user = UserId(event.user_id)
        self.forget(user)
        until = self.monotonic() + self.budget
        while True:
            async with self.open_tx() as tx:
                others = await tx.pairs.tied(user, BATCH)
                if not others:
                    await tx.pairs.forget(user)
                    return
            for other in others:
                try:
                    async with self.open_tx() as tx:
                        before = await tx.pairs.lock(user, other)
                        await tx.pairs.save(before, Ties(user=user, other=other), self.new_id())
                        back = await tx.pairs.lock(other, user)
                        await tx.pairs.save(back, Ties(user=other, other=user), self.new_id())
                finally:
                    self.forget(user, other)
            if self.monotonic() >= until:
                async with self.open_tx() as tx:
                    await tx.outbox.add(AccountDeleted(user_id=user))
                return
