"""Who stands how to whom, as a test says."""

from dataclasses import dataclass, field, replace

from domain.shared import UserId, ViewerContext


@dataclass
class Graph:
    """Strangers are all of whom a test says nothing."""

    viewer_contexts: dict[UserId, ViewerContext] = field(default_factory=dict)

    async def of(self, viewer: UserId | None) -> ViewerContext:
        return ViewerContext() if viewer is None else self.viewer_contexts.get(viewer, ViewerContext(viewer))

    def follow(self, who: UserId, whom: UserId) -> None:
        self._change(who, follows=whom)

    def mute(self, who: UserId, whom: UserId) -> None:
        self._change(who, muted=whom)

    def block(self, who: UserId, whom: UserId) -> None:
        self._change(who, blocked=whom)
        self._change(whom, blocked=who)

    def _change(self, who: UserId, **more: UserId) -> None:
        known = self.viewer_contexts.get(who, ViewerContext(who))
        ((name, whom),) = more.items()
        self.viewer_contexts[who] = replace(known, **{name: getattr(known, name) | {whom}})


STRANGERS = Graph()
"""Not for telling anything."""
