"""Counting anew what the facts of other modules have brought together."""

from dataclasses import dataclass

from application.identity.event_handlers import COUNT_POSTS, post_count_change
from application.identity.ports import Authorship, IdentityTx
from application.shared.ports import OpenTx
from application.shared.retrying import with_retries
from domain.shared import UserId

BATCH = 200
"""Accounts that are locked together."""


@dataclass(frozen=True, slots=True)
class RepairAccounts:
    """Compare the post counts of all accounts with the posts there are, and with `repair` correct them, while
    others go on writing. Gives by how much they were wrong, added up over all accounts."""

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
        """A fact that is still on its way is not counted here: it will be when it arrives. So the posts are
        asked for together with those facts, and after the accounts are locked, so that none arrives between
        the two. That another module is waited for meanwhile holds up this batch of accounts only."""
        async with self.open_tx() as tx:
            counted = await tx.accounts.post_counts(after, BATCH)
            if not counted:
                return 0, None
            authored = await self.authorship.of(counted.keys())
            arrived = await tx.inbox.handled(COUNT_POSTS, [fact for fact, _ in authored.undelivered])
            expected = {user: authored.posts.get(user, 0) for user in counted}
            for fact, event in authored.undelivered:
                user = UserId(event.author_id)
                if fact not in arrived and user in expected:
                    expected[user] -= post_count_change(event)
            wrong = {
                user: expected[user] - stored for user, stored in counted.items() if expected[user] != stored
            }
            if repair:
                for user, change in wrong.items():
                    await tx.accounts.count_posts(user, change)
        return sum(map(abs, wrong.values())), max(counted)
