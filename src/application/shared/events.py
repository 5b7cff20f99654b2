"""The events that modules publish to each other. `docs/events.md` is generated from this file.

Frozen dataclasses of primitives. An event is versioned by adding optional members; a member is never renamed or removed,
and never changes its meaning. Events with the same `aggregate` are delivered in order.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from domain.dataclasses import dataclass


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
    """The user who acts."""
    other_id: int
    """The user that the action is about."""

    @property
    def aggregate(self) -> str:
        low, high = sorted((self.user_id, self.other_id))
        return f"pair:{low}:{high}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered(_OfUser):
    """A user registered an account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChanged(_OfUser):
    """A user changed its profile, or made its account private or public."""

    private: bool | None = None
    """Whether the account is private from now on; None if that did not change."""
    version: int = 0
    """The version of the profile, which increases with every change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDeleted(_OfUser):
    """An account was deleted. Each module erases what it stores of the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published(_OfPost):
    """A post was published; with `reply_to`, a comment."""

    author_id: int
    reply_to: int | None
    visibility: str
    hashtags: tuple[str, ...] = ()
    """In canonical form, without duplicates."""
    mentioned: tuple[int, ...] | None = None
    """The mentioned users; None if an older version published the event."""
    withheld: bool = False
    """True for a public or unlisted comment whose author has a private account: not everyone may see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited(_OfPost):
    """The content of a post was edited."""

    author_id: int
    version: int
    visibility: str
    reply_to: int | None = None
    mentioned_new: tuple[int, ...] = ()
    """The users that only the new content mentions."""
    hashtags: tuple[str, ...] | None = None
    """The hashtags of the new content; None if an older version published the event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostDeleted(_OfPost):
    """A post or comment was deleted."""

    author_id: int
    reply_to: int | None
    visibility: str = "public"


@dataclass(frozen=True, slots=True, kw_only=True)
class Liked(_OfPost):
    """A user liked a post."""

    author_id: int
    user_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unliked(_OfPost):
    """A user took back a like."""

    author_id: int
    user_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reposted(_OfPost):
    """A user reposted a post."""

    author_id: int
    user_id: int
    repost_id: int
    """The id of the repost. It is ordered by time like the ids of posts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreposted(_OfPost):
    """A user took back a repost."""

    author_id: int
    user_id: int
    repost_id: int
    """The id of the repost that was taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed(_OfPair):
    """`user_id` follows `other_id` from now on. A private account has accepted the request; a public one is followed at once."""

    accepted: bool = False
    """Whether there was a request before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfollowed(_OfPair):
    """`user_id` does not follow `other_id` any more. Either of the two may have ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowRequested(_OfPair):
    """`user_id` requested to follow `other_id`, whose account is private."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowRequestEnded(_OfPair):
    """The request of `user_id` was withdrawn or rejected. An accepted request is published as Followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked(_OfPair):
    """`user_id` blocked `other_id`: neither follows the other any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unblocked(_OfPair):
    """`user_id` unblocked `other_id`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaAttached(_OfPost):
    """Media were attached to a post, in this order. They belong to the post from now on and are deleted with it."""

    author_id: int
    media_ids: tuple[int, ...]
    open: bool
    """Whether everyone may see the post, provided that its author's account is public."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaDetached(_OfPost):
    """The author removed media from a post. They do not belong to any post any more."""

    author_id: int
    media_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSettled(_OfMedia):
    """The processing of media ended: it is ready, or it failed permanently. Its owner is notified."""

    owner_id: int
    reason: str | None = None
    """The reason of the failure; None if the media is ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedMediaChanged(_OfMedia):
    """Attached media changed what its post shows: it was processed, or its description was edited. Published again when media
    that was already processed is attached."""

    post_id: int
    owner_id: int
    version: int
