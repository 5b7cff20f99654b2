"""The views of media that modules share."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from domain.dataclasses import dataclass
from domain.shared import MediaId, UserId


class RenditionCard(NamedTuple):
    name: str
    type: str
    width: int
    height: int
    bytes: int
    path: str
    """The path of the file; `RenditionAddresses` makes URLs of it."""


@dataclass(frozen=True, slots=True)
class MediaCard:
    """The view of a medium that is shown in a post."""

    id: MediaId
    state: str
    """`pending`, `processing`, `ready` or `failed`."""
    version: int
    """Increases with every change of the members below."""
    kind: str | None = None
    """`image`, `animation` or `video`; None while it is unknown."""
    reason: str | None = None
    """The reason for `failed`."""
    alt_text: str = ""
    focal_point: tuple[float, float] = (0.0, 0.0)
    blurhash: str | None = None
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    """Seconds."""
    renditions: tuple[RenditionCard, ...] = ()

    @property
    def ready(self) -> bool:
        return self.state == "ready"


class Attachable(Protocol):
    """The media that an author may attach. The media module provides them."""

    async def cards(self, owner: UserId, ids: Collection[MediaId]) -> Mapping[MediaId, MediaCard]:
        """The cards of those media that belong to the owner and are not deleted, including attached and failed ones."""
        ...


class RenditionAddresses(Protocol):
    """The URLs of renditions."""

    def permanent(self, path: str) -> str:
        """A permanent URL. It works as long as everybody may see the post."""
        ...

    def signed(self, path: str) -> str:
        """A URL that works for 4 to 5 minutes for anybody who has it. Give it only to viewers who may see the post now."""
        ...

    def until(self) -> datetime:
        """The time until which `signed` returns the same URL as now."""
        ...
