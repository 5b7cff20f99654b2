"""Rules of feeds that contain reposts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from application.feeds.pipeline import FeedPost
from application.shared.feed_entries import FeedEntries, FeedEntry
from domain.feeds import came_by_author
from domain.shared import UserId


@dataclass(frozen=True, slots=True)
class OncePerPost:
    """Shows each post once, where it first appeared by one of the sources, and hides posts by muted accounts, whoever
    reposted them."""

    feed_entries: FeedEntries
    sources: Collection[UserId]
    muted: Collection[UserId] = ()

    async def __call__(
        self, entries: Sequence[FeedEntry], hydrated: Mapping[int, FeedPost]
    ) -> Sequence[FeedEntry]:
        kept: list[FeedEntry] = []
        reposts: set[FeedEntry] = set()
        for entry in entries:
            id_, post, _by = entry
            seen = hydrated[id_].post
            author = seen.author
            if author in self.muted:
                continue
            came = came_by_author(author, self.sources, is_comment=seen.reply_to is not None)
            if id_ != post:
                if came:
                    continue
                reposts.add(entry)
            elif not came:
                continue
            kept.append(entry)
        if not reposts:
            return kept
        first = await self.feed_entries.first_reposts({entry.post for entry in reposts}, self.sources)
        # A repost that was undone meanwhile is not the first.
        return [entry for entry in kept if entry not in reposts or first.get(entry.post) == entry.id]
