"""Repair of the follow counts."""

from collections import Counter
from collections.abc import Mapping

from application.graph.ports import GraphCounters
from application.shared.retrying import with_retries
from domain.dataclasses import dataclass
from domain.shared import UserId

BATCH = 200
"""Users that are locked together. A concurrent follow of one of them waits for some milliseconds."""


@dataclass(frozen=True, slots=True)
class RepairFollowCounts:
    """Compare the stored follow counts of all users with the follows, and with `repair` correct them. Other changes can
    go on meanwhile. Returns for each counter by how much it was wrong, summed up over all users."""

    counters: GraphCounters

    async def __call__(self, *, repair: bool) -> Mapping[str, int]:
        drift = Counter({"followers": 0, "following": 0})
        above: UserId | None = UserId(0)
        while above is not None:
            batch = await with_retries(
                lambda above=above: self.counters.recount(above, BATCH, repair=repair)  # type: ignore[misc]
            )
            drift.update(batch.drift)
            above = batch.last
        return drift
