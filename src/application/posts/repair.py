"""Recounting the counters that are kept up to date one by one, in case they drift."""

from collections import Counter
from collections.abc import Mapping

from application.posts.ports import Counters
from application.shared.retrying import with_retries
from domain.dataclasses import dataclass
from domain.shared import MAX_ID, PostId

BATCH = 200
"""Posts that are locked together. A write to one of them waits for a few milliseconds."""


@dataclass(frozen=True, slots=True)
class RepairPosts:
    """Recount the counters of all posts, and with `repair` correct them, while others go on writing. Returns for each
    counter the sum of the differences over all posts."""

    counters: Counters

    async def __call__(self, *, repair: bool) -> Mapping[str, int]:
        drift: Counter[str] = Counter()
        below: PostId | None = PostId(MAX_ID)
        while below is not None:
            batch = await with_retries(lambda below=below: self.counters.recount(below, BATCH, repair=repair))  # type: ignore[misc]
            drift.update(batch.drift)
            # A tombstone counts only if its own count is not 0, so a repaired count can change the post above: repeat.
            if not (repair and batch.drift.get("replies")):
                below = batch.last
        return drift
