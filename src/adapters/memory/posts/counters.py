"""Recounting the counters of posts, and counting the posts of authors for another module."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapters import events
from adapters.memory.posts.engagements import table
from adapters.memory.store import Draft, Store
from application.posts.ports import RecountedPosts
from application.shared.deliveries import NOT_DISTRIBUTED
from application.shared.events import PostDeleted, Published
from domain.posts import OPEN_VISIBILITIES, Engagement, Post
from domain.shared import EventId, PostId, UserId


@dataclass(frozen=True, slots=True)
class MemoryCounters:
    store: Store

    async def recount(self, below: PostId, limit: int, *, repair: bool) -> RecountedPosts:
        async with self.store.begin() as rows:
            posts: list[Post] = sorted(
                (post for post in rows.all("posts") if post.id < below), key=lambda post: -post.id
            )[:limit]
            drift: Counter[str] = Counter()
            for post in posts:
                real: dict[str, Any] = _counted(rows, post)
                drift.update({name: abs(count - getattr(post, name)) for name, count in real.items()})
                if repair:
                    rows.put("posts", post.id, replace(post, **real))
        return RecountedPosts(posts[-1].id if posts else None, drift)


def _counted(rows: Draft, post: Post) -> dict[str, int]:
    replies: list[Post] = [
        one for one in rows.all("posts") if one.reply_to == post.id and one.counts_in(post)
    ]
    live = sum(not reply.deleted for reply in replies)
    return {
        "comments": live,
        "replies": live + sum(reply.shown_as_tombstone for reply in replies),
        "likes": _engagements(rows, Engagement.LIKE, post.id),
        "reposts": _engagements(rows, Engagement.REPOST, post.id),
    }


def _engagements(rows: Draft, engagement: Engagement, post_id: PostId) -> int:
    return sum(stored.post_id == post_id for stored in rows.all(table(engagement)))


@dataclass(frozen=True, slots=True)
class MemoryAuthored:
    store: Store

    async def authored(
        self, authors: Collection[UserId], subscriber: str
    ) -> tuple[Mapping[UserId, int], Sequence[tuple[EventId, Published | PostDeleted]]]:
        counts: Counter[UserId] = Counter(
            post.author
            for post in self.store.all("posts")
            if post.author in authors
            and post.reply_to is None
            and not post.deleted
            and post.visibility in OPEN_VISIBILITIES
        )
        loaded = [
            (entry.event_id, events.load(entry.kind, entry.data))
            for table in ("outbox", "deliveries", "dead_letters")
            for entry in self.store.all(table)
            if entry.subscriber in {NOT_DISTRIBUTED, subscriber}
        ]
        return counts, [(id_, event) for id_, event in loaded if isinstance(event, Published | PostDeleted)]
