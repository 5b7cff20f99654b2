"""Editing posts and comments."""

from dataclasses import dataclass
from enum import Enum

from application.posts.access import locked_if_visible, named_in, recipients
from application.posts.ports import People, PostsTx
from application.posts.publishing import tell_published
from application.posts.queries import ReadPost, SeenPost
from application.shared.attachments import MediaCard
from application.shared.events import Edited, MediaDetached
from application.shared.ports import Clock, OpenTx, ViewerContexts
from domain.languages import language
from domain.posts import (
    CONTENT_WARNING,
    OPEN,
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


class Same(Enum):
    """What an edit leaves as it is, where None is a value."""

    SAME = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What an author wants to change, as it came in. None leaves a text, or the media, as they are."""

    text: str | None = None
    content_warning: str | None = None
    language: str | Same | None = Same.SAME
    media: tuple[MediaId, ...] | None = None
    """All that stay, in their new order."""

    def checked(self, graphemes: CountGraphemes) -> "Edit":
        """The edit with its texts in canonical form; raises Invalid."""
        text, warning = self.text, self.content_warning
        with FieldErrors.collected() as field_errors:
            with field_errors:
                text = None if text is None else TEXT_WITH_MEDIA.apply(text, graphemes)
            with field_errors:
                warning = None if warning is None else CONTENT_WARNING.apply(warning, graphemes)
            with field_errors:
                tag = self.language if isinstance(self.language, Same) else language(self.language)
            with field_errors:
                if self.media is not None and len(set(self.media)) < len(self.media):
                    raise Invalid(FieldError("media_ids", "twice", "a post has each of its media once"))
        return Edit(text=text, content_warning=warning, language=tag, media=self.media)


@dataclass(frozen=True, slots=True)
class EditPost:
    """Change the words of one's own post, remove some of its media or reorder them. Raises Invalid, PostNotFound,
    NotTheAuthor, TooManyEdits, and Stale if `version` is given and is not the stored one. What changes nothing has no
    effect. A post that waited only for media that are removed is published."""

    open_tx: OpenTx[PostsTx]
    viewer_contexts: ViewerContexts
    people: People
    now: Clock
    graphemes: CountGraphemes
    read: ReadPost

    async def __call__(self, user: UserId, post_id: PostId, edit: Edit, version: int | None) -> SeenPost:
        edit = edit.checked(self.graphemes)
        viewer_context = await self.viewer_contexts.of(user)
        entities = () if edit.text is None else await named_in(edit.text, self.people, viewer_context)
        async with self.open_tx() as tx:
            post = await locked_if_visible(tx, viewer_context, post_id)
            if post.author != user:
                raise NotTheAuthor("only the author can edit a post")
            if version is not None and version != post.version:
                raise Stale("the post was changed since you read it")
            edited = await self._edited(tx, post, edit, entities)
            if edited is not post:
                await self._stored(tx, post, edited)
        return await self.read(user, post_id)

    async def _stored(self, tx: PostsTx, post: Post, edited: Post) -> None:
        await tx.posts.keep(post)
        await tx.posts.save(edited)
        if edited.media != post.media:
            cards = {card.id: card for card in await tx.posts.cards(post.id)}
            edited = await self._with_media(tx, post, edited, [cards[id_] for id_ in edited.media])
        if edited.becoming is None and post.becoming is not None:  # so far nobody knew of it
            await tell_published(tx, edited)
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
        """Show these media, and let the post be seen if it waits for none of them."""
        if all(card.ready for card in cards):
            edited = edited.whole()
        await tx.posts.show(edited, cards)
        if removed := [id_ for id_ in post.media if id_ not in edited.media]:
            gone = MediaDetached(post_id=post.id, author_id=post.author, media_ids=tuple(removed))
            await tx.outbox.add(gone)
        return edited

    async def _edited(self, tx: PostsTx, post: Post, edit: Edit, entities: tuple[Entity, ...]) -> Post:
        if edit.media is not None and not set(edit.media) <= set(post.media):
            raise Invalid(
                FieldError(
                    "media_ids", "media_not_in_post", "an edit keeps, removes or reorders media of the post"
                )
            )
        left = post.media if edit.media is None else edit.media
        if not left and (edit.text is not None or edit.media is not None):
            TEXT.apply(post.text if edit.text is None else edit.text, self.graphemes)  # nothing else is shown
        whole = post.whole()
        edited = await self._changed(tx, whole, edit, entities)
        if edited is whole:
            return post
        return edited if whole is post else edited.waiting()

    async def _changed(self, tx: PostsTx, post: Post, edit: Edit, entities: tuple[Entity, ...]) -> Post:
        new_text = edit.text is not None and edit.text != post.text
        return post.edited(
            self.now(),
            text=edit.text if edit.text is not None else post.text,
            entities=entities if new_text else post.entities,
            content_warning=post.content_warning if edit.content_warning is None else edit.content_warning,
            language=post.language if isinstance(edit.language, Same) else edit.language,
            mentioned=await self._audience(tx, post, mentioned(entities)) if new_text else post.mentioned,
            media=post.media if edit.media is None else edit.media,
        )

    async def _audience(self, tx: PostsTx, post: Post, named: frozenset[UserId]) -> frozenset[UserId]:
        """Whom the post mentions when its text names `named`. A direct post keeps its people, because they have
        received it and only they have received the answers, unless it has reached nobody yet. A comment in a direct
        thread keeps the people of the thread in any case: nobody else sees what it answers."""
        if post.visibility is Visibility.DIRECT and await recipients(post, self.people):
            return post.mentioned
        if post.reply_to is None or (post.visibility in OPEN and not post.withheld):
            return named
        above = await tx.posts.get(post.reply_to)
        if above.visibility is Visibility.DIRECT:
            return post.mentioned
        # If it had reached that author: whose account is gone meanwhile is not to be mentioned anew.
        return named | (post.mentioned & {above.author} - {post.author})
