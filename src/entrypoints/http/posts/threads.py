"""/api/v1/posts/{id}/comments, /context and /history."""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, Self, TypeAlias, cast

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from application.posts.editing import RemoveVersion
from application.posts.ports import PostVersion, Tombstone
from application.posts.publishing import PublishPost
from application.posts.queries import HydratedPost, ReadHistory
from application.posts.threads import MAX_DEPTH, Comment, ListComments, ReadContext, ThreadContext, ThreadItem
from application.shared.paging import Window
from domain.posts import (
    CurrentVersion,
    MediaTaken,
    NobodyReached,
    NotTheAuthor,
    PostNotFound,
    VersionNotFound,
    WiderThanThread,
)
from domain.shared import PostId, id_from
from entrypoints.http.auth import AnyRequest, AuthenticatedRequest, viewer
from entrypoints.http.fragments import Fragments
from entrypoints.http.openapi import policy
from entrypoints.http.paging import Cursor, Limit, PageOut, Pager
from entrypoints.http.posts.inputs import CommentIn, post_from_path
from entrypoints.http.resources import IdempotencyKey, IdempotentRequests, IfNoneMatch, rfc3339
from entrypoints.http.responses import OneOf, Out, raw
from entrypoints.http.shapes import EntityOut, PostOut, published

NextOf: TypeAlias = Callable[[PostId, Window], str]
"""Makes the cursor for a window of the comments on a post."""


class TombstoneOut(Out, tag_field="type", tag="tombstone"):
    """The place of a post in a thread without its content: it was deleted, or you may not see it."""

    id: str
    reply_to: str | None
    tombstone: Literal[True]

    @classmethod
    def of(cls, tombstone: Tombstone) -> Self:
        return cls(
            str(tombstone.id), None if tombstone.reply_to is None else str(tombstone.reply_to), tombstone=True
        )


class AnswersOut(Out):
    """The first replies to a comment. `next` is a cursor for the comments on it; null means that there are no more."""

    items: "list[PlaceOfComment]"
    next: str | None


class CommentOut(PostOut, kw_only=True):
    """A post with `reply_to`; with its replies if `depth` is above 1."""

    answers: AnswersOut | msgspec.UnsetType = msgspec.UNSET


class BuriedCommentOut(TombstoneOut, kw_only=True):
    """The place of a deleted comment that has replies."""

    answers: AnswersOut | msgspec.UnsetType = msgspec.UNSET


class PlaceOfComment(OneOf):
    """A comment, or the tombstone of one."""

    comment: CommentOut
    tombstone: BuriedCommentOut


class PlaceOfPost(OneOf):
    """A post, or the tombstone of one."""

    post: PostOut
    tombtombstone: TombstoneOut


class CommentPage(Out):
    """A part of a list. `next` is null only at the end of the list."""

    items: list[PlaceOfComment]
    next: str | None
    prev: str | None


class ContextOut(Out):
    """The posts above a post, oldest first, and those below it, level by level. The flags are true if some are left
    out; read them with `comments`, or with the context of another post."""

    ancestors: list[PlaceOfPost]
    more_ancestors: bool
    descendants: list[PlaceOfPost]
    more_descendants: bool

    @classmethod
    def of(cls, context: ThreadContext, fragments: Fragments) -> Self:
        return cls(
            [_place(item, fragments) for item in context.ancestors],
            context.more_ancestors,
            [_place(item, fragments) for item in context.descendants],
            context.more_descendants,
        )


class VersionOut(Out):
    """A version of a post, which was current from `created_at` on."""

    version: int
    text: str
    content_warning: str
    language: str | None
    created_at: str
    entities: list[EntityOut]

    @classmethod
    def of(cls, row: PostVersion) -> Self:
        return cls(
            row.version,
            row.text,
            row.content_warning,
            row.language,
            rfc3339(row.created_at),
            [EntityOut.of(entity) for entity in row.entities],
        )


def _place(item: ThreadItem, fragments: Fragments) -> PlaceOfPost:
    out = fragments(item) if isinstance(item, HydratedPost) else TombstoneOut.of(item)
    return cast("PlaceOfPost", out)


def comment_of(comment: Comment, fragments: Fragments, next_of: NextOf) -> PlaceOfComment:
    item, answers = comment.item, comment.replies
    if answers is None and isinstance(item, HydratedPost):
        return cast("PlaceOfComment", fragments(item))
    out: CommentOut | BuriedCommentOut
    if isinstance(item, HydratedPost):
        id_, out = item.post.id, CommentOut.of(item, fragments.addresses)
    else:
        id_, out = item.id, BuriedCommentOut.of(item)
    if answers is not None:
        items = [comment_of(answer, fragments, next_of) for answer in answers.items]
        out.answers = AnswersOut(items, None if answers.next is None else next_of(id_, answers.next))
    return cast("PlaceOfComment", out)


def comments_of(comments: Sequence[Comment], fragments: Fragments, next_of: NextOf) -> msgspec.Raw:
    """The items of a page of comments."""
    return raw([comment_of(comment, fragments, next_of) for comment in comments])


class ThreadsController(Controller):
    list_comments: ListComments
    publish_post: PublishPost
    read_context: ReadContext
    read_history: ReadHistory
    remove_version: RemoveVersion
    idempotent_request: IdempotentRequests
    pager: Pager
    fragments: Fragments

    path = "/posts/{post_id:str}"
    tags = ("posts",)

    @get(
        "/comments",
        operation_id="listComments",
        summary="The comments on a post",
        opt=policy("optional", PostNotFound),
    )
    async def comments(
        self,
        request: AnyRequest,
        post_id: FromPath[str],
        limit: Limit = 20,
        cursor: Cursor = None,
        depth: Annotated[
            int,
            QueryParameter(
                ge=1, le=MAX_DEPTH, description="The number of levels. Level 1 is the direct replies."
            ),
        ] = 1,
        if_none_match: IfNoneMatch = None,
    ) -> Response[CommentPage]:
        """Direct replies, oldest first. With a `depth` above 1, each comment has `answers`: its first five, and so on
        down to that level, at most 500 comments in one page. If there are more, `answers.next` is a cursor for the
        comments on that comment. A deleted comment stays as a tombstone while it has replies."""
        window = self.pager.window(request, limit, cursor)
        page = await self.list_comments(viewer(request), post_from_path(post_id), window, depth)
        items = comments_of(page.items, self.fragments, self._next_of)
        return self.pager.tagged_response(request, page, items, if_none_match)

    def _next_of(self, post_id: PostId, window: Window) -> str:
        return self.pager.cursors.encode(f"/api/v1/posts/{post_id}/comments", window)

    @post(
        "/comments",
        operation_id="createComment",
        summary="Comment on a post",
        opt=policy("token", PostNotFound, WiderThanThread, NobodyReached, MediaTaken),
    )
    async def comment(
        self,
        request: AuthenticatedRequest,
        post_id: FromPath[str],
        data: JSONBody[CommentIn],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[PostOut]:
        return published(
            await self.publish_post(
                request.user.user_id,
                data.draft(post_from_path(post_id)),
                await self.idempotent_request(request, idempotency_key),
            ),
            self.fragments.addresses,
        )

    @get(
        "/context",
        operation_id="getPostContext",
        summary="The posts above and below a post",
        opt=policy("optional", PostNotFound),
    )
    async def context(self, request: AnyRequest, post_id: FromPath[str]) -> ContextOut:
        """The nearest 100 posts above, and up to 200 below, at any depth, level by level. It has at most the first 20
        replies to each comment below, and as many replies to the post itself as there is room for.
        `more_ancestors` and `more_descendants` are true if some are left out. A post above that was deleted, or that
        you may not see, is a tombstone."""
        context = await self.read_context(viewer(request), post_from_path(post_id))
        return ContextOut.of(context, self.fragments)

    @get(
        "/history",
        operation_id="listPostVersions",
        summary="The versions of a post",
        opt=policy("optional", PostNotFound),
    )
    async def history(
        self,
        request: AnyRequest,
        post_id: FromPath[str],
        limit: Limit = 20,
        cursor: Cursor = None,
    ) -> Response[PageOut[VersionOut]]:
        """Oldest first, the current version last. Versions that the author removed are left out."""
        window = self.pager.window(request, limit, cursor)
        page = await self.read_history(viewer(request), post_from_path(post_id), window)
        return self.pager.response(request, page, [VersionOut.of(row) for row in page.items])

    @delete(
        "/history/{version:str}",
        operation_id="deletePostVersion",
        summary="Remove an earlier version of a post",
        opt=policy("token", PostNotFound, NotTheAuthor, VersionNotFound, CurrentVersion),
    )
    async def forget(
        self, request: AuthenticatedRequest, post_id: FromPath[str], version: FromPath[str]
    ) -> None:
        """For good, and only for the author. The other versions keep their numbers. The current version cannot be
        removed: edit or delete the post instead. Safe to repeat."""
        number = id_from(version)
        if number is None:
            raise VersionNotFound("the post has no such version")
        await self.remove_version(request.user.user_id, post_from_path(post_id), number)
