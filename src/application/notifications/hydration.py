"""What of a stream its user may see at this moment. That it was told once does not mean that it may be seen still."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from application.notifications.ports import HydrateNotificationPosts
from application.shared.people import AuthorCard, Cards
from application.shared.ports import ViewerContexts
from domain.notifications import StreamChange, StreamEntry
from domain.shared import UserId


class HydratedEntry(NamedTuple):
    """An entry as its user sees it."""

    entry: StreamEntry
    actor: AuthorCard | None = None
    post: object | None = None
    """As posts shows it; None if it is about none."""
    void: bool = False
    """There is nothing to be seen but its number."""


class PruneHidden(Protocol):
    """Takes for good what its user may not see any more, so that the counts come right and all devices learn."""

    async def __call__(self, user: UserId, seqs: Collection[int]) -> None:
        """Returns when it is done. Harmless for what is gone already."""
        ...


@dataclass(frozen=True, slots=True)
class HydrateStream:
    """Entries of one stream, as they may be seen now: one for each, in their order. What may not be seen is void,
    and healed when this returns."""

    viewer_contexts: ViewerContexts
    show: HydrateNotificationPosts
    cards: Cards
    prune: PruneHidden

    async def __call__(self, user: UserId, entries: Sequence[StreamEntry]) -> list[HydratedEntry]:
        notifications = [entry for entry in entries if entry.is_notification]
        if not notifications:
            return [_bare(entry) for entry in entries]
        viewer_context = await self.viewer_contexts.of(user)
        near = [entry for entry in notifications if entry.actor not in viewer_context.blocked]
        wanted = {entry.post for entry in near if entry.post is not None}
        posts = await self.show(viewer_context, wanted) if wanted else {}
        there = [entry for entry in near if entry.post is None or entry.post in posts]
        cards = await self.cards.cards({entry.actor for entry in there if entry.actor is not None})
        seen = {
            entry.seq: HydratedEntry(
                entry,
                None if entry.actor is None else cards[entry.actor],
                None if entry.post is None else posts[entry.post],
            )
            for entry in there
            if entry.actor is None or entry.actor in cards
        }
        if hidden := [entry.seq for entry in notifications if entry.seq not in seen]:
            await self.prune(user, hidden)
        return [seen.get(entry.seq) or _bare(entry) for entry in entries]


def _bare(entry: StreamEntry) -> HydratedEntry:
    return HydratedEntry(entry, void=not isinstance(entry.type, StreamChange))
