"""The rules of a feed that mixes authors. They are applied at every read."""

from collections.abc import Collection, Iterator

from domain.dataclasses import dataclass
from domain.shared import UserId, ViewerContext


@dataclass(frozen=True, slots=True)
class HomeSources(Collection[UserId]):
    """The accounts whose posts and reposts appear in a reader's home feed: those that the reader follows and has not
    muted, and the reader."""

    viewer_context: ViewerContext

    def __contains__(self, user: object) -> bool:
        of = self.viewer_context
        return (user in of.follows and user not in of.muted) or user == of.viewer

    def __iter__(self) -> Iterator[UserId]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> frozenset[UserId]:
        of = self.viewer_context
        own = frozenset() if of.viewer is None else frozenset({of.viewer})
        return (of.follows - of.muted if of.muted else of.follows) | own


def appears_as_published(author: UserId, sources: Collection[UserId], *, is_comment: bool) -> bool:
    """Whether the post appears in the feed as published by its author. Nothing precedes publication, so the post then
    has this one entry and no other. Every other post appears by the oldest repost of a source."""
    return not is_comment and author in sources
