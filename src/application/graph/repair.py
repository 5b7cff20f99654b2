"""Counting followers and following anew, should they ever differ from the follows."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from application.graph.ports import GraphCounters
from application.shared.retrying import with_retries
from domain.shared import UserId

BATCH = 200
"""Users that are locked together: a follow of one of them waits for some milliseconds."""


@dataclass(frozen=True, slots=True)
class RepairCircles:
    """Compare the counts of all users with what there is to count, and with `mend` correct them, while others go
    on. Gives for each count by how much it was wrong, added up over all users."""

    counters: GraphCounters

    async def __call__(self, *, mend: bool) -> Mapping[str, int]:
        drift = Counter({"followers": 0, "following": 0})
        above: UserId | None = UserId(0)
        while above is not None:
            batch = await with_retries(lambda above=above: self.counters.recount(above, BATCH, mend=mend))  # type: ignore[misc]
            drift.update(batch.drift)
            above = batch.last
        return drift
