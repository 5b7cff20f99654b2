"""/api/v1/trending: posts and hashtags with the most recent engagement."""

from collections.abc import Iterable
from typing import Any

import msgspec
from litestar import Controller, Response, get

from application.feeds.trending import ListTrendingPosts, ListTrendingTags
from application.feeds.trending_formula import RankedTag
from entrypoints.http.auth import AnyRequest, viewer
from entrypoints.http.fragments import Fragments
from entrypoints.http.openapi import policy
from entrypoints.http.paging import Cursor, Limit, PageOut, Pager
from entrypoints.http.resources import IfNoneMatch
from entrypoints.http.responses import Out, raw
from entrypoints.http.shapes import PostOut


class TrendingTag(Out):
    """A trending hashtag."""

    tag: str
    """In canonical form."""
    posts: int
    """Public posts that used it within two days before the ranking was made."""
    accounts: int
    """Accounts that used it in these posts."""

    @classmethod
    def of(cls, ranked: RankedTag) -> "TrendingTag":
        return cls(ranked.tag, ranked.posts, ranked.accounts)


def tags_of(ranked: Iterable[RankedTag]) -> msgspec.Raw:
    """The items of a page of hashtags."""
    return raw([TrendingTag.of(one) for one in ranked])


class TrendingController(Controller):
    list_trending_posts: ListTrendingPosts[Any]
    list_trending_tags: ListTrendingTags[Any]
    pager: Pager
    fragments: Fragments

    path = "/trending"
    tags = ("feeds",)

    @get("/posts", operation_id="listTrendingPosts", summary="List trending posts", opt=policy("optional"))
    async def posts(
        self,
        request: AnyRequest,
        limit: Limit = 20,
        cursor: Cursor = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response[PageOut[PostOut]]:
        """Public posts with which several accounts engaged within two days, by a like, a repost or a reply. Recent
        engagement weighs more. The ranking is made about once a minute. A cursor continues in the ranking in which it
        was issued for about ten minutes, and after that at the same rank of the current one."""
        window = self.pager.window(request, limit, cursor)
        page = await self.list_trending_posts(viewer(request), window)
        items = self.fragments.all(page.items)
        return self.pager.tagged_response(request, page, items, if_none_match)

    @get(
        "/hashtags",
        operation_id="listTrendingHashtags",
        summary="List trending hashtags",
        opt=policy("optional"),
    )
    async def hashtags(
        self,
        request: AnyRequest,
        limit: Limit = 20,
        cursor: Cursor = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response[PageOut[TrendingTag]]:
        """Hashtags that several accounts used in public posts within two days. The list is the same for everybody. It
        is ranked and paged like the list of posts."""
        window = self.pager.window(request, limit, cursor)
        page = await self.list_trending_tags(window)
        items = tags_of(page.items)
        return self.pager.tagged_response(request, page, items, if_none_match)
