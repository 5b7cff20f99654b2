"""/api/v1/feeds: home, public, and of a hashtag."""

from typing import Any

from litestar import Controller, Request, Response, get
from litestar.params import FromPath

from application.feeds.home import ReadHomeFeed
from application.feeds.read_feeds import NoSuchHashtag, ReadHashtagFeed, ReadPublicFeed
from application.shared.paging import Page
from entrypoints.http.answers import Answer
from entrypoints.http.auth import AnyRequest, AuthenticatedRequest, viewer
from entrypoints.http.fragments import Fragments
from entrypoints.http.openapi import policy
from entrypoints.http.paging import FeedCursor, Limit, PageOut, Pager, Since
from entrypoints.http.shapes import PostOut, Presented


class FeedsController(Controller):
    read_home_feed: ReadHomeFeed[Presented]
    read_public_feed: ReadPublicFeed[Presented]
    read_hashtag_feed: ReadHashtagFeed[Presented]
    pager: Pager
    fragments: Fragments

    path = "/feeds"
    tags = ("feeds",)

    @get("/home", operation_id="getHomeFeed", summary="Your home feed", opt=policy("token"))
    async def home(
        self, request: AuthenticatedRequest, limit: Limit = 20, cursor: FeedCursor = None, since: Since = None
    ) -> Response[PageOut[PostOut]]:
        """What you and those whom you follow publish and repost, newest first, each post once: where it came first.
        Comments come by reposts only."""
        window = self.pager.newer(request, limit, cursor, since)
        return self._answer(request, await self.read_home_feed(request.user.user_id, window))

    @get("/public", operation_id="getPublicFeed", summary="What everybody may see", opt=policy("optional"))
    async def public(
        self, request: AnyRequest, limit: Limit = 20, cursor: FeedCursor = None, since: Since = None
    ) -> Response[PageOut[PostOut]]:
        """Public posts of all, comments aside, newest first."""
        window = self.pager.newer(request, limit, cursor, since)
        return self._answer(request, await self.read_public_feed(viewer(request), window))

    @get(
        "/hashtags/{tag:str}",
        operation_id="getHashtagFeed",
        summary="Public posts with a hashtag",
        opt=policy("optional", NoSuchHashtag),
    )
    async def tagged(
        self,
        request: AnyRequest,
        tag: FromPath[str],
        limit: Limit = 20,
        cursor: FeedCursor = None,
        since: Since = None,
    ) -> Response[PageOut[PostOut]]:
        """Comments too, newest first. The tag is written without its sign; case does not matter."""
        window = self.pager.newer(request, limit, cursor, since)
        return self._answer(request, await self.read_hashtag_feed(viewer(request), tag, window))

    def _answer(self, request: Request[Any, Any, Any], page: Page[Presented]) -> Answer:
        return self.pager.answer(request, page, self.fragments.all(page.items))
