"""/api/v1/posts, and the posts of a user."""

from typing import Annotated

from litestar import Controller, Response, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from application.posts.deleting import DeletePost
from application.posts.marked import ListPinned
from application.posts.publishing import PublishedPost, PublishPost
from application.posts.queries import ListByAuthor, ListComments, NoSuchAuthor, ReadPost
from domain.posts import NotTheAuthor, PostNotFound, WiderThanThread
from entrypoints.http.answers import Answer, tagged
from entrypoints.http.auth import Anyones, Mine, viewer
from entrypoints.http.openapi import policy
from entrypoints.http.paging import Cursor, Limit, PageOut, Pager
from entrypoints.http.posts.inputs import CommentIn, PostIn, a_post, an_author
from entrypoints.http.posts.shapes import PostOut
from entrypoints.http.resources import Attempts, IdempotencyKey, IfNoneMatch, created


def published(done: PublishedPost) -> Response[PostOut]:
    out = PostOut.of(done.seen)
    return created(out, f"/api/v1/posts/{out.id}", replayed=done.replayed)


class PostsController(Controller):
    publish_post: PublishPost
    read_post: ReadPost
    delete_post: DeletePost
    list_comments: ListComments
    attempt: Attempts
    pager: Pager

    path = "/posts"
    tags = ("posts",)

    @post(summary="Publish a post", opt=policy("token", PostNotFound, WiderThanThread))
    async def publish(
        self,
        request: Mine,
        data: JSONBody[PostIn],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[PostOut]:
        return published(
            await self.publish_post(
                request.user.user_id, data.to_draft(), await self.attempt(request, idempotency_key)
            )
        )

    @get("/{post_id:str}", summary="A post", opt=policy("optional", PostNotFound))
    async def read(
        self,
        request: Anyones,
        post_id: FromPath[str],
        if_none_match: IfNoneMatch = None,
    ) -> Response[PostOut]:
        seen = await self.read_post(viewer(request), a_post(post_id))
        return Answer(tagged(PostOut.of(seen), seen.row.version, if_none_match))

    @delete("/{post_id:str}", summary="Delete a post", opt=policy("token", PostNotFound, NotTheAuthor))
    async def remove(self, request: Mine, post_id: FromPath[str]) -> None:
        """Only the author can. Harmless to repeat."""
        await self.delete_post(request.user.user_id, a_post(post_id))

    @get("/{post_id:str}/comments", summary="The comments on a post", opt=policy("optional", PostNotFound))
    async def comments(
        self,
        request: Anyones,
        post_id: FromPath[str],
        limit: Limit = 20,
        cursor: Cursor = None,
    ) -> Response[PageOut[PostOut]]:
        """Direct answers, oldest first."""
        page = await self.list_comments(
            viewer(request), a_post(post_id), self.pager.window(request, limit, cursor)
        )
        return self.pager.answer(request, page, [PostOut.of(seen) for seen in page.items])

    @post(
        "/{post_id:str}/comments",
        summary="Comment on a post",
        opt=policy("token", PostNotFound, WiderThanThread),
    )
    async def comment(
        self,
        request: Mine,
        post_id: FromPath[str],
        data: JSONBody[CommentIn],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[PostOut]:
        return published(
            await self.publish_post(
                request.user.user_id,
                data.draft(a_post(post_id)),
                await self.attempt(request, idempotency_key),
            )
        )


Pinned = Annotated[
    bool, QueryParameter(description="Only those that are pinned to the profile, the last pinned first.")
]


class PostsOfUserController(Controller):
    list_by_author: ListByAuthor
    list_pinned: ListPinned
    pager: Pager

    path = "/users/{user_id:str}/posts"
    tags = ("posts",)

    @get(summary="A user's posts", opt=policy("optional", NoSuchAuthor))
    async def page(
        self,
        request: Anyones,
        user_id: FromPath[str],
        *,
        pinned: Pinned = False,
        limit: Limit = 20,
        cursor: Cursor = None,
    ) -> Response[PageOut[PostOut]]:
        """Newest first, without comments."""
        of = "pinned" if pinned else ""
        window = self.pager.window(request, limit, cursor, of)
        listed = self.list_pinned if pinned else self.list_by_author
        page = await listed(viewer(request), an_author(user_id), window)
        return self.pager.answer(request, page, [PostOut.of(seen) for seen in page.items], of)
