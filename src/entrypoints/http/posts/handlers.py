"""/api/v1/posts, and the posts of a user."""

from typing import Annotated

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from application.posts.deleting import DeletePost
from application.posts.editing import EditPost
from application.posts.marked import ListPinned
from application.posts.publishing import PublishPost
from application.posts.queries import ListByAuthor, NoSuchAuthor, ReadPost, ReadPosts
from domain.posts import NotTheAuthor, PostNotFound, TooManyEdits, WiderThanThread
from entrypoints.http.answers import Answer, tagged
from entrypoints.http.auth import Anyones, Mine, viewer
from entrypoints.http.openapi import policy
from entrypoints.http.paging import Cursor, Limit, PageOut, Pager
from entrypoints.http.posts.inputs import EditPostIn, Ids, PostIn, a_post, an_author, some_posts
from entrypoints.http.posts.shapes import PostList, PostOut, published
from entrypoints.http.resources import Attempts, IdempotencyKey, IfMatch, IfNoneMatch, version_in


class PostsController(Controller):
    publish_post: PublishPost
    read_post: ReadPost
    read_posts: ReadPosts
    edit_post: EditPost
    delete_post: DeletePost
    attempt: Attempts

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

    @get(summary="Several posts", opt=policy("optional"))
    async def read_several(self, request: Anyones, ids: Ids) -> PostList:
        """In the order asked for, each once. Those that do not exist, or not for you, are left out."""
        seen = await self.read_posts(viewer(request), some_posts(ids))
        return PostList([PostOut.of(post) for post in seen])

    @patch(
        "/{post_id:str}", summary="Edit a post", opt=policy("token", PostNotFound, NotTheAuthor, TooManyEdits)
    )
    async def edit(
        self,
        request: Mine,
        post_id: FromPath[str],
        data: JSONBody[EditPostIn],
        if_match: IfMatch = None,
    ) -> Response[PostOut]:
        """Only the author can. Earlier versions stay in the history; a direct post keeps whom it went to."""
        seen = await self.edit_post(request.user.user_id, a_post(post_id), data.edit(), version_in(if_match))
        return Answer(tagged(PostOut.of(seen), seen.row.version, None))

    @delete("/{post_id:str}", summary="Delete a post", opt=policy("token", PostNotFound, NotTheAuthor))
    async def remove(self, request: Mine, post_id: FromPath[str]) -> None:
        """Only the author can. Harmless to repeat."""
        await self.delete_post(request.user.user_id, a_post(post_id))


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
