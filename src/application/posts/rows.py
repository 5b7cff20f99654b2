"""A post as it is read: its state, its words, and both together."""

from datetime import datetime
from typing import NamedTuple

from application.shared.attachments import MediaCard
from application.shared.records import maker
from domain.posts import OPEN, AuthorState, Entity, Visibility
from domain.shared import PostId, UserId


class State(NamedTuple):
    """What decides who sees a post, and what changes without its words. It begins as PostRow does."""

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
    """By the viewer, as are the following."""
    reposted: bool
    bookmarked: bool
    author_state: AuthorState
    deleted: bool
    size: int
    """Of what is kept of its entities and media, in some measure of the store. It changes where a mention goes because
    the account is gone, and with every change of its media, which are no versions of the post; so it and the version
    tell one body from all others."""


class Body(NamedTuple):
    """The words of a post, as of one version."""

    version: int
    size: int
    """As in State."""
    text: str
    content_warning: str
    language: str | None
    edited_at: datetime | None
    entities: tuple[Entity, ...]
    media: tuple[MediaCard, ...] = ()
    becoming: Visibility | None = None
    """What its visibility will be, while it waits for its media."""

    def of(self, state: State) -> bool:
        """Whether these are the words of that state."""
        return self.version == state.version and self.size == state.size


class PostRow(NamedTuple):
    """A post as it is read: all but the names of people, which another module knows."""

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
    """By the viewer, as are the following."""
    reposted: bool
    bookmarked: bool
    author_state: AuthorState
    body: Body
    """One object for all who read a version, where it is kept."""

    @property
    def text(self) -> str:
        return self.body.text

    @property
    def content_warning(self) -> str:
        return self.body.content_warning

    @property
    def language(self) -> str | None:
        return self.body.language

    @property
    def edited_at(self) -> datetime | None:
        return self.body.edited_at

    @property
    def open(self) -> bool:
        """Whether everybody may see it."""
        return self.visibility in OPEN and self.author_state is AuthorState.OPEN

    @property
    def entities(self) -> tuple[Entity, ...]:
        return self.body.entities


_COMMON = len(PostRow.__annotations__) - 1
_make_row = maker(PostRow)


def joined(state: State, body: Body) -> PostRow:
    return _make_row(state[:_COMMON] + (body,))  # noqa: RUF005 - what it says instead takes twice as long
