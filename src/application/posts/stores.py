"""The ports of posts that a store implements."""

from application.posts.hydration import PostPartsReader
from application.posts.ports import (
    AuthoredPosts,
    Counters,
    EngagementsReader,
    PostsReader,
    PostsTx,
    RestrictedAuthors,
)
from application.posts.searching import PostSearch
from application.shared.feed_entries import FeedEntries
from application.shared.ports import OpenTx, PurgeExpired
from domain.dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PostsStores:
    """The stores of posts. Each technology that can store posts offers one."""

    open_tx: OpenTx[PostsTx]
    reader: PostsReader
    parts: PostPartsReader
    engagements: EngagementsReader
    counters: Counters
    search: PostSearch
    feed_entries: FeedEntries
    authored: AuthoredPosts
    restricted_authors: RestrictedAuthors
    purge_expired: PurgeExpired
