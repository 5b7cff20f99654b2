"""The needs of feeds, met by notifications."""

from collections.abc import Collection
from dataclasses import dataclass

from application.notifications.ports import StreamHint, StreamHints
from domain.shared import UserId


@dataclass(frozen=True, slots=True)
class StreamHomeViewers:
    """Reaches the clients that show the home feed."""

    hints: StreamHints

    async def notify_new_posts(self, readers: Collection[UserId]) -> None:
        await self.hints.send_hint(readers, StreamHint.HOME)
