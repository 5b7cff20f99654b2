"""The queues in the database, as they were a moment ago."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from application.shared.deliveries import Counts
from application.shared.log import log
from entrypoints.log_events import QueueNotCounted

T = TypeVar("T")
KEPT_SECONDS = 10.0
"""A result is used for this long, so that many scrapes cost no more than one."""
TIMEOUT = 1.0
"""Seconds for all queries together; they run side by side."""
MAX_COUNTED = 100_000
"""Events, deliveries and dead letters that are counted of each: a scrape must stay cheap when they pile up."""


class Queues:
    """The state of the queues. What could not be read is None until the next attempt succeeds."""

    def __init__(
        self,
        outbox: Callable[[int], Awaitable[Mapping[str, Counts]]],
        media: Callable[[], Awaitable[int]],
        mail: Callable[[], Awaitable[int]],
        monotonic: Callable[[], float],
    ) -> None:
        self.outbox: Mapping[str, Counts] | None = None
        self.media: int | None = None
        self.mail: int | None = None
        self.errors: Counter[str] = Counter(outbox=0, media=0, mail=0)
        """Failed reads, by what was read."""
        self._outbox, self._media, self._mail, self._monotonic = outbox, media, mail, monotonic
        self._read_at: float | None = None

    async def refresh(self) -> None:
        """Read all of them, unless that was done a moment ago. Raises nothing."""
        now = self._monotonic()
        if self._read_at is not None and now - self._read_at < KEPT_SECONDS:
            return
        self._read_at = now
        self.outbox, self.media, self.mail = await asyncio.gather(
            self._get("outbox", self._outbox(MAX_COUNTED)),
            self._get("media", self._media()),
            self._get("mail", self._mail()),
        )

    async def _get(self, name: str, query: Awaitable[T]) -> T | None:
        try:
            async with asyncio.timeout(TIMEOUT):
                return await query
        except Exception as error:  # noqa: BLE001 - a scrape succeeds whatever the error is
            self.errors[name] += 1
            log(QueueNotCounted(part=name, error_type=type(error).__name__))
            return None
