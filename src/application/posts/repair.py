"""Counting anew what is counted as it happens, should the two ever differ."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from application.posts.ports import Counters
from application.shared.retrying import with_retries
from domain.shared import MAX_ID, PostId

BATCH = 200
"""Posts that are locked together: a write to one of them waits for some milliseconds."""


@dataclass(frozen=True, slots=True)
class RepairPosts:
    """Compare the counters of all posts with what there is to count, and with `repair` correct them, while others
    go on writing. Gives for each counter by how much it was wrong, added up over all posts."""

    counters: Counters

    async def __call__(self, *, repair: bool) -> Mapping[str, int]:
        drift: Counter[str] = Counter()
        below: PostId | None = PostId(MAX_ID)
        while below is not None:
            batch = await with_retries(lambda below=below: self.counters.recount(below, BATCH, repair=repair))  # type: ignore[misc]
            drift.update(batch.drift)
            # Whether a tombstone counts depends on its own count: one that is mended changes the one above.
            if not (repair and batch.drift.get("answers")):
                below = batch.last
        return drift
