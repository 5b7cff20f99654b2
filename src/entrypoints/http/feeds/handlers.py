"""/api/v1/feeds: the home feed, the public feed and hashtag feeds."""

from typing import Any

from litestar import Controller, Request, Response, get
from litestar.params import FromPath

from application.feeds.home import ReadHomeFeed
from application.feeds.read_feeds import NoSuchHashtag, ReadHashtagFeed, ReadPublicFeed
from application.shared.paging import Page
from entrypoints.http.auth import AnyRequest, AuthenticatedRequest, viewer
from entrypoints.http.fragments import Fragments
from entrypoints.http.openapi import policy
from entrypoints.http.paging import FeedCursor, Limit, PageOut, Pager, Since
from entrypoints.http.resources import IfNoneMatch
from entrypoints.http.responses import ReadyResponse
from entrypoints.http.shapes import HydratedPost, PostOut


class FeedsController(Controller):
    read_home_feed: ReadHomeFeed[HydratedPost]
    read_public_feed: ReadPublicFeed[HydratedPost]
    read_hashtag_feed: ReadHashtagFeed[HydratedPost]
    pager: Pager
    fragments: Fragments

    path = "/feeds"
    tags = ("feeds",)

    @get("/home", operation_id="getHomeFeed", summary="Get your home feed", opt=policy("token"))
    async def home(
        self,
        request: AuthenticatedRequest,
        limit: Limit = 20,
        cursor: FeedCursor = None,
        since: Since = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response[PageOut[PostOut]]:
        """The posts and reposts of you and of the accounts that you follow, newest first. Each post appears once, where
        it first came. Comments appear only if they are reposted."""
        window = self.pager.newer(request, limit, cursor, since)
        page = await self.read_home_feed(request.user.user_id, window)
        return self._response(request, page, if_none_match)

    @get("/public", operation_id="getPublicFeed", summary="Get the public feed", opt=policy("optional"))
    async def public(
        self,
        request: AnyRequest,
        limit: Limit = 20,
        cursor: FeedCursor = None,
        since: Since = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response[PageOut[PostOut]]:
        """Public posts of all accounts, without comments, newest first."""
        window = self.pager.newer(request, limit, cursor, since)
        return self._response(request, await self.read_public_feed(viewer(request), window), if_none_match)

    @get(
        "/hashtags/{tag:str}",
        operation_id="getHashtagFeed",
        summary="Get the feed of a hashtag",
        opt=policy("optional", NoSuchHashtag),
    )
    async def tagged(
        self,
        request: AnyRequest,
        tag: FromPath[str],
        limit: Limit = 20,
        cursor: FeedCursor = None,
        since: Since = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response[PageOut[PostOut]]:
        """Posts and comments, newest first. Write the hashtag without its `#`; case does not matter."""
        window = self.pager.newer(request, limit, cursor, since)
        page = await self.read_hashtag_feed(viewer(request), tag, window)
        return self._response(request, page, if_none_match)

    def _response(
        self, request: Request[Any, Any, Any], page: Page[HydratedPost], if_none_match: str | None
    ) -> ReadyResponse:
        items = self.fragments.all(page.items)
        return self.pager.tagged_response(request, page, items, if_none_match)
