"""Who stands how to whom, as a test says."""

from dataclasses import dataclass, field, replace

from domain.shared import Standing, UserId


@dataclass
class Graph:
    """Strangers are all of whom a test says nothing."""

    standings: dict[UserId, Standing] = field(default_factory=dict)

    async def of(self, viewer: UserId | None) -> Standing:
        return Standing() if viewer is None else self.standings.get(viewer, Standing(viewer))

    def follow(self, who: UserId, whom: UserId) -> None:
        self._change(who, follows=whom)

    def mute(self, who: UserId, whom: UserId) -> None:
        self._change(who, muted=whom)

    def block(self, who: UserId, whom: UserId) -> None:
        self._change(who, blocked=whom)
        self._change(whom, blocked=who)

    def _change(self, who: UserId, **more: UserId) -> None:
        known = self.standings.get(who, Standing(who))
        ((name, whom),) = more.items()
        self.standings[who] = replace(known, **{name: getattr(known, name) | {whom}})


STRANGERS = Graph()
"""Not for telling anything."""
