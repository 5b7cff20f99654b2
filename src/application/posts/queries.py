"""What people read of posts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from application.posts.ports import People, PostsReader, VersionRow
from application.posts.rows import PostRow
from application.shared.paging import Page, Window, page
from application.shared.people import AuthorCard
from application.shared.ports import ViewerContexts
from domain.posts import PostNotFound
from domain.shared import PostId, UserId, UserNotFound


class SeenPost(NamedTuple):
    """A post as its viewer sees it, people's names included."""

    row: PostRow
    author: AuthorCard
    mentions: Sequence[AuthorCard]
    viewer: UserId | None
    reposted_by: AuthorCard | None = None
    """In a feed into which a repost brought it."""


@dataclass(frozen=True, slots=True)
class Present:
    """Joins rows with the names of their people, asked for once per page.

    A post whose author is not known any more is left out: the account was deleted a moment ago. So a
    page may be short, which is not its end.
    """

    people: People

    async def __call__(self, rows: Sequence[PostRow], viewer: UserId | None) -> list[SeenPost]:
        ids = {row.author for row in rows}
        for row in rows:
            ids.update(row.mentioned)
        cards = await self.people.cards(ids)
        return [self._seen(row, cards, viewer) for row in rows if row.author in cards]

    async def page(
        self, rows: Sequence[PostRow], window: Window, viewer: UserId | None, *, newest_first: bool
    ) -> Page[SeenPost]:
        """The page of rows that a reader gave for `window`, the one too many included."""
        read = page(rows, window, lambda row: row.id, newest_first=newest_first)
        return Page(await self(read.items, viewer), read.next, read.prev)

    @staticmethod
    def _seen(row: PostRow, cards: Mapping[UserId, AuthorCard], viewer: UserId | None) -> SeenPost:
        mentions = [cards[id_] for id_ in row.mentioned if id_ in cards]
        return SeenPost(row, cards[row.author], mentions, viewer)


@dataclass(frozen=True, slots=True)
class ReadPost:
    """One post. Raises PostNotFound."""

    viewer_contexts: ViewerContexts
    reader: PostsReader
    present: Present

    async def __call__(self, viewer: UserId | None, post_id: PostId) -> SeenPost:
        row = await self.reader.post(post_id, await self.viewer_contexts.of(viewer))
        if row is None:
            raise PostNotFound("no such post")
        seen = await self.present([row], viewer)
        if not seen:
            raise PostNotFound("no such post")
        return seen[0]


@dataclass(frozen=True, slots=True)
class ListByAuthor:
    """A user's posts, comments aside, newest first. Raises UserNotFound."""

    viewer_contexts: ViewerContexts
    reader: PostsReader
    people: People
    present: Present

    async def __call__(self, viewer: UserId | None, author: UserId, window: Window) -> Page[SeenPost]:
        if not await self.people.cards([author]):
            raise UserNotFound("no such user")
        rows = await self.reader.by_author(author, window, await self.viewer_contexts.of(viewer))
        return await self.present.page(rows, window, viewer, newest_first=True)


@dataclass(frozen=True, slots=True)
class ReadPosts:
    """Several posts at once, in the order in which they are asked for, each once. Those that the viewer
    may not see are left out, like those that do not exist."""

    viewer_contexts: ViewerContexts
    reader: PostsReader
    present: Present

    async def __call__(self, viewer: UserId | None, ids: Sequence[PostId]) -> list[SeenPost]:
        wanted = list(dict.fromkeys(ids))
        rows = await self.reader.by_ids(wanted, await self.viewer_contexts.of(viewer))
        return await self.present([rows[id_] for id_ in wanted if id_ in rows], viewer)


@dataclass(frozen=True, slots=True)
class ReadHistory:
    """What a post said, oldest first, the present version last. Raises PostNotFound."""

    viewer_contexts: ViewerContexts
    reader: PostsReader

    async def __call__(self, viewer: UserId | None, post_id: PostId, window: Window) -> Page[VersionRow]:
        viewer_context = await self.viewer_contexts.of(viewer)
        if await self.reader.post(post_id, viewer_context) is None:
            raise PostNotFound("no such post")
        rows = await self.reader.versions(post_id, window, viewer_context)
        return page(rows, window, lambda row: row.version, newest_first=False)
