"""Response bodies that several modules use: people and posts."""

from collections.abc import Callable
from typing import Self

import msgspec
from litestar import Response

from application.posts.engagements import EngagementSummary
from application.posts.publishing import PublishedPost
from application.posts.queries import HydratedPost as HydratedPost  # noqa: PLC0414 - for controllers of other modules
from application.shared.attachments import MediaCard, RenditionAddresses, RenditionCard
from application.shared.people import AuthorCard, RelationshipView
from domain.media import FailureReason, MediaKind, MediaState
from domain.posts import Engagement, Entity, EntityType, Visibility, hashtags
from domain.shared import made_at
from entrypoints.http.resources import created, rfc3339
from entrypoints.http.responses import Out


class Author(Out):
    """A user, as shown next to something that they did."""

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


class EntityOut(Out):
    """A mention, hashtag or link in the text, from `start` up to `end` in UTF-16 code units. A mention has `id` and
    `username`, a hashtag has `tag` in its canonical form, a link has `url`."""

    type: EntityType
    start: int
    end: int
    id: str | msgspec.UnsetType = msgspec.UNSET
    username: str | msgspec.UnsetType = msgspec.UNSET
    tag: str | msgspec.UnsetType = msgspec.UNSET
    url: str | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(cls, entity: Entity) -> Self:
        out = cls(entity.type, entity.start, entity.end)
        if entity.type is EntityType.MENTION:
            out.id, out.username = str(entity.user), entity.value
        elif entity.type is EntityType.HASHTAG:
            out.tag = entity.value
        else:
            out.url = entity.value
        return out


class FocalPointOut(Out):
    """The point that must stay visible when the image is cropped: from -1 (left, bottom) to 1 (right, top)."""

    x: float
    y: float


class RenditionOut(Out):
    """A file that was made from an upload."""

    url: str
    """If not everybody may see the post, this address expires after a few minutes: then read the post again."""
    type: str
    """The media type."""
    width: int
    height: int
    bytes: int

    @classmethod
    def of(cls, card: RenditionCard, address: Callable[[str], str]) -> Self:
        return cls(address(card.path), card.type, card.width, card.height, card.bytes)


class MediaOut(Out):
    """An image, an animation or a video. Members that are unknown until it is `ready` are null."""

    id: str
    state: MediaState
    kind: MediaKind | None
    reason: FailureReason | None
    """Why it failed."""
    reason_text: str | None
    """The same as a text for users, which may change."""
    alt_text: str
    focal_point: FocalPointOut
    blurhash: str | None
    width: int | None
    """The width of the largest rendition, in pixels."""
    height: int | None
    duration: float | None
    """Seconds; only of videos."""
    renditions: dict[str, RenditionOut]
    """By their names: `thumbnail`, `small`, `large`, each of them with `_jpeg` too; `video`; `poster`."""

    @classmethod
    def of_card(cls, card: MediaCard, addresses: RenditionAddresses, *, open: bool) -> Self:  # noqa: A002 - the word for it
        """`open`: everybody may see the post. Otherwise the result must go only to a viewer who may see it now."""
        address = addresses.permanent if open else addresses.signed
        return cls(
            id=str(card.id),
            state=MediaState(card.state),
            kind=None if card.kind is None else MediaKind(card.kind),
            reason=None if card.reason is None else FailureReason(card.reason),
            reason_text=None if card.reason is None else FailureReason(card.reason).text,
            alt_text=card.alt_text,
            focal_point=FocalPointOut(*card.focal_point),
            blurhash=card.blurhash,
            width=card.width,
            height=card.height,
            duration=card.duration,
            renditions={one.name: RenditionOut.of(one, address) for one in card.renditions},
        )


class PostCounts(Out):
    comments: int
    likes: int
    reposts: int


class Viewer(Out):
    """Your engagements with the post."""

    liked: bool
    reposted: bool
    bookmarked: bool


class PostOut(Out, tag_field="type", tag="post"):
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
    media: list[MediaOut]
    """In the author's order. Until all of them are `ready`, only the author sees the post."""
    mentions: list[Mention]
    hashtags: list[str]
    """In canonical form, each once."""
    entities: list[EntityOut]
    counts: PostCounts
    pinned: bool
    """Whether the post is pinned to its author's profile."""
    viewer: Viewer | msgspec.UnsetType = msgspec.UNSET
    """Present only if you are logged in."""
    reposted_by: Author | msgspec.UnsetType = msgspec.UNSET
    """Present only in feeds, if this user's repost brought the post there."""

    @classmethod
    def of(cls, hydrated: HydratedPost, addresses: RenditionAddresses) -> Self:
        state, content = hydrated.post
        is_open = state.open
        return cls(
            id=str(state.id),
            author=Author.of(hydrated.author),
            text=content.text,
            visibility=content.pending_visibility or state.visibility,
            content_warning=content.content_warning,
            language=content.language,
            reply_to=None if state.reply_to is None else str(state.reply_to),
            created_at=rfc3339(made_at(state.id)),
            edited_at=None if content.edited_at is None else rfc3339(content.edited_at),
            media=[MediaOut.of_card(card, addresses, open=is_open) for card in content.media],
            mentions=[Mention(str(card.id), card.username) for card in hydrated.mentions],
            hashtags=hashtags(content.entities),
            entities=[EntityOut.of(entity) for entity in content.entities],
            counts=PostCounts(state.comments, state.likes, state.reposts),
            pinned=state.pinned,
            viewer=msgspec.UNSET
            if hydrated.viewer is None
            else Viewer(state.liked, state.reposted, state.bookmarked),
            reposted_by=msgspec.UNSET if hydrated.reposted_by is None else Author.of(hydrated.reposted_by),
        )


class PostList(Out):
    items: list[PostOut]


def published(done: PublishedPost, addresses: RenditionAddresses) -> Response[PostOut]:
    out = PostOut.of(done.hydrated, addresses)
    return created(out, f"/api/v1/posts/{out.id}", replayed=done.replayed)


class ReceptionOut(Out):
    """The counts of a post and your engagements with it, after the request."""

    counts: PostCounts
    viewer: Viewer
    pinned: bool

    @classmethod
    def of(cls, summary: EngagementSummary) -> Self:
        engagements = summary.engagements
        return cls(
            PostCounts(summary.comments, summary.likes, summary.reposts),
            Viewer(
                Engagement.LIKE in engagements,
                Engagement.REPOST in engagements,
                Engagement.BOOKMARK in engagements,
            ),
            summary.pinned,
        )


class RelationshipOut(Out):
    """The relationship between you and another user."""

    id: str
    """The id of the other user."""
    following: bool
    requested: bool
    """You have requested to follow, and got no response yet."""
    followed_by: bool
    requested_by: bool
    blocking: bool
    blocked_by: bool
    muting: bool
    muted_until: str | None
    """The time at which the mute ends."""

    @classmethod
    def of(cls, relationship: RelationshipView) -> Self:
        return cls(
            str(relationship.other),
            relationship.following,
            relationship.requested,
            relationship.followed_by,
            relationship.requested_by,
            relationship.blocking,
            relationship.blocked_by,
            relationship.muting,
            None if relationship.muted_until is None else rfc3339(relationship.muted_until),
        )
