"""Budgets in this process."""

from collections import OrderedDict
from collections.abc import Callable

from application.shared.limits import Decision, Rate

MAX_KEYS = 100_000
"""At most 35 MB. Each is kept only until its budget is whole again."""
_SWEEP = 2
"""Keys that are looked at for each that is added: more than one, so the whole ones go faster than new
ones come."""


class MemoryLimiter:
    """GCRA: of each budget one number is kept, the time at which it will be whole again."""

    def __init__(self, monotonic: Callable[[], float], max_keys: int = MAX_KEYS) -> None:
        self._now = monotonic
        self._max_keys = max_keys
        self._whole_at: OrderedDict[tuple[str, str], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._whole_at)

    async def take(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        name, limit, seconds = rate
        now, each = self._now(), seconds / limit
        known = self._whole_at.get((name, key), 0.0)
        owed = known - now if known > now else 0.0
        after = owed + cost * each
        if after > seconds + each * 1e-6:  # sums of floats; a millionth of a request is nobody's
            return Decision(False, int((seconds - owed) / each + 1e-6), after - seconds, owed)  # noqa: FBT003
        if known == 0.0:
            self._make_room(now)
        self._whole_at[name, key] = now + after
        # By position: this is part of every request, and names cost it a third more.
        return Decision(True, int((seconds - after) / each + 1e-6), 0.0, after)  # noqa: FBT003

    async def give_back(self, key: str, rate: Rate, cost: int = 1) -> None:
        known = self._whole_at.get((rate.name, key))
        if known is not None:
            self._whole_at[rate.name, key] = known - cost * rate.seconds / rate.limit

    async def clear(self, key: str, rate: Rate) -> None:
        self._whole_at.pop((rate.name, key), None)

    def _make_room(self, now: float) -> None:
        kept = self._whole_at
        for _ in range(min(_SWEEP, len(kept))):
            key, whole_at = kept.popitem(last=False)
            if whole_at > now:
                kept[key] = whole_at  # at the other end, to be looked at again
        while len(kept) >= self._max_keys:
            kept.popitem(last=False)


class NoLimiter:
    """For tests, which all come from one network: everything is allowed."""

    async def take(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        return Decision(allowed=True, remaining=rate.limit, retry_after=0.0, reset=0.0)

    async def give_back(self, key: str, rate: Rate, cost: int = 1) -> None:
        pass

    async def clear(self, key: str, rate: Rate) -> None:
        pass
