"""Likes, reposts, bookmarks and pins."""

from litestar import Controller, Response, delete, get, put
from litestar.params import FromPath

from application.posts.engagement_lists import ListEngagedPosts, ListEngagedUsers
from application.posts.engagements import PinPost, SetEngagement
from domain.posts import (
    CannotPin,
    CannotRepost,
    Engagement,
    NotTheAuthor,
    PostNotFound,
    TooManyBookmarks,
    TooManyPins,
)
from entrypoints.http.auth import AnyRequest, AuthenticatedRequest, viewer
from entrypoints.http.fragments import Fragments
from entrypoints.http.openapi import policy
from entrypoints.http.paging import Cursor, Limit, PageOut, Pager
from entrypoints.http.posts.inputs import post_from_path
from entrypoints.http.shapes import Author, PostOut, ReceptionOut


class EngagementsController(Controller):
    set_engagement: SetEngagement
    pin_post: PinPost
    list_engaged_users: ListEngagedUsers
    pager: Pager

    path = "/posts/{post_id:str}"
    tags = ("posts",)

    @put("/like", operation_id="likePost", summary="Like a post", opt=policy("token", PostNotFound))
    async def like(self, request: AuthenticatedRequest, post_id: FromPath[str]) -> ReceptionOut:
        return await self._set(request, post_id, Engagement.LIKE, on=True)

    @delete(
        "/like",
        status_code=200,
        operation_id="unlikePost",
        summary="Unlike a post",
        opt=policy("token", PostNotFound),
    )
    async def unlike(self, request: AuthenticatedRequest, post_id: FromPath[str]) -> ReceptionOut:
        """Also works for a post that you may no longer see: then counts that are not public are 0."""
        return await self._set(request, post_id, Engagement.LIKE, on=False)

    @put(
        "/repost",
        operation_id="repostPost",
        summary="Repost a post",
        opt=policy("token", PostNotFound, CannotRepost),
    )
    async def repost(self, request: AuthenticatedRequest, post_id: FromPath[str]) -> ReceptionOut:
        """Only public and unlisted posts can be reposted."""
        return await self._set(request, post_id, Engagement.REPOST, on=True)

    @delete(
        "/repost",
        status_code=200,
        operation_id="unrepostPost",
        summary="Undo a repost",
        opt=policy("token", PostNotFound),
    )
    async def unrepost(self, request: AuthenticatedRequest, post_id: FromPath[str]) -> ReceptionOut:
        """Also works for a post that you may no longer see: then counts that are not public are 0."""
        return await self._set(request, post_id, Engagement.REPOST, on=False)

    @put(
        "/bookmark",
        operation_id="bookmarkPost",
        summary="Bookmark a post",
        opt=policy("token", PostNotFound, TooManyBookmarks),
    )
    async def bookmark(self, request: AuthenticatedRequest, post_id: FromPath[str]) -> ReceptionOut:
        """Nobody else sees your bookmarks. You can keep at most 10,000."""
        return await self._set(request, post_id, Engagement.BOOKMARK, on=True)

    @delete(
        "/bookmark",
        status_code=200,
        operation_id="unbookmarkPost",
        summary="Remove a bookmark",
        opt=policy("token", PostNotFound),
    )
    async def unbookmark(self, request: AuthenticatedRequest, post_id: FromPath[str]) -> ReceptionOut:
        """Also works for a post that you may no longer see: then counts that are not public are 0."""
        return await self._set(request, post_id, Engagement.BOOKMARK, on=False)

    @put(
        "/pin",
        operation_id="pinPost",
        summary="Pin a post to your profile",
        opt=policy("token", PostNotFound, NotTheAuthor, CannotPin, TooManyPins),
    )
    async def pin(self, request: AuthenticatedRequest, post_id: FromPath[str]) -> ReceptionOut:
        """At most 5 of your own public and unlisted posts, not comments. Deleting a post unpins it."""
        return ReceptionOut.of(await self.pin_post(request.user.user_id, post_from_path(post_id), on=True))

    @delete(
        "/pin",
        status_code=200,
        operation_id="unpinPost",
        summary="Unpin a post",
        opt=policy("token", PostNotFound, NotTheAuthor),
    )
    async def unpin(self, request: AuthenticatedRequest, post_id: FromPath[str]) -> ReceptionOut:
        return ReceptionOut.of(await self.pin_post(request.user.user_id, post_from_path(post_id), on=False))

    @get(
        "/likes",
        operation_id="listPostLikes",
        summary="The users who like a post",
        opt=policy("optional", PostNotFound),
    )
    async def likes(
        self, request: AnyRequest, post_id: FromPath[str], limit: Limit = 20, cursor: Cursor = None
    ) -> Response[PageOut[Author]]:
        """Newest first. A page may have fewer than `limit` items before the end: deleted accounts are left out."""
        return await self._users(request, post_id, Engagement.LIKE, limit, cursor)

    @get(
        "/reposts",
        operation_id="listPostReposts",
        summary="The users who repost a post",
        opt=policy("optional", PostNotFound),
    )
    async def reposts(
        self, request: AnyRequest, post_id: FromPath[str], limit: Limit = 20, cursor: Cursor = None
    ) -> Response[PageOut[Author]]:
        """Newest first. A page may have fewer than `limit` items before the end: deleted accounts are left out."""
        return await self._users(request, post_id, Engagement.REPOST, limit, cursor)

    async def _set(
        self, request: AuthenticatedRequest, post_id: str, engagement: Engagement, *, on: bool
    ) -> ReceptionOut:
        return ReceptionOut.of(
            await self.set_engagement(request.user.user_id, post_from_path(post_id), engagement, on=on)
        )

    async def _users(
        self, request: AnyRequest, post_id: str, engagement: Engagement, limit: int, cursor: str | None
    ) -> Response[PageOut[Author]]:
        window = self.pager.window(request, limit, cursor)
        page = await self.list_engaged_users(viewer(request), post_from_path(post_id), engagement, window)
        return self.pager.response(request, page, [Author.of(card) for card in page.items])


class EngagedPostsController(Controller):
    list_engaged_posts: ListEngagedPosts
    pager: Pager
    fragments: Fragments

    path = "/me"
    tags = ("posts",)

    @get("/likes", operation_id="listLikedPosts", summary="The posts that you like", opt=policy("token"))
    async def likes(
        self, request: AuthenticatedRequest, limit: Limit = 20, cursor: Cursor = None
    ) -> Response[PageOut[PostOut]]:
        """The last liked post first."""
        return await self._posts(request, Engagement.LIKE, limit, cursor)

    @get(
        "/bookmarks",
        operation_id="listBookmarkedPosts",
        summary="The posts that you bookmarked",
        opt=policy("token"),
    )
    async def bookmarks(
        self, request: AuthenticatedRequest, limit: Limit = 20, cursor: Cursor = None
    ) -> Response[PageOut[PostOut]]:
        """The last bookmarked post first."""
        return await self._posts(request, Engagement.BOOKMARK, limit, cursor)

    async def _posts(
        self, request: AuthenticatedRequest, engagement: Engagement, limit: int, cursor: str | None
    ) -> Response[PageOut[PostOut]]:
        # The path is the same for all users, but a cursor must be valid for the list of one user only.
        of = str(request.user.user_id)
        window = self.pager.window(request, limit, cursor, of)
        page = await self.list_engaged_posts(request.user.user_id, engagement, window)
        return self.pager.response(request, page, self.fragments.all(page.items), of)
