"""/api/v1/posts, and the posts of a user."""

from typing import Annotated, Protocol

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from application.posts.deleting import DeletePost
from application.posts.editing import EditPost
from application.posts.engagement_lists import ListPinned
from application.posts.publishing import PublishPost
from application.posts.queries import HydratedPost, ListByAuthor, ReadPost, ReadPosts
from application.shared.paging import Page, Window
from domain.posts import MediaTaken, NobodyReached, NotTheAuthor, PostNotFound, TooManyEdits, WiderThanThread
from domain.shared import FieldError, PostId, UserId, UserNotFound
from entrypoints.http.auth import AnyRequest, AuthenticatedRequest, viewer
from entrypoints.http.errors import QueryInvalid
from entrypoints.http.fragments import Fragments
from entrypoints.http.ids import Ids, ids_from_query, user_from_path
from entrypoints.http.openapi import policy
from entrypoints.http.paging import FeedCursor, Limit, PageOut, Pager, Since
from entrypoints.http.posts.inputs import EditPostIn, PostIn, post_from_path
from entrypoints.http.resources import IdempotencyKey, IdempotentRequests, IfMatch, IfNoneMatch, version_in
from entrypoints.http.responses import ReadyResponse, tagged
from entrypoints.http.shapes import PostList, PostOut, published


class PostsController(Controller):
    publish_post: PublishPost
    read_post: ReadPost
    read_posts: ReadPosts
    edit_post: EditPost
    delete_post: DeletePost
    idempotent_request: IdempotentRequests
    fragments: Fragments

    path = "/posts"
    tags = ("posts",)

    @post(
        operation_id="createPost",
        summary="Publish a post",
        opt=policy("token", PostNotFound, WiderThanThread, NobodyReached, MediaTaken),
    )
    async def publish(
        self,
        request: AuthenticatedRequest,
        data: JSONBody[PostIn],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[PostOut]:
        return published(
            await self.publish_post(
                request.user.user_id, data.to_draft(), await self.idempotent_request(request, idempotency_key)
            ),
            self.fragments.addresses,
        )

    @get("/{post_id:str}", operation_id="getPost", summary="A post", opt=policy("optional", PostNotFound))
    async def read(
        self,
        request: AnyRequest,
        post_id: FromPath[str],
        if_none_match: IfNoneMatch = None,
    ) -> Response[PostOut]:
        hydrated = await self.read_post(viewer(request), post_from_path(post_id))
        return ReadyResponse(tagged(self.fragments(hydrated), hydrated.post.state.version, if_none_match))

    @get(operation_id="listPosts", summary="Several posts", opt=policy("optional"))
    async def read_several(self, request: AnyRequest, ids: Ids) -> PostList:
        """In the order of `ids`, each once. Posts that do not exist, or that you may not see, are left out."""
        hydrated = await self.read_posts(viewer(request), [PostId(id_) for id_ in ids_from_query(ids)])
        return PostList(self.fragments.all(hydrated))

    @patch(
        "/{post_id:str}",
        operation_id="updatePost",
        summary="Edit a post",
        opt=policy("token", PostNotFound, NotTheAuthor, TooManyEdits),
    )
    async def edit(
        self,
        request: AuthenticatedRequest,
        post_id: FromPath[str],
        data: JSONBody[EditPostIn],
        if_match: IfMatch = None,
    ) -> Response[PostOut]:
        """Only for the author. Earlier versions stay in the history. A direct post keeps the people that it has
        reached; while it has reached nobody, an edit may mention other people. Media can be removed and reordered, but
        not added. Each change of the text or of the media makes a new version."""
        hydrated = await self.edit_post(
            request.user.user_id, post_from_path(post_id), data.edit(), version_in(if_match)
        )
        return ReadyResponse(tagged(self.fragments(hydrated), hydrated.post.state.version, None))

    @delete(
        "/{post_id:str}",
        operation_id="deletePost",
        summary="Delete a post",
        opt=policy("token", PostNotFound, NotTheAuthor),
    )
    async def remove(self, request: AuthenticatedRequest, post_id: FromPath[str]) -> None:
        """Only for the author. Safe to repeat."""
        await self.delete_post(request.user.user_id, post_from_path(post_id))


Pinned = Annotated[
    bool,
    QueryParameter(description="Only the posts that are pinned to the profile, the last pinned one first."),
]

WithReposts = Annotated[
    bool,
    QueryParameter(
        description="Include the posts that the user reposted, each post once; a feed like /feeds/home."
    ),
]


class OfUser(Protocol):
    """Lists posts of a user. The list with reposts is made by feeds, the others by posts. Raises UserNotFound."""

    async def __call__(
        self, viewer: UserId | None, user: UserId, window: Window, /
    ) -> Page[HydratedPost]: ...


class PostsOfUserController(Controller):
    list_by_author: ListByAuthor
    list_pinned: ListPinned
    read_user_feed: OfUser
    pager: Pager
    fragments: Fragments

    path = "/users/{user_id:str}/posts"
    tags = ("posts",)

    @get(operation_id="listUserPosts", summary="A user's posts", opt=policy("optional", UserNotFound))
    async def page(
        self,
        request: AnyRequest,
        user_id: FromPath[str],
        *,
        pinned: Pinned = False,
        reposts: WithReposts = False,
        limit: Limit = 20,
        cursor: FeedCursor = None,
        since: Since = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response[PageOut[PostOut]]:
        """Newest first, without comments."""
        if pinned and reposts:
            raise QueryInvalid(FieldError("?reposts", "either_or", "use either pinned or reposts, not both"))
        of = "pinned" if pinned else "reposts" if reposts else ""
        window = self.pager.newer(request, limit, cursor, since, of)
        listed: OfUser = (
            self.list_pinned if pinned else self.read_user_feed if reposts else self.list_by_author
        )
        page = await listed(viewer(request), user_from_path(user_id), window)
        items = self.fragments.all(page.items)
        return self.pager.tagged_response(request, page, items, if_none_match, of)
