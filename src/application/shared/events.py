"""The published language: facts that one module tells the others.

Frozen dataclasses of primitives. An event is versioned by adding optional members; a member is
never renamed, removed or given another meaning. `aggregate` names what the order of delivery
holds for.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

OPEN_VISIBILITIES = frozenset({"public", "unlisted"})
"""The visibilities of posts that everyone may see. A count must not include other posts: it would reveal them to readers who
cannot see them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(ABC):
    kinds: ClassVar[dict[str, "type[Event]"]] = {}

    def __init_subclass__(cls) -> None:
        if not cls.__name__.startswith("_"):
            Event.kinds[cls.__name__] = cls

    @property
    @abstractmethod
    def aggregate(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfUser(Event):
    user_id: int

    @property
    def aggregate(self) -> str:
        return f"user:{self.user_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfPost(Event):
    post_id: int

    @property
    def aggregate(self) -> str:
        return f"post:{self.post_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfMedia(Event):
    media_id: int

    @property
    def aggregate(self) -> str:
        return f"media:{self.media_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfPair(Event):
    user_id: int
    """Who acts."""
    other_id: int

    @property
    def aggregate(self) -> str:
        low, high = sorted((self.user_id, self.other_id))
        return f"pair:{low}:{high}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered(_OfUser):
    """Somebody opened an account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChanged(_OfUser):
    private: bool | None = None
    """What the account is from now on, if that is what changed."""
    version: int = 0
    """Of the profile; rises with every change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDeleted(_OfUser):
    """The account was deleted, and what is left of it elsewhere is to go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published(_OfPost):
    """A post or, with `reply_to`, a comment was published."""

    author_id: int
    reply_to: int | None
    visibility: str
    hashtags: tuple[str, ...] = ()
    """Canonical, each once."""
    mentioned: tuple[int, ...] | None = None
    """The users that it mentions; None from an older process, which did not say."""
    withheld: bool = False
    """Of an open comment: its author's account is private, so it is not for everybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited(_OfPost):
    """The words of a post were changed; `mentioned_new` are those whom only the new ones mention."""

    author_id: int
    version: int
    visibility: str
    reply_to: int | None = None
    mentioned_new: tuple[int, ...] = ()
    hashtags: tuple[str, ...] | None = None
    """Those of the new words; None from a process that did not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostDeleted(_OfPost):
    author_id: int
    reply_to: int | None
    visibility: str = "public"


@dataclass(frozen=True, slots=True, kw_only=True)
class Liked(_OfPost):
    author_id: int
    user_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unliked(_OfPost):
    author_id: int
    user_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reposted(_OfPost):
    author_id: int
    user_id: int
    repost_id: int
    """Orders reposts among posts: an id of the same kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreposted(_OfPost):
    author_id: int
    user_id: int
    repost_id: int
    """That of the repost that was taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed(_OfPair):
    """`user_id` follows `other_id` from now on: of an open account at once, else because it accepted."""

    accepted: bool = False
    """Whether it was requested before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfollowed(_OfPair):
    """`user_id` does not follow `other_id` any more, whoever ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowRequested(_OfPair):
    """`user_id` asks to follow `other_id`, whose account is private."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowRequestEnded(_OfPair):
    """The request of `user_id` was withdrawn or rejected; one that is accepted ends in Followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked(_OfPair):
    """`user_id` blocks `other_id`: neither follows the other any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unblocked(_OfPair):
    """`user_id` does not block `other_id` any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaAttached(_OfPost):
    """A post has these media, in this order, each of which belongs to it from now on and goes with it."""

    author_id: int
    media_ids: tuple[int, ...]
    open: bool
    """Whether the post is one that everybody may see, if its author's account is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaDetached(_OfPost):
    """The author removed these media from the post. They belong to nothing any more."""

    author_id: int
    media_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSettled(_OfMedia):
    """Processing of media ended: it is ready, or failed for good. Told to its owner."""

    owner_id: int
    reason: str | None = None
    """Why it failed; None if it is ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedMediaChanged(_OfMedia):
    """What a post shows of attached media is another from now on: it settled, or is described in other words. Told
    once more when media is attached that had settled before."""

    post_id: int
    owner_id: int
    version: int
