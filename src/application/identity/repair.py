"""Repair of the post counts, which the events of other modules keep up to date."""

from application.identity.event_handlers import COUNT_POSTS, post_count_change
from application.identity.ports import Authorship, IdentityTx
from application.shared.ports import OpenTx
from application.shared.retrying import with_retries
from domain.dataclasses import dataclass
from domain.shared import UserId

BATCH = 200
"""Accounts that are locked together."""


@dataclass(frozen=True, slots=True)
class RepairAccounts:
    """Compare the post counts of all accounts with the posts, and with `repair` correct them. Other changes can go on
    meanwhile. Returns by how much the counts were wrong, summed up over all accounts."""

    open_tx: OpenTx[IdentityTx]
    authorship: Authorship

    async def __call__(self, *, repair: bool) -> int:
        drift, after = 0, UserId(0)
        while True:
            found, last = await with_retries(lambda after=after: self._batch(after, repair=repair))  # type: ignore[misc]
            if last is None:
                return drift
            drift, after = drift + found, last

    async def _batch(self, after: UserId, *, repair: bool) -> tuple[int, UserId | None]:
        """An event that is not handled yet is not counted here: its handler will count it. Therefore the posts are read
        together with the undelivered events, and after the accounts are locked, so that no event is handled in between.
        The wait for the other module blocks this batch of accounts only."""
        async with self.open_tx() as tx:
            counted = await tx.accounts.post_counts(after, BATCH)
            if not counted:
                return 0, None
            authored = await self.authorship.of(counted.keys(), COUNT_POSTS)
            handled = await tx.inbox.handled(COUNT_POSTS, [event_id for event_id, _ in authored.undelivered])
            expected = {user: authored.posts.get(user, 0) for user in counted}
            for event_id, event in authored.undelivered:
                user = UserId(event.author_id)
                if event_id not in handled and user in expected:
                    expected[user] -= post_count_change(event)
            wrong = {
                user: expected[user] - stored for user, stored in counted.items() if expected[user] != stored
            }
            if repair:
                for user, change in wrong.items():
                    await tx.accounts.count_posts(user, change)
        return sum(map(abs, wrong.values())), max(counted)
