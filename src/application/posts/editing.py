"""Editing posts and comments, and removing earlier versions."""

from enum import Enum

from application.posts.access import entities_in, locked_if_visible, recipients
from application.posts.ports import AuthorDirectory, PostsTx
from application.posts.publishing import announce_published
from application.posts.queries import HydratedPost, ReadPost
from application.shared.attachments import MediaCard
from application.shared.events import Edited, MediaDetached
from application.shared.ports import Clock, OpenTx, ViewerContexts
from domain.dataclasses import dataclass
from domain.languages import language
from domain.posts import (
    CONTENT_WARNING,
    OPEN_VISIBILITIES,
    TEXT,
    TEXT_WITH_MEDIA,
    Entity,
    NotTheAuthor,
    Post,
    Visibility,
    hashtags,
    mentioned,
)
from domain.shared import CountGraphemes, FieldError, FieldErrors, Invalid, MediaId, PostId, Stale, UserId


class Unchanged(Enum):
    """Marks a member that the edit leaves as it is, where None is a value."""

    UNCHANGED = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostEdit:
    """The change that an author wants, as the client sent it. None leaves a text, or the media, as they are."""

    text: str | None = None
    content_warning: str | None = None
    language: str | Unchanged | None = Unchanged.UNCHANGED
    media: tuple[MediaId, ...] | None = None
    """All media that stay, in their new order."""

    def checked(self, graphemes: CountGraphemes) -> "PostEdit":
        """The edit with its texts in canonical form. Raises Invalid."""
        text, warning = self.text, self.content_warning
        with FieldErrors.collected() as field_errors:
            with field_errors:
                text = None if text is None else TEXT_WITH_MEDIA.apply(text, graphemes)
            with field_errors:
                warning = None if warning is None else CONTENT_WARNING.apply(warning, graphemes)
            with field_errors:
                tag = self.language if isinstance(self.language, Unchanged) else language(self.language)
            with field_errors:
                if self.media is not None and len(set(self.media)) < len(self.media):
                    raise Invalid(FieldError("media_ids", "twice", "a post has each of its media once"))
        return PostEdit(text=text, content_warning=warning, language=tag, media=self.media)


@dataclass(frozen=True, slots=True)
class EditPost:
    """Change the text of one's own post, remove some of its media or reorder them. Raises Invalid, PostNotFound,
    NotTheAuthor, TooManyEdits, and Stale if `version` is given and is not the stored one. An edit that changes nothing
    has no effect. If only media that are not ready are removed, a pending post is published."""

    open_tx: OpenTx[PostsTx]
    viewer_contexts: ViewerContexts
    people: AuthorDirectory
    now: Clock
    graphemes: CountGraphemes
    read: ReadPost

    async def __call__(
        self, user: UserId, post_id: PostId, edit: PostEdit, version: int | None
    ) -> HydratedPost:
        edit = edit.checked(self.graphemes)
        viewer_context = await self.viewer_contexts.of(user)
        entities = () if edit.text is None else await entities_in(edit.text, self.people, viewer_context)
        async with self.open_tx() as tx:
            post = await locked_if_visible(tx, viewer_context, post_id)
            if post.author != user:
                raise NotTheAuthor("only the author can edit a post")
            if version is not None and version != post.version:
                raise Stale("the post was changed since you read it")
            edited = await self._edited(tx, post, edit, entities)
            if edited is not post:
                await self._store(tx, post, edited)
        return await self.read(user, post_id)

    async def _store(self, tx: PostsTx, post: Post, edited: Post) -> None:
        await tx.posts.archive_version(post)
        await tx.posts.save(edited)
        if edited.media != post.media:
            cards = {card.id: card for card in await tx.posts.cards(post.id)}
            edited = await self._with_media(tx, post, edited, [cards[id_] for id_ in edited.media])
        if edited.pending is None and post.pending is not None:  # nobody knew of the post until now
            await announce_published(tx, edited)
            return
        await tx.outbox.add(
            Edited(
                post_id=post.id,
                author_id=post.author,
                version=edited.version,
                visibility=post.visibility,
                reply_to=post.reply_to,
                mentioned_new=tuple(sorted(edited.mentioned - post.mentioned)),
                hashtags=tuple(hashtags(edited.entities)),
            )
        )

    @staticmethod
    async def _with_media(tx: PostsTx, post: Post, edited: Post, cards: list[MediaCard]) -> Post:
        """Store these media, and publish the post if it is pending and all of them are ready."""
        if all(card.ready for card in cards):
            edited = edited.as_published()
        await tx.posts.update_media(edited, cards)
        if removed := [id_ for id_ in post.media if id_ not in edited.media]:
            gone = MediaDetached(post_id=post.id, author_id=post.author, media_ids=tuple(removed))
            await tx.outbox.add(gone)
        return edited

    async def _edited(self, tx: PostsTx, post: Post, edit: PostEdit, entities: tuple[Entity, ...]) -> Post:
        if edit.media is not None and not set(edit.media) <= set(post.media):
            raise Invalid(
                FieldError(
                    "media_ids", "media_not_in_post", "an edit keeps, removes or reorders media of the post"
                )
            )
        left = post.media if edit.media is None else edit.media
        if not left and (edit.text is not None or edit.media is not None):
            TEXT.apply(
                post.text if edit.text is None else edit.text, self.graphemes
            )  # without media there must be a text
        published = post.as_published()
        edited = await self._changed(tx, published, edit, entities)
        if edited is published:
            return post
        return edited if published is post else edited.as_pending()

    async def _changed(self, tx: PostsTx, post: Post, edit: PostEdit, entities: tuple[Entity, ...]) -> Post:
        new_text = edit.text is not None and edit.text != post.text
        return post.edited(
            self.now(),
            text=edit.text if edit.text is not None else post.text,
            entities=entities if new_text else post.entities,
            content_warning=post.content_warning if edit.content_warning is None else edit.content_warning,
            language=post.language if isinstance(edit.language, Unchanged) else edit.language,
            mentioned=await self._audience(tx, post, mentioned(entities)) if new_text else post.mentioned,
            media=post.media if edit.media is None else edit.media,
        )

    async def _audience(self, tx: PostsTx, post: Post, named: frozenset[UserId]) -> frozenset[UserId]:
        """The users that the post mentions when its text names `named`.

        A direct post keeps the people that it has reached: they have received it, and only they have received the
        answers. While it has reached nobody, an edit may mention other people. A comment in a direct thread keeps the
        people of the thread in any case: nobody else sees the post that it replies to.
        """
        if post.visibility is Visibility.DIRECT and await recipients(post, self.people):
            return post.mentioned
        if post.reply_to is None or (post.visibility in OPEN_VISIBILITIES and not post.withheld):
            return named
        above = await tx.posts.get(post.reply_to)
        if above.visibility is Visibility.DIRECT:
            return post.mentioned
        # The author above stays mentioned only if they were: a deleted account must not be mentioned again.
        return named | (post.mentioned & {above.author} - {post.author})


@dataclass(frozen=True, slots=True)
class RemoveVersion:
    """Remove an earlier version of one's own post for good. Safe to repeat. The post itself does not change. Raises
    PostNotFound, NotTheAuthor, VersionNotFound, CurrentVersion."""

    open_tx: OpenTx[PostsTx]
    viewer_contexts: ViewerContexts

    async def __call__(self, user: UserId, post_id: PostId, version: int) -> None:
        viewer_context = await self.viewer_contexts.of(user)
        async with self.open_tx() as tx:
            post = await locked_if_visible(tx, viewer_context, post_id)
            post.check_removable(version, by=user)
            await tx.posts.remove_version(post, version)
