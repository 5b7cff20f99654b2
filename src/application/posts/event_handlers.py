"""Event handlers of posts: for accounts that become private, or public again, and for changes of attached media."""

from collections.abc import Callable

from application.posts.counting import count_above
from application.posts.ports import PostsTx, RestrictedAuthors
from application.posts.publishing import announce_published
from application.shared.attachments import Attachable
from application.shared.events import AttachedMediaChanged, ProfileChanged, Published
from application.shared.ports import OpenTx
from application.shared.subscriptions import BUDGET
from domain.dataclasses import dataclass
from domain.posts import OPEN_VISIBILITIES, PostNotFound
from domain.shared import MAX_ID, EventId, MediaId, PostId, UserId

BATCH = 20
"""Comments in one transaction: on SQLite other writers wait for it."""


@dataclass(frozen=True, slots=True)
class ApplyPrivacy:
    """Restricts the posts of an account that becomes private to its followers, from the next read on, and removes its
    comments from the counts of the posts above. Does the opposite when the account becomes public again.

    May be interrupted anywhere and repeated. After `budget` seconds it returns the last comment, and continues below it.
    """

    open_tx: OpenTx[PostsTx]
    monotonic: Callable[[], float]
    budget: float = BUDGET

    async def __call__(
        self, event: ProfileChanged, _event_id: EventId, below: str | None = None
    ) -> str | None:
        if event.private is None:
            return None
        author, last = UserId(event.user_id), PostId(MAX_ID if below is None else int(below))
        until = self.monotonic() + self.budget
        while True:
            async with self.open_tx() as tx:  # a late event has an older version, and no effect
                await tx.authors.set_private(author, event.version, private=event.private)
                private = await tx.authors.is_private(author)
                found = await tx.authors.comments(author, last, BATCH, withheld=not private)
                for post_id in found:
                    await _apply_privacy(tx, post_id, private=private)
            if len(found) < BATCH:
                return None
            last = found[-1]
            if self.monotonic() >= until:
                return str(last)


def is_open_comment(event: Published) -> bool:
    return event.reply_to is not None and event.visibility in OPEN_VISIBILITIES


def changes_privacy(event: ProfileChanged) -> bool:
    return event.private is not None


@dataclass(frozen=True, slots=True)
class ApplyPrivacyToComment:
    """Corrects a comment that was written at the moment when its author's account became private, or public."""

    open_tx: OpenTx[PostsTx]
    authors: RestrictedAuthors

    async def __call__(self, event: Published, _event_id: EventId) -> None:
        if not is_open_comment(event):
            return
        author = UserId(event.author_id)
        if (author in await self.authors.restricted([author])) is event.withheld:
            return
        async with self.open_tx() as tx:
            private = await tx.authors.is_private(author)
            await _apply_privacy(tx, PostId(event.post_id), private=private)


async def _apply_privacy(tx: PostsTx, post_id: PostId, *, private: bool) -> None:
    """Withhold the comment if the account is private, otherwise stop withholding it, and correct the counts. Safe to
    repeat."""
    try:
        before = await tx.posts.get(post_id)
    except PostNotFound:
        return
    if before.deleted or before.reply_to is None or before.pending is not None:
        return
    after = before.with_author_privacy(private=private)
    if after is before:
        return
    await tx.posts.save(after)
    change = -1 if after.withheld else 1
    await count_above(tx, before if after.withheld else after, comments=change, replies=change)


@dataclass(frozen=True, slots=True)
class UpdateAttachedMedia:
    """Updates the card of media in its post, and publishes the post when all of its media are ready. Safe to repeat,
    and in any order: a newer card stays."""

    open_tx: OpenTx[PostsTx]
    attachable: Attachable

    async def __call__(self, event: AttachedMediaChanged, _event_id: EventId) -> None:
        media_id = MediaId(event.media_id)
        card = (await self.attachable.cards(UserId(event.owner_id), [media_id])).get(media_id)
        if card is None:  # deleted with the post, or removed from it
            return
        async with self.open_tx() as tx:
            try:
                post = await tx.posts.get(PostId(event.post_id))
            except PostNotFound:
                return
            if media_id not in post.media:
                return
            before = await tx.posts.cards(post.id)
            now = [card if old.id == card.id and old.version < card.version else old for old in before]
            if now == before:
                return
            updated = post.as_published() if all(one.ready for one in now) else post
            await tx.posts.update_media(updated, now)
            if updated is not post:
                await announce_published(tx, updated)
