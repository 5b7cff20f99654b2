"""What people do with posts."""

from dataclasses import asdict, dataclass, replace

from application.posts.ports import AuthorCard, People, PostRow, PostsTx
from application.posts.queries import SeenPost
from application.shared.errors import TokenInvalid
from application.shared.events import Event, Liked, PostDeleted, Published, Unliked
from application.shared.idempotency import once
from application.shared.ports import Attempt, NewId, OpenTx, Record
from domain.posts import (
    CONTENT_WARNING,
    TEXT,
    Post,
    PostNotFound,
    Standing,
    Visibility,
    can_view,
    language,
    mentions,
)
from domain.shared import CountGraphemes, Faults, PostId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What an author wants to say, as it came in."""

    text: str
    visibility: Visibility | None = None
    """None is public for a post; a comment is then seen by whoever sees the post it answers."""
    content_warning: str = ""
    language: str | None = None
    reply_to: PostId | None = None

    def checked(self, graphemes: CountGraphemes) -> "Draft":
        """The draft with its texts in canonical form; raises Invalid."""
        with Faults.collected() as faults:
            with faults:
                text = TEXT.apply(self.text, graphemes)
            with faults:
                warning = CONTENT_WARNING.apply(self.content_warning, graphemes)
            with faults:
                language(self.language)
        return replace(self, text=text, content_warning=warning)


@dataclass(frozen=True, slots=True)
class PublishedPost:
    seen: SeenPost
    replayed: bool


@dataclass(frozen=True, slots=True)
class PublishPost:
    """Publish a post, or with `reply_to` a comment. Raises Invalid, PostNotFound if the post to answer
    is not there for the author, and WiderThanThread."""

    open_tx: OpenTx[PostsTx]
    people: People
    new_id: NewId
    graphemes: CountGraphemes

    async def __call__(self, author: UserId, draft: Draft, attempt: Attempt | None) -> PublishedPost:
        draft = draft.checked(self.graphemes)
        # Asked before the transaction: seldom is another module waited for while rows are locked.
        named = frozenset((await self.people.ids_named(mentions(draft.text))).values())
        cards = await self.people.cards({author, *named})
        if author not in cards:
            raise TokenInvalid("the account of this token is gone")
        async with self.open_tx() as tx:

            async def effect() -> Record:
                post, above = await self._written(tx, author, draft, named)
                await tx.posts.add(post)
                if above is not None and post.counts_in(above):
                    await tx.posts.count_comments(above.id, 1)
                await tx.outbox.add(
                    Published(
                        post_id=post.id,
                        author_id=author,
                        reply_to=post.reply_to,
                        visibility=post.visibility,
                    )
                )
                known = {**cards, **await self.people.cards(post.mentioned - cards.keys())}
                return _outcome(
                    post, cards[author], [known[id_] for id_ in sorted(post.mentioned & known.keys())]
                )

            result = await once(tx.idempotency, attempt, effect)
            if result.replayed and (await tx.posts.get(result.outcome["id"])).deleted:
                raise PostNotFound("this post was deleted since")
        return PublishedPost(_seen(result.outcome), result.replayed)

    async def _written(
        self, tx: PostsTx, author: UserId, draft: Draft, named: frozenset[UserId]
    ) -> tuple[Post, Post | None]:
        """The post, and the one above it, locked, if it is a comment."""
        above = None if draft.reply_to is None else await _visible(tx, author, draft.reply_to)
        visibility, mentioned = draft.visibility or Visibility.PUBLIC, named
        if above is not None:
            visibility = above.comment_visibility(draft.visibility)
            mentioned = above.audience_of_answer(author, visibility, named)
        post = Post(
            id=PostId(self.new_id()),
            author=author,
            text=draft.text,
            visibility=visibility,
            content_warning=draft.content_warning,
            language=draft.language,
            reply_to=draft.reply_to,
            mentioned=mentioned,
        )
        return post, above


async def _visible(tx: PostsTx, viewer: UserId, post_id: PostId) -> Post:
    """The post, locked, if `viewer` may see it: nothing is done to a post that one may not see, and
    nothing is committed on one whose deletion was answered."""
    post = await tx.posts.get(post_id)
    if not can_view(post, Standing(viewer)):
        raise PostNotFound("no such post")
    return post


@dataclass(frozen=True, slots=True)
class DeletePost:
    """Remove one's own post or comment for good; harmless to repeat. Raises PostNotFound, NotTheAuthor."""

    open_tx: OpenTx[PostsTx]

    async def __call__(self, user: UserId, post_id: PostId) -> None:
        async with self.open_tx() as tx:
            post = await tx.posts.get(post_id)
            if post.deleted and post.author == user:
                return
            if not can_view(post, Standing(user)):
                raise PostNotFound("no such post")
            await tx.posts.save(post.removed(by=user))
            if post.reply_to is not None and post.counts_in(await tx.posts.get(post.reply_to)):
                await tx.posts.count_comments(post.reply_to, -1)
            await tx.outbox.add(
                PostDeleted(
                    post_id=post.id,
                    author_id=post.author,
                    reply_to=post.reply_to,
                    visibility=post.visibility,
                )
            )


@dataclass(frozen=True, slots=True)
class Reception:
    """How a post was received, and what the viewer has to do with it."""

    comments: int
    likes: int
    liked: bool


@dataclass(frozen=True, slots=True)
class LikePost:
    """Like a post or take the like back; both are harmless to repeat. Raises PostNotFound."""

    open_tx: OpenTx[PostsTx]
    new_id: NewId

    async def __call__(self, user: UserId, post_id: PostId, *, liked: bool) -> Reception:
        async with self.open_tx() as tx:
            post = await _visible(tx, user, post_id)
            event: Event
            if liked:
                changed = await tx.posts.like(post.id, user, self.new_id())
                event = Liked(post_id=post.id, author_id=post.author, user_id=user)
            else:
                changed = await tx.posts.unlike(post.id, user)
                event = Unliked(post_id=post.id, author_id=post.author, user_id=user)
            if changed:
                await tx.outbox.add(event)
        likes = post.likes + (0 if not changed else 1 if liked else -1)
        return Reception(post.comments, likes, liked)


def _outcome(post: Post, author: AuthorCard, mentioned: list[AuthorCard]) -> Record:
    return {
        "id": post.id,
        "text": post.text,
        "visibility": post.visibility,
        "content_warning": post.content_warning,
        "language": post.language,
        "reply_to": post.reply_to,
        "author": asdict(author),
        "mentions": [asdict(card) for card in mentioned],
    }


def _seen(outcome: Record) -> SeenPost:
    """The post as its author saw it the moment it was published."""
    author = AuthorCard(**outcome["author"])
    mentioned = [AuthorCard(**card) for card in outcome["mentions"]]
    row = PostRow(
        id=outcome["id"],
        author=author.id,
        text=outcome["text"],
        visibility=Visibility(outcome["visibility"]),
        content_warning=outcome["content_warning"],
        language=outcome["language"],
        reply_to=outcome["reply_to"],
        edited_at=None,
        version=1,
        comments=0,
        likes=0,
        mentioned=tuple(card.id for card in mentioned),
        liked=False,
    )
    return SeenPost(row, author, mentioned, author.id)
