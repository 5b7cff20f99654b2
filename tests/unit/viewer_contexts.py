"""Viewer contexts that a test sets directly."""

from dataclasses import dataclass, field, replace

from domain.shared import UserId, ViewerContext


@dataclass
class FakeGraph:
    """Users have no relationships unless a test adds them."""

    viewer_contexts: dict[UserId, ViewerContext] = field(default_factory=dict)

    async def of(self, viewer: UserId | None) -> ViewerContext:
        return ViewerContext() if viewer is None else self.viewer_contexts.get(viewer, ViewerContext(viewer))

    def follow(self, user: UserId, other: UserId) -> None:
        self._change(user, follows=other)

    def mute(self, user: UserId, other: UserId) -> None:
        self._change(user, muted=other)

    def block(self, user: UserId, other: UserId) -> None:
        self._change(user, blocked=other)
        self._change(other, blocked=user)

    def _change(self, user: UserId, **added: UserId) -> None:
        known = self.viewer_contexts.get(user, ViewerContext(user))
        ((name, other),) = added.items()
        self.viewer_contexts[user] = replace(known, **{name: getattr(known, name) | {other}})


NO_RELATIONSHIPS = FakeGraph()
"""Shared by tests without relationships. Do not change it."""
