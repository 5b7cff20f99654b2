"""The read model of a post: its state, its content, and the view that joins the two."""

from datetime import datetime
from typing import NamedTuple

from application.shared.attachments import MediaCard
from domain.posts import OPEN_VISIBILITIES, AuthorState, Entity, Visibility
from domain.shared import PostId, UserId


class PostState(NamedTuple):
    """The part of a post that decides who may see it, and that changes without a new version."""

    id: PostId
    author: UserId
    version: int
    reply_to: PostId | None
    comments: int
    likes: int
    reposts: int
    mentioned: tuple[UserId, ...]
    visibility: Visibility
    pinned: bool
    liked: bool
    """By the viewer, as are `reposted` and `bookmarked`."""
    reposted: bool
    bookmarked: bool
    author_state: AuthorState
    deleted: bool
    content_revision: int
    """Opaque, made by the store: two contents of one post are equal if their version and their tag are equal. The tag
    changes with every change of the media, which makes no version, and where a mention is removed because the
    account was deleted."""

    @property
    def open(self) -> bool:
        """Whether everybody may see the post."""
        return self.visibility in OPEN_VISIBILITIES and self.author_state is AuthorState.PUBLIC


class PostContent(NamedTuple):
    """The text and the media of one version of a post: the same for everybody who may see it, so it can be cached."""

    version: int
    revision: int
    """As `PostState.content_revision`."""
    text: str
    content_warning: str
    language: str | None
    edited_at: datetime | None
    entities: tuple[Entity, ...]
    media: tuple[MediaCard, ...] = ()
    pending_visibility: Visibility | None = None
    """The visibility that the post gets when its media are ready; None once it is published."""

    def belongs_to(self, state: PostState) -> bool:
        """Whether this is the content of the post in this state."""
        return self.version == state.version and self.revision == state.content_revision


class PostView(NamedTuple):
    """A post as one viewer reads it, without the names of its author and of the users it mentions: another module
    knows those.

    Pages are made of dozens of views, so it is two references: to a state that was read just now, and to a content
    that all viewers share where it is cached.
    """

    state: PostState
    content: PostContent

    @property
    def id(self) -> PostId:
        return self.state.id

    @property
    def author(self) -> UserId:
        return self.state.author

    @property
    def reply_to(self) -> PostId | None:
        return self.state.reply_to

    @property
    def visibility(self) -> Visibility:
        return self.state.visibility
