"""A post: who may see it, and who may change or remove it."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from domain.dataclasses import dataclass
from domain.posts.entities import Entity, mentioned
from domain.shared import OPEN_VISIBILITIES as OPEN_VISIBILITY_NAMES
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
"""For a post with media, which needs no text."""
CONTENT_WARNING = TextRule("content_warning", max_graphemes=200, max_bytes=800)

MAX_EDITS = 100
MAX_MEDIA = 4
"""Of one post."""


class PostNotFound(NotFound):
    """There is no such post, or you may not see it: the response is the same."""

    code = "post_not_found"


class NotTheAuthor(Forbidden):
    """Only the author of a post may do this."""

    code = "not_the_author"


class MediaTaken(Conflict):
    """Media can be attached to one post only."""

    code = "media_taken"


class VersionNotFound(NotFound):
    """The post never had a version of this number."""

    code = "version_not_found"


class CurrentVersion(Conflict):
    """The current version of a post cannot be removed from its history: edit or delete the post."""

    code = "current_version"


class NobodyReached(Invalid):
    """A direct post must reach at least one user besides its author. The response is the same whether the mentioned users
    do not exist, block the author, or are blocked by the author."""

    code = "nobody_reached"

    def __init__(self) -> None:
        super().__init__(
            FieldError("text", self.code, "a direct post mentions at least one other person who can see it")
        )


class TooManyEdits(Conflict):
    """A post can be edited at most 100 times."""

    code = "too_many_edits"


class Visibility(StrEnum):
    """The audience of a post, from the widest to the narrowest."""

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
OPEN_VISIBILITIES = frozenset(map(Visibility, OPEN_VISIBILITY_NAMES))
"""As members of the enum, which are found faster than strings."""


class AuthorState(StrEnum):
    """The state of the author's account, as posts stores it."""

    PUBLIC = "public"
    PRIVATE = "private"
    """Its posts are for its followers and for the users that they mention, whatever their own visibility."""
    DELETED = "deleted"
    """The account was deleted: its posts are hidden while they are erased."""


_PRIVATE, _GONE = (
    AuthorState.PRIVATE,
    AuthorState.DELETED,
)  # for can_view, which runs for every post: an enum member by its name costs a look-up


class WiderThanThread(Conflict):
    """A comment may not have a wider visibility than the post that it replies to."""

    code = "wider_than_thread"


class PendingPublication(NamedTuple):
    """The audience that a post gets when its media are ready."""

    visibility: Visibility
    mentioned: frozenset[UserId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A post, or a comment: a comment is a post that replies to another one."""

    id: PostId
    author: UserId
    text: str
    visibility: Visibility
    content_warning: str = ""
    language: str | None = None
    reply_to: PostId | None = None
    mentioned: frozenset[UserId] = frozenset()
    """The users who are notified and may see the post whatever its visibility: mostly, but not only, those that its
    text names."""
    entities: tuple[Entity, ...] = ()
    edited_at: datetime | None = None
    deleted: bool = False
    comments: int = 0
    """The replies that everybody who may see this post may know about."""
    replies: int = 0
    """The same, plus the replies that are shown as tombstones."""
    likes: int = 0
    reposts: int = 0
    pin: int | None = None
    """Set while the post is pinned to its author's profile: an id, greater for a post that was pinned later."""
    version: int = 1
    """Starts at 1 and rises with each change by the author."""
    media: tuple[MediaId, ...] = ()
    """In the author's order."""
    pending: PendingPublication | None = None
    """Set while the post waits for its media. Until then it is stored as a direct post that mentions nobody: only its
    author sees it, and every rule for direct posts applies to it everywhere."""
    withheld: bool = False
    """True of a public or unlisted comment of a private account: only the account's followers and the users that it
    mentions may see it, and it is counted nowhere. Does not change any more when the comment is deleted."""
    author_state: AuthorState = AuthorState.PUBLIC
    """As of the moment when the post was read. It is stored with the author, not with each post."""

    @property
    def created_at(self) -> datetime:
        return made_at(self.id)

    @property
    def named(self) -> frozenset[UserId]:
        """The users that the text names. In a direct thread they need not be among `mentioned`."""
        return mentioned(self.entities)

    def removed(self, by: UserId) -> "Post":
        """This post without any of its content. Only the author may remove it. Raises NotTheAuthor."""
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
        """This post while its media are not ready."""
        pending = PendingPublication(self.visibility, self.mentioned)
        return replace(self, visibility=Visibility.DIRECT, mentioned=frozenset(), pending=pending)

    def as_published(self) -> "Post":
        """This post when its media are ready; the same object if it is not pending."""
        if self.pending is None:
            return self
        visibility, mentioned = self.pending
        return replace(self, visibility=visibility, mentioned=mentioned, pending=None)

    def check_removable(self, version: int, by: UserId) -> None:
        """Check that `by` may remove this version from the history. A version that was removed before passes.
        Raises NotTheAuthor, VersionNotFound, CurrentVersion."""
        if by != self.author:
            raise NotTheAuthor("only the author can remove a version of a post")
        if not 1 <= version <= self.version:
            raise VersionNotFound("the post has no such version")
        if version == self.version:
            raise CurrentVersion("this is the current version: edit or delete the post")

    def without_mention(self, of: UserId) -> "Post":
        """This post without the mentions of a deleted account. The text stays as the author wrote it."""
        entities = tuple(entity for entity in self.entities if entity.user != of)
        pending = self.pending
        if pending is not None:
            pending = PendingPublication(pending.visibility, pending.mentioned - {of})
        return replace(self, mentioned=self.mentioned - {of}, entities=entities, pending=pending)

    def with_author_privacy(self, *, private: bool) -> "Post":
        """This comment when its author's account has become private, or public; the same object if nothing changes."""
        return (
            self
            if self.visibility not in OPEN_VISIBILITIES or self.withheld is private
            else replace(self, withheld=private)
        )

    @property
    def leaves_tombstone(self) -> bool:
        """Whether this post, if it is deleted, keeps its place in the thread without its content: a comment that
        everybody could see does, as long as a reply is shown below it."""
        return (
            self.reply_to is not None
            and self.visibility in OPEN_VISIBILITIES
            and not self.withheld
            and self.replies > 0
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
        """This post with another text or other media; the same object if nothing changes. Raises TooManyEdits."""
        new = replace(self, text=text, content_warning=content_warning, language=language, media=media)
        if new == self:
            return self
        if self.version > MAX_EDITS:
            raise TooManyEdits(f"a post can be edited {MAX_EDITS} times")
        return replace(new, entities=entities, mentioned=mentioned, edited_at=at, version=self.version + 1)

    def counts_in(self, above: "Post | None") -> bool:
        """Whether this post is counted on the post above it, or, if there is none, on its author's profile. A count
        includes only posts that everyone who sees the count may see."""
        if self.pending is not None or self.withheld:
            return False
        if above is None or self.visibility in OPEN_VISIBILITIES:
            return self.visibility in OPEN_VISIBILITIES
        return self.visibility is Visibility.DIRECT and above.visibility is Visibility.DIRECT

    def mentioned_in_reply(
        self, author: UserId, visibility: Visibility, named: frozenset[UserId], *, private: bool = False
    ) -> frozenset[UserId]:
        """The users whom a reply by `author` to this post mentions, given the users that its text names and whether
        the author's account is private.

        A direct thread has the same people throughout: everybody in it sees each reply, and nobody joins who cannot
        see the posts above. A reply that not everybody may see reaches the author of this post in any case.
        """
        if self.visibility is Visibility.DIRECT:
            return (self.mentioned | {self.author}) - {author}
        for_everybody = visibility in OPEN_VISIBILITIES and not private
        return named if for_everybody else named | ({self.author} - {author})

    def comment_visibility(self, wanted: Visibility | None) -> Visibility:
        """The visibility of a comment on this post: that of this post, or a narrower one if `wanted`. Raises
        WiderThanThread."""
        if wanted is None:
            return self.visibility
        if wanted.width > self.visibility.width:
            raise WiderThanThread(f"the post is {self.visibility}, a comment on it cannot be {wanted}")
        return wanted


class Viewable(Protocol):
    """The members of a post that decide who may see it."""

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
    """The rule that decides who may see a post. `adapters.sql.posts.visibility.visible` is the same rule in SQL, and a
    property test compares the two: change both together."""
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
    """An imaginary public post of the author. Whoever may see it may know about the author's public activity, such as
    reposts."""
    return Post(id=PostId(0), author=author, text="", visibility=Visibility.PUBLIC, author_state=state)
