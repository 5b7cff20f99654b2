"""Publishing posts and comments."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from application.posts.access import locked_if_visible, named_in
from application.posts.ports import People, PostsTx
from application.posts.queries import SeenPost
from application.posts.rows import Body, PostRow
from application.shared.errors import TokenInvalid
from application.shared.events import Published
from application.shared.idempotency import once
from application.shared.people import AuthorCard
from application.shared.ports import Attempt, NewId, OpenTx, Record, Standings
from domain.posts import (
    CONTENT_WARNING,
    TEXT,
    Entity,
    Post,
    PostNotFound,
    Visibility,
    hashtags,
    language,
    mentioned,
)
from domain.shared import CountGraphemes, Faults, PostId, Standing, UserId


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
    standings: Standings
    people: People
    new_id: NewId
    graphemes: CountGraphemes

    async def __call__(self, author: UserId, draft: Draft, attempt: Attempt | None) -> PublishedPost:
        draft = draft.checked(self.graphemes)
        # Asked before the transaction: seldom is another module waited for while rows are locked.
        standing = await self.standings.of(author)
        entities = await named_in(draft.text, self.people, standing)
        cards = await self.people.cards({author, *mentioned(entities)})
        if author not in cards:
            raise TokenInvalid("the account of this token is gone")
        async with self.open_tx() as tx:
            post: Post

            async def effect() -> Record:
                nonlocal post
                post, above = await self._written(tx, author, standing, draft, entities)
                await tx.posts.add(post)
                if above is not None and post.counts_in(above):
                    await tx.posts.count_answers(above.id, comments=1, answers=1)
                await tx.outbox.add(
                    Published(
                        post_id=post.id,
                        author_id=author,
                        reply_to=post.reply_to,
                        visibility=post.visibility,
                        hashtags=tuple(hashtags(post.entities)),
                    )
                )
                # Not its words: they are to be found in one place only, from which they can be removed.
                return {"id": post.id, "author": asdict(cards[author])}

            result = await once(tx.idempotency, attempt, effect)
            if result.replayed:
                post = await tx.posts.get(result.outcome["id"])
                if post.deleted:
                    raise PostNotFound("this post was deleted since")
                post = await tx.posts.original(post)
        known = {**cards, **await self.people.cards(post.mentioned - cards.keys())}
        return PublishedPost(_seen(post, AuthorCard(**result.outcome["author"]), known), result.replayed)

    async def _written(
        self, tx: PostsTx, author: UserId, standing: Standing, draft: Draft, entities: tuple[Entity, ...]
    ) -> tuple[Post, Post | None]:
        """The post, and the one above it, locked, if it is a comment."""
        above = None if draft.reply_to is None else await locked_if_visible(tx, standing, draft.reply_to)
        visibility, audience = draft.visibility or Visibility.PUBLIC, mentioned(entities)
        if above is not None:
            visibility = above.comment_visibility(draft.visibility)
            audience = above.audience_of_answer(author, visibility, audience)
        post = Post(
            id=PostId(self.new_id()),
            author=author,
            text=draft.text,
            visibility=visibility,
            content_warning=draft.content_warning,
            language=draft.language,
            reply_to=draft.reply_to,
            mentioned=audience,
            entities=entities,
        )
        return post, above


def _seen(post: Post, author: AuthorCard, known: Mapping[UserId, AuthorCard]) -> SeenPost:
    """The post as its author saw it the moment it was published."""
    body = Body(
        version=1,
        size=len(post.entities),
        text=post.text,
        content_warning=post.content_warning,
        language=post.language,
        edited_at=None,
        entities=post.entities,
    )
    row = PostRow(
        id=post.id,
        author=author.id,
        version=1,
        reply_to=post.reply_to,
        comments=0,
        likes=0,
        reposts=0,
        mentioned=tuple(sorted(post.mentioned)),
        visibility=post.visibility,
        pinned=False,
        liked=False,
        reposted=False,
        bookmarked=False,
        body=body,
    )
    return SeenPost(row, author, [known[id_] for id_ in row.mentioned if id_ in known], author.id)
