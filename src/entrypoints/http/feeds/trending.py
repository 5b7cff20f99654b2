"""/api/v1/trending: what many care for now."""

from typing import Any

from litestar import Controller, Response, get

from application.feeds.trending import ListTrendingPosts, ListTrendingTags
from application.feeds.trending_formula import RankedTag
from entrypoints.http.answers import Out
from entrypoints.http.auth import AnyRequest, viewer
from entrypoints.http.fragments import Fragments
from entrypoints.http.openapi import policy
from entrypoints.http.paging import Cursor, Limit, PageOut, Pager
from entrypoints.http.shapes import PostOut


class TrendingTag(Out):
    """A hashtag that trends."""

    tag: str
    """Canonical."""
    posts: int
    """How many public posts used it within two days, when the list was made."""
    accounts: int
    """By how many accounts."""

    @classmethod
    def of(cls, ranked: RankedTag) -> "TrendingTag":
        return cls(ranked.tag, ranked.posts, ranked.accounts)


class TrendingController(Controller):
    list_trending_posts: ListTrendingPosts[Any]
    list_trending_tags: ListTrendingTags[Any]
    pager: Pager
    fragments: Fragments

    path = "/trending"
    tags = ("feeds",)

    @get("/posts", operation_id="listTrendingPosts", summary="The posts that trend", opt=policy("optional"))
    async def posts(
        self, request: AnyRequest, limit: Limit = 20, cursor: Cursor = None
    ) -> Response[PageOut[PostOut]]:
        """Public posts for which several people voted within two days, by liking, reposting or answering them; what
        is voted for now comes first. The list is made about once a minute. A cursor goes on in the list in which it
        was given, for about ten minutes, and after that at the same rank of the present one."""
        window = self.pager.window(request, limit, cursor)
        page = await self.list_trending_posts(viewer(request), window)
        return self.pager.answer(request, page, self.fragments.all(page.items))

    @get(
        "/hashtags",
        operation_id="listTrendingHashtags",
        summary="The hashtags that trend",
        opt=policy("optional"),
    )
    async def hashtags(
        self, request: AnyRequest, limit: Limit = 20, cursor: Cursor = None
    ) -> Response[PageOut[TrendingTag]]:
        """Those that several accounts used in public posts within two days, the same for everybody. Made and paged as
        the list of posts is."""
        window = self.pager.window(request, limit, cursor)
        page = await self.list_trending_tags(window)
        return self.pager.answer(request, page, [TrendingTag.of(ranked) for ranked in page.items])
