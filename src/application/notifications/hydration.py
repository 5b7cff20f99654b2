"""Hydrates stream entries for their user, as of now. An entry that the user was allowed to see once may be hidden by
now."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from application.notifications.ports import HydrateNotificationPosts
from application.shared.people import AuthorCard, Cards
from application.shared.ports import ViewerContexts
from domain.dataclasses import dataclass
from domain.notifications import StreamChange, StreamEntry
from domain.shared import UserId


class HydratedEntry(NamedTuple):
    """An entry as the user sees it."""

    entry: StreamEntry
    actor: AuthorCard | None = None
    post: object | None = None
    """As posts hydrates it; None if the entry is about no post."""
    void: bool = False
    """Nothing of the entry is visible except its number."""


class RemoveEntries(Protocol):
    """Removes entries permanently that the user may not see any more, so that the counters become correct and all
    devices learn of it."""

    async def __call__(self, user: UserId, seqs: Collection[int]) -> None:
        """Returns when it is done. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class HydrateStream:
    """Hydrates entries of one stream: one result for each, in the same order. Entries that the user may not see are
    void; when this returns, they have been pruned."""

    viewer_contexts: ViewerContexts
    hydrate_posts: HydrateNotificationPosts
    cards: Cards
    prune: RemoveEntries

    async def __call__(self, user: UserId, entries: Sequence[StreamEntry]) -> list[HydratedEntry]:
        notifications = [entry for entry in entries if entry.is_notification]
        if not notifications:
            return [_bare(entry) for entry in entries]
        viewer_context = await self.viewer_contexts.of(user)
        unblocked = [entry for entry in notifications if entry.actor not in viewer_context.blocked]
        wanted = {entry.post for entry in unblocked if entry.post is not None}
        posts = await self.hydrate_posts(viewer_context, wanted) if wanted else {}
        visible = [entry for entry in unblocked if entry.post is None or entry.post in posts]
        cards = await self.cards.cards({entry.actor for entry in visible if entry.actor is not None})
        seen = {
            entry.seq: HydratedEntry(
                entry,
                None if entry.actor is None else cards[entry.actor],
                None if entry.post is None else posts[entry.post],
            )
            for entry in visible
            if entry.actor is None or entry.actor in cards
        }
        if hidden := [entry.seq for entry in notifications if entry.seq not in seen]:
            await self.prune(user, hidden)
        return [seen.get(entry.seq) or _bare(entry) for entry in entries]


def _bare(entry: StreamEntry) -> HydratedEntry:
    return HydratedEntry(entry, void=not isinstance(entry.type, StreamChange))
