"""The published language: facts that one module tells the others.

Frozen dataclasses of primitives. An event is versioned by adding optional members; a member is
never renamed, removed or given another meaning. `aggregate` names what the order of delivery
holds for.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(ABC):
    kinds: ClassVar[dict[str, "type[Event]"]] = {}

    def __init_subclass__(cls) -> None:
        Event.kinds[cls.__name__] = cls

    @property
    @abstractmethod
    def aggregate(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered(Event):
    user_id: int

    @property
    def aggregate(self) -> str:
        return f"user:{self.user_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChanged(Event):
    user_id: int
    private: bool | None = None
    """What the account is from now on, if that is what changed."""
    version: int = 0
    """Of the profile; rises with every change."""

    @property
    def aggregate(self) -> str:
        return f"user:{self.user_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDeleted(Event):
    """The account is gone, and what is left of it elsewhere is to go. Told again until nothing is left."""

    user_id: int

    @property
    def aggregate(self) -> str:
        return f"user:{self.user_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published(Event):
    """A post or, with `reply_to`, a comment was published."""

    post_id: int
    author_id: int
    reply_to: int | None
    visibility: str

    @property
    def aggregate(self) -> str:
        return f"post:{self.post_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited(Event):
    """The words of a post were changed; `mentioned_new` are those whom only the new ones mention."""

    post_id: int
    author_id: int
    version: int
    visibility: str
    reply_to: int | None = None
    mentioned_new: tuple[int, ...] = ()

    @property
    def aggregate(self) -> str:
        return f"post:{self.post_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostDeleted(Event):
    post_id: int
    author_id: int
    reply_to: int | None
    visibility: str = "public"

    @property
    def aggregate(self) -> str:
        return f"post:{self.post_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Liked(Event):
    post_id: int
    author_id: int
    user_id: int

    @property
    def aggregate(self) -> str:
        return f"post:{self.post_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unliked(Event):
    post_id: int
    author_id: int
    user_id: int

    @property
    def aggregate(self) -> str:
        return f"post:{self.post_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reposted(Event):
    post_id: int
    author_id: int
    user_id: int
    repost_id: int
    """Orders reposts among posts: an id of the same kind."""

    @property
    def aggregate(self) -> str:
        return f"post:{self.post_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreposted(Event):
    post_id: int
    author_id: int
    user_id: int
    repost_id: int
    """That of the repost that was taken back."""

    @property
    def aggregate(self) -> str:
        return f"post:{self.post_id}"
