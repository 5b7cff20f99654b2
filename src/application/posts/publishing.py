"""Publishing posts and comments."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from application.posts.access import entities_in, locked_if_visible, recipients
from application.posts.counting import count_above
from application.posts.ports import AuthorDirectory, PostsTx
from application.posts.queries import HydratedPost
from application.posts.views import PostContent, PostState, PostView
from application.shared.attachments import Attachable, MediaCard
from application.shared.errors import TokenInvalid
from application.shared.events import MediaAttached, Published
from application.shared.idempotency import run_once
from application.shared.people import AuthorCard
from application.shared.ports import IdempotentRequest, NewId, OpenTx, Record, ViewerContexts
from domain.dataclasses import dataclass
from domain.languages import language
from domain.posts import (
    CONTENT_WARNING,
    MAX_MEDIA,
    OPEN_VISIBILITIES,
    TEXT,
    TEXT_WITH_MEDIA,
    Entity,
    NobodyReached,
    Post,
    PostNotFound,
    Visibility,
    hashtags,
    mentioned,
)
from domain.shared import (
    CountGraphemes,
    FieldError,
    FieldErrors,
    Invalid,
    MediaId,
    PostId,
    UserId,
    ViewerContext,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostDraft:
    """The post that an author wants to publish, as the client sent it."""

    text: str
    visibility: Visibility | None = None
    """None: a post is public, a comment has the visibility of the post that it replies to."""
    content_warning: str = ""
    language: str | None = None
    reply_to: PostId | None = None
    media: tuple[MediaId, ...] = ()

    def checked(self, graphemes: CountGraphemes) -> "PostDraft":
        """The draft with its texts in canonical form. Raises Invalid."""
        with FieldErrors.collected() as field_errors:
            with field_errors:
                text = (TEXT_WITH_MEDIA if self.media else TEXT).apply(self.text, graphemes)
            with field_errors:
                warning = CONTENT_WARNING.apply(self.content_warning, graphemes)
            with field_errors:
                tag = language(self.language)
            with field_errors:
                if len(self.media) > MAX_MEDIA or len(set(self.media)) < len(self.media):
                    raise Invalid(
                        FieldError("media_ids", "too_many", f"at most {MAX_MEDIA} media, each of them once")
                    )
        return replace(self, text=text, content_warning=warning, language=tag)


@dataclass(frozen=True, slots=True)
class PublishedPost:
    hydrated: HydratedPost
    replayed: bool


@dataclass(frozen=True, slots=True)
class PublishPost:
    """Publish a post, or with `reply_to` a comment. Raises Invalid, PostNotFound if the author may not see the post to
    reply to, WiderThanThread, NobodyReached, and MediaTaken. Only its author sees the post until all of its media are
    ready: then `UpdateAttachedMedia` publishes it."""

    open_tx: OpenTx[PostsTx]
    viewer_contexts: ViewerContexts
    people: AuthorDirectory
    attachable: Attachable
    new_id: NewId
    graphemes: CountGraphemes

    async def __call__(
        self, author: UserId, draft: PostDraft, idempotent_request: IdempotentRequest | None
    ) -> PublishedPost:
        draft = draft.checked(self.graphemes)
        # Before the transaction, which locks rows: it should not wait for another module.
        viewer_context = await self.viewer_contexts.of(author)
        entities = await entities_in(draft.text, self.people, viewer_context)
        cards = await self.people.cards({author, *mentioned(entities)})
        if author not in cards:
            raise TokenInvalid("the account of this token is gone")
        known_media = await self.attachable.cards(author, draft.media) if draft.media else {}
        async with self.open_tx() as tx:
            new: dict[PostId, Post] = {}

            async def effect() -> Record:
                media = _usable(draft.media, known_media)
                post = await self._make(tx, author, viewer_context, draft, entities)
                new[post.id] = await self._store(tx, post, media)
                # Without the text, which is stored in one place only, from which it can be removed.
                return {"id": post.id, "author": asdict(cards[author])}

            result = await run_once(tx.idempotency, idempotent_request, effect)
            post_id = PostId(result.outcome["id"])
            post = new.get(post_id) or await self._published_before(tx, post_id)
            media = await tx.posts.cards(post.id) if post.media else ()
        known = {**cards, **await self.people.cards(post.mentioned - cards.keys())}
        return PublishedPost(
            _hydrated(post, AuthorCard(**result.outcome["author"]), known, media), result.replayed
        )

    @staticmethod
    async def _store(tx: PostsTx, post: Post, media: Sequence[MediaCard]) -> Post:
        """Store the post with its media, pending until all of them are ready. The stored post."""
        stored = post if all(card.ready for card in media) else post.as_pending()
        await tx.posts.add(stored)
        if media:
            await tx.posts.attach(stored, media)
            await tx.outbox.add(
                MediaAttached(
                    post_id=post.id,
                    author_id=post.author,
                    media_ids=post.media,
                    open=post.visibility in OPEN_VISIBILITIES,
                )
            )
        if stored.pending is None:
            await announce_published(tx, stored)
        return stored

    @staticmethod
    async def _published_before(tx: PostsTx, post_id: PostId) -> Post:
        """The post of an earlier attempt, as it was published. Raises PostNotFound if it was deleted since."""
        post = await tx.posts.get(post_id)
        if post.deleted:
            raise PostNotFound("this post was deleted since")
        return await tx.posts.original(post)

    async def _make(
        self,
        tx: PostsTx,
        author: UserId,
        viewer_context: ViewerContext,
        draft: PostDraft,
        entities: tuple[Entity, ...],
    ) -> Post:
        """The new post. If it is a comment, the post above it is locked."""
        above = (
            None if draft.reply_to is None else await locked_if_visible(tx, viewer_context, draft.reply_to)
        )
        visibility, audience = draft.visibility or Visibility.PUBLIC, mentioned(entities)
        if above is not None:
            visibility = above.comment_visibility(draft.visibility)
            private = await tx.authors.is_private(author)
            audience = above.mentioned_in_reply(author, visibility, audience, private=private)
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
            media=draft.media,
        )
        if (
            visibility is Visibility.DIRECT
            and not await recipients(post, self.people) - viewer_context.blocked
        ):
            raise NobodyReached
        return post if above is None else post.with_author_privacy(private=private)


async def announce_published(tx: PostsTx, post: Post) -> None:
    """Count the post on the post above it, and add the event that it was published."""
    await count_above(tx, post, comments=1, replies=1)
    await tx.outbox.add(
        Published(
            post_id=post.id,
            author_id=post.author,
            reply_to=post.reply_to,
            visibility=post.visibility,
            withheld=post.withheld,
            hashtags=tuple(hashtags(post.entities)),
            mentioned=tuple(sorted(post.mentioned)),
        )
    )


def _usable(ids: tuple[MediaId, ...], known: Mapping[MediaId, MediaCard]) -> list[MediaCard]:
    """The cards of these media, in their order. Raises Invalid for media that are not the author's, or failed."""
    if any(id_ not in known for id_ in ids):
        raise Invalid(FieldError("media_ids", "media_not_found", "there is no such media of yours"))
    if any(known[id_].state == "failed" for id_ in ids):
        raise Invalid(
            FieldError("media_ids", "media_failed", "this media failed, and can be shown to nobody")
        )
    return [known[id_] for id_ in ids]


def _hydrated(
    post: Post, author: AuthorCard, known: Mapping[UserId, AuthorCard], media: Sequence[MediaCard]
) -> HydratedPost:
    """The post as its author saw it at the moment of publication."""
    content_revision = len(post.entities)  # compared with nothing: this view is not cached
    state = PostState(
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
        author_state=post.author_state,
        deleted=False,
        content_revision=content_revision,
    )
    content = PostContent(
        version=1,
        revision=content_revision,
        text=post.text,
        content_warning=post.content_warning,
        language=post.language,
        edited_at=None,
        entities=post.entities,
        media=tuple(media),
        pending_visibility=post.pending and post.pending.visibility,
    )
    mentions = [known[user] for user in state.mentioned if user in known]
    return HydratedPost(PostView(state, content), author, mentions, author.id)
