"""A post, who may see it, who may remove it."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from domain.posts.entities import Entity, mentioned
from domain.shared import (
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    MediaId,
    NotFound,
    PostId,
    TextRule,
    UserId,
    ViewerContext,
    made_at,
)

TEXT = TextRule("text", max_graphemes=2_000, max_bytes=8_000, required=True, lines=True)
TEXT_WITH_MEDIA = replace(TEXT, required=False)
"""Of a post that has something else to show."""
CONTENT_WARNING = TextRule("content_warning", max_graphemes=200, max_bytes=800)

MAX_EDITS = 100
MAX_MEDIA = 4
"""Of one post."""


class PostNotFound(NotFound):
    """There is no such post, or none that the one who asks may see: the two answer alike."""

    code = "post_not_found"


class NotTheAuthor(Forbidden):
    """Only the author of a post may do this."""

    code = "not_the_author"


class MediaTaken(Conflict):
    """Media belongs to one post only."""

    code = "media_taken"


class VersionNotFound(NotFound):
    """The post never had a version of this number."""

    code = "version_not_found"


class CurrentVersion(Conflict):
    """The current version of a post cannot be removed from its history: edit or delete the post."""

    code = "current_version"


class NobodyReached(Invalid):
    """A direct post must reach somebody besides its author. Whoever is named does not exist, or blocks the author, or
    is blocked by them: all this answers alike."""

    code = "nobody_reached"

    def __init__(self) -> None:
        super().__init__(
            FieldError("text", self.code, "a direct post mentions at least one other person who can see it")
        )


class TooManyEdits(Conflict):
    """A post is edited at most 100 times."""

    code = "too_many_edits"


class Visibility(StrEnum):
    """Who may see a post, from the widest circle to the narrowest."""

    PUBLIC = "public"
    UNLISTED = "unlisted"
    FOLLOWERS = "followers"
    DIRECT = "direct"

    @property
    def width(self) -> int:
        return _WIDTH[self]


_WIDTH = {
    Visibility.PUBLIC: 3,
    Visibility.UNLISTED: 2,
    Visibility.FOLLOWERS: 1,
    Visibility.DIRECT: 0,
}
OPEN_VISIBILITIES = frozenset({Visibility.PUBLIC, Visibility.UNLISTED})
"""Seen by everybody who knows where."""


class AuthorState(StrEnum):
    """What posts knows of the account behind a post."""

    OPEN = "open"
    PRIVATE = "private"
    """Its posts are for its followers and for those they mention, whatever they say themselves."""
    GONE = "gone"
    """The account was deleted: nothing of it is seen while it is erased."""


_PRIVATE, _GONE = (
    AuthorState.PRIVATE,
    AuthorState.GONE,
)  # asked of every post: a member by its name costs a look-up


class WiderThanThread(Conflict):
    """A comment may not have a wider visibility than the post that it answers."""

    code = "wider_than_thread"


class PendingPublication(NamedTuple):
    """What a post will be when its media are ready."""

    visibility: Visibility
    mentioned: frozenset[UserId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A post, or a comment: a comment is a post that answers another."""

    id: PostId
    author: UserId
    text: str
    visibility: Visibility
    content_warning: str = ""
    language: str | None = None
    reply_to: PostId | None = None
    mentioned: frozenset[UserId] = frozenset()
    """Who is told of it, and sees it whatever its visibility: mostly, but not only, whom its text names."""
    entities: tuple[Entity, ...] = ()
    edited_at: datetime | None = None
    deleted: bool = False
    comments: int = 0
    """Answers that everybody who sees this post may know of."""
    answers: int = 0
    """The same, and the tombstones among them that are shown."""
    likes: int = 0
    reposts: int = 0
    pin: int | None = None
    """Set while the post is pinned to its author's profile: an id, the greater the later it was pinned."""
    version: int = 1
    """Counts the author's changes, the first version being 1."""
    media: tuple[MediaId, ...] = ()
    """In their author's order."""
    pending: PendingPublication | None = None
    """Set while it waits for its media. Until then it is a direct post to nobody, which its author alone sees: so what
    holds for those holds for it, everywhere."""
    withheld: bool = False
    """Of an open comment by a private account: it is for the account's followers and for whom it mentions, and counts
    nowhere. That of a deleted comment stays as it was."""
    author_state: AuthorState = AuthorState.OPEN
    """As it was when the post was read; kept with the author, not with each post."""

    @property
    def created_at(self) -> datetime:
        return made_at(self.id)

    @property
    def named(self) -> frozenset[UserId]:
        """Whom the text names. In a direct thread they need not be among the mentioned."""
        return mentioned(self.entities)

    def removed(self, by: UserId) -> "Post":
        """The tombstone of this post: nothing of it can be read any more. Only the author removes."""
        if by != self.author:
            raise NotTheAuthor("only the author can delete a post")
        return replace(
            self,
            text="",
            content_warning="",
            language=None,
            mentioned=frozenset(),
            entities=(),
            edited_at=None,
            deleted=True,
            pin=None,
            media=(),
            pending=None,
            version=self.version + 1,
        )

    def as_pending(self) -> "Post":
        """This post, until its media are ready."""
        pending = PendingPublication(self.visibility, self.mentioned)
        return replace(self, visibility=Visibility.DIRECT, mentioned=frozenset(), pending=pending)

    def as_published(self) -> "Post":
        """This post, its media being ready; itself if it did not wait."""
        if self.pending is None:
            return self
        visibility, mentioned = self.pending
        return replace(self, visibility=visibility, mentioned=mentioned, pending=None)

    def check_removable(self, version: int, by: UserId) -> None:
        """Whether `by` may remove this version from the history; one that was removed before still counts as one.
        Raises NotTheAuthor, VersionNotFound, CurrentVersion."""
        if by != self.author:
            raise NotTheAuthor("only the author can remove a version of a post")
        if not 1 <= version <= self.version:
            raise VersionNotFound("the post has no such version")
        if version == self.version:
            raise CurrentVersion("this is the current version: edit or delete the post")

    def without_mention(self, of: UserId) -> "Post":
        """This post, for somebody whose account is gone; the words stay its author's."""
        entities = tuple(entity for entity in self.entities if entity.user != of)
        pending = self.pending
        if pending is not None:
            pending = PendingPublication(pending.visibility, pending.mentioned - {of})
        return replace(self, mentioned=self.mentioned - {of}, entities=entities, pending=pending)

    def with_author(self, *, private: bool) -> "Post":
        """This comment while its author's account is private, or is not; itself if that changes nothing."""
        return (
            self
            if self.visibility not in OPEN_VISIBILITIES or self.withheld is private
            else replace(self, withheld=private)
        )

    @property
    def leaves_tombstone(self) -> bool:
        """Whether this post, when it is deleted, keeps its place in the thread, without a word of it: a
        comment that everybody could see does, as long as something stands below it."""
        return (
            self.reply_to is not None
            and self.visibility in OPEN_VISIBILITIES
            and not self.withheld
            and self.answers > 0
        )

    @property
    def shown_as_tombstone(self) -> bool:
        return self.deleted and self.leaves_tombstone

    def edited(
        self,
        at: datetime,
        *,
        text: str,
        entities: tuple[Entity, ...],
        content_warning: str,
        language: str | None,
        mentioned: frozenset[UserId],
        media: tuple[MediaId, ...],
    ) -> "Post":
        """This post with other words or media; itself if they are the same. Raises TooManyEdits."""
        new = replace(self, text=text, content_warning=content_warning, language=language, media=media)
        if new == self:
            return self
        if self.version > MAX_EDITS:
            raise TooManyEdits(f"a post can be edited {MAX_EDITS} times")
        return replace(new, entities=entities, mentioned=mentioned, edited_at=at, version=self.version + 1)

    def counts_in(self, above: "Post | None") -> bool:
        """Whether this post is counted, on the post above it or else on its author's profile. A count is
        seen by whoever sees the post above or the profile: it tells of no post that they may not see."""
        if self.pending is not None or self.withheld:
            return False
        if above is None or self.visibility in OPEN_VISIBILITIES:
            return self.visibility in OPEN_VISIBILITIES
        return self.visibility is Visibility.DIRECT and above.visibility is Visibility.DIRECT

    def audience_of_answer(
        self, author: UserId, visibility: Visibility, named: frozenset[UserId], *, private: bool = False
    ) -> frozenset[UserId]:
        """Whom an answer by `author` to this post mentions, given whom its text names and whether the author's account
        is private.

        In a direct thread it is the same people throughout, so that nobody is answered unheard, and
        nobody is drawn in who cannot see what it is about. An answer that is not for everybody reaches
        the author of this post in any case.
        """
        if self.visibility is Visibility.DIRECT:
            return (self.mentioned | {self.author}) - {author}
        for_everybody = visibility in OPEN_VISIBILITIES and not private
        return named if for_everybody else named | ({self.author} - {author})

    def comment_visibility(self, wanted: Visibility | None) -> Visibility:
        """The visibility of a comment on this post: its own, or a narrower one that was asked for."""
        if wanted is None:
            return self.visibility
        if wanted.width > self.visibility.width:
            raise WiderThanThread(f"the post is {self.visibility}, a comment on it cannot be {wanted}")
        return wanted


class Viewable(Protocol):
    """What of a post decides who sees it."""

    @property
    def author(self) -> UserId: ...
    @property
    def author_state(self) -> AuthorState: ...
    @property
    def visibility(self) -> Visibility: ...
    @property
    def mentioned(self) -> Collection[UserId]: ...
    @property
    def deleted(self) -> bool: ...


def can_view(post: Viewable, viewer_context: ViewerContext) -> bool:
    """The one rule of visibility. `adapters.sql.posts.visibility.visible` is the same rule in SQL; a property
    test proves the two equal, so a change here is a change there."""
    author, state, viewer = post.author, post.author_state, viewer_context.viewer
    if post.deleted or state is _GONE:
        return False
    if viewer is not None and author == viewer:
        return True
    if author in viewer_context.blocked:
        return False
    if post.visibility in OPEN_VISIBILITIES and state is not _PRIVATE:
        return True
    if viewer is not None and viewer in post.mentioned:
        return True
    return post.visibility is not Visibility.DIRECT and author in viewer_context.follows


def open_post_of(author: UserId, state: AuthorState) -> Post:
    """A post that could be: who may see it may know what its author does in the open, such as reposting."""
    return Post(id=PostId(0), author=author, text="", visibility=Visibility.PUBLIC, author_state=state)
