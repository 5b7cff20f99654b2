"""What stands in a feed that mixes authors: rules, asked anew whenever it is read."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from domain.shared import UserId, ViewerContext


@dataclass(frozen=True, slots=True)
class HomeSources(Collection[UserId]):
    """Whose posts and reposts come to a reader: those whom they follow and have not muted, and the reader."""

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


def came_by_author(author: UserId, sources: Collection[UserId], *, is_comment: bool) -> bool:
    """Whether a post came to the reader when it was published. Nothing precedes that, so there it stands, and nowhere
    else: a post comes once, where it first came. Any other comes by the oldest repost of a source."""
    return not is_comment and author in sources
