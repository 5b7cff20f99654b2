"""What modules tell each other of media."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from domain.shared import MediaId, UserId


class RenditionCard(NamedTuple):
    name: str
    type: str
    width: int
    height: int
    bytes: int
    path: str
    """Of its address; see Addresses."""


@dataclass(frozen=True, slots=True)
class MediaCard:
    """What is shown of media in a post."""

    id: MediaId
    state: str
    """`pending`, `processing`, `ready` or `failed`."""
    version: int
    """Rises with every change of what follows."""
    kind: str | None = None
    """`image`, `animation` or `video`; None while it is not known."""
    reason: str | None = None
    """Why it failed."""
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
    """What posts asks: what may this author attach."""

    async def cards(self, owner: UserId, ids: Collection[MediaId]) -> Mapping[MediaId, MediaCard]:
        """Those of the media that are the owner's and not deleted, attached ones too. Failed ones too, which say so."""
        ...


class Addresses(Protocol):
    """Where renditions are served."""

    def open(self, path: str) -> str:
        """For ever the same. Good as long as the post is one that everybody may see."""
        ...

    def closed(self, path: str) -> str:
        """Good for 4 to 5 minutes, whoever has it: give it only to who may see the post now."""
        ...

    def until(self) -> datetime:
        """Before then `closed` gives the same address as now."""
        ...
