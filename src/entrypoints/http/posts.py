"""/api/v1/posts, and the posts of a user."""

from typing import Annotated, Self

import msgspec
from litestar import Controller, Response, delete, get, post, put
from litestar.params import FromPath, JSONBody

from application.posts.commands import DeletePost, Draft, LikePost, PublishedPost, PublishPost, Reception
from application.posts.ports import AuthorCard
from application.posts.queries import ListByAuthor, ListComments, NoSuchAuthor, ReadPost, SeenPost
from domain.posts import NotTheAuthor, PostNotFound, Visibility, WiderThanThread
from domain.shared import PostId, UserId, id_from, made_at
from entrypoints.http.answers import Answer, Out, tagged
from entrypoints.http.auth import Anyones, Mine, viewer
from entrypoints.http.bodies import In
from entrypoints.http.openapi import policy
from entrypoints.http.paging import Cursor, Limit, PageOut, Pager
from entrypoints.http.resources import Attempts, IdempotencyKey, IfNoneMatch, created, rfc3339


class Author(Out):
    id: str
    username: str
    display_name: str
    avatar_url: str | None

    @classmethod
    def of(cls, card: AuthorCard) -> Self:
        return cls(str(card.id), card.username, card.display_name, None)


class Mention(Out):
    id: str
    username: str


class PostCounts(Out):
    comments: int
    likes: int
    reposts: int = 0


class Viewer(Out):
    """What the one who asks has to do with the post."""

    liked: bool
    reposted: bool = False
    bookmarked: bool = False


class PostOut(Out):
    """A post, or a comment: a comment is a post with `reply_to`."""

    id: str
    author: Author
    text: str
    visibility: Visibility
    content_warning: str
    language: str | None
    reply_to: str | None
    created_at: str
    edited_at: str | None
    media: list[dict[str, object]]
    mentions: list[Mention]
    hashtags: list[str]
    counts: PostCounts
    viewer: Viewer | msgspec.UnsetType = msgspec.UNSET
    """Only with a token."""

    @classmethod
    def of(cls, seen: SeenPost) -> Self:
        row = seen.row
        return cls(
            id=str(row.id),
            author=Author.of(seen.author),
            text=row.text,
            visibility=row.visibility,
            content_warning=row.content_warning,
            language=row.language,
            reply_to=None if row.reply_to is None else str(row.reply_to),
            created_at=rfc3339(made_at(row.id)),
            edited_at=None if row.edited_at is None else rfc3339(row.edited_at),
            media=[],
            mentions=[Mention(str(card.id), card.username) for card in seen.mentions],
            hashtags=[],
            counts=PostCounts(row.comments, row.likes),
            viewer=msgspec.UNSET if seen.viewer is None else Viewer(row.liked),
        )


class ReceptionOut(Out):
    """How a post is received, after what was just done."""

    counts: PostCounts
    viewer: Viewer

    @classmethod
    def of(cls, reception: Reception) -> Self:
        return cls(PostCounts(reception.comments, reception.likes), Viewer(reception.liked))


Text = Annotated[
    str,
    msgspec.Meta(
        max_length=8000,
        description="1 to 2,000 characters and at most 8,000 bytes of UTF-8. `@name` mentions a user.",
        examples=["The linden trees are in bloom. 🐝"],
    ),
]
ContentWarning = Annotated[
    str, msgspec.Meta(max_length=800, description="At most 200 characters, shown before the text.")
]
Language = Annotated[str, msgspec.Meta(max_length=12, description="A BCP 47 tag.", examples=["en", "pt-BR"])]


class CommentIn(In):
    text: Text
    visibility: Visibility | None = None
    """That of the post above, if it is not sent; never a wider one."""
    content_warning: ContentWarning = ""
    language: Language | None = None

    def draft(self, reply_to: PostId | None) -> Draft:
        return Draft(
            text=self.text,
            visibility=self.visibility,
            content_warning=self.content_warning,
            language=self.language,
            reply_to=reply_to,
        )


class PostIn(CommentIn):
    reply_to: (
        Annotated[str, msgspec.Meta(max_length=19, description="The post that this one answers.")] | None
    ) = None

    def to_draft(self) -> Draft:
        return self.draft(None if self.reply_to is None else a_post(self.reply_to))


def a_post(path: str) -> PostId:
    """An id as it came in; what is no id names no post."""
    post_id = id_from(path)
    if post_id is None:
        raise PostNotFound("no such post")
    return PostId(post_id)


def an_author(path: str) -> UserId:
    user_id = id_from(path)
    if user_id is None:
        raise NoSuchAuthor("no such user")
    return UserId(user_id)


def published(done: PublishedPost) -> Response[PostOut]:
    out = PostOut.of(done.seen)
    return created(out, f"/api/v1/posts/{out.id}", replayed=done.replayed)


class PostsController(Controller):
    publish_post: PublishPost
    read_post: ReadPost
    delete_post: DeletePost
    like_post: LikePost
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

    @put("/{post_id:str}/like", summary="Like a post", opt=policy("token", PostNotFound))
    async def like(self, request: Mine, post_id: FromPath[str]) -> ReceptionOut:
        return ReceptionOut.of(await self.like_post(request.user.user_id, a_post(post_id), liked=True))

    @delete(
        "/{post_id:str}/like", status_code=200, summary="Take a like back", opt=policy("token", PostNotFound)
    )
    async def unlike(self, request: Mine, post_id: FromPath[str]) -> ReceptionOut:
        return ReceptionOut.of(await self.like_post(request.user.user_id, a_post(post_id), liked=False))


class PostsOfUserController(Controller):
    list_by_author: ListByAuthor
    pager: Pager

    path = "/users/{user_id:str}/posts"
    tags = ("posts",)

    @get(summary="A user's posts", opt=policy("optional", NoSuchAuthor))
    async def page(
        self,
        request: Anyones,
        user_id: FromPath[str],
        limit: Limit = 20,
        cursor: Cursor = None,
    ) -> Response[PageOut[PostOut]]:
        """Newest first, without comments."""
        window = self.pager.window(request, limit, cursor)
        page = await self.list_by_author(viewer(request), an_author(user_id), window)
        return self.pager.answer(request, page, [PostOut.of(seen) for seen in page.items])
