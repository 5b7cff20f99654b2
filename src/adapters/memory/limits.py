"""Rate limits in the memory of this process."""

from collections import OrderedDict
from collections.abc import Callable

from application.shared.limits import Decision, Rate

MAX_KEYS = 100_000
"""At most 35 MB. A key is kept only until its budget is full again."""
_SWEEP = 2
"""Keys that are checked for each added key: more than one, so that full budgets are removed faster than new ones are
added."""


class MemoryLimiter:
    """GCRA: one number per budget, the time at which it is full again."""

    def __init__(self, monotonic: Callable[[], float], max_keys: int = MAX_KEYS) -> None:
        self._now = monotonic
        self._max_keys = max_keys
        self._full_at: OrderedDict[tuple[str, str], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    async def take(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        return self.take_now(key, rate, cost)

    def take_now(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        name, limit, seconds = rate
        now, each = self._now(), seconds / limit
        known = self._full_at.get((name, key), 0.0)
        owed = known - now if known > now else 0.0
        after = owed + cost * each
        if after > seconds + each * 1e-6:  # tolerate rounding errors up to a millionth of a request
            return Decision(False, int((seconds - owed) / each + 1e-6), after - seconds, owed)  # noqa: FBT003
        if known == 0.0:
            self._make_room(now)
        self._full_at[name, key] = now + after
        # Positional arguments: this runs in every request, and keyword arguments cost a third more.
        return Decision(True, int((seconds - after) / each + 1e-6), 0.0, after)  # noqa: FBT003

    async def refund(self, key: str, rate: Rate, cost: int = 1) -> None:
        known = self._full_at.get((rate.name, key))
        if known is not None:
            self._full_at[rate.name, key] = known - cost * rate.seconds / rate.limit

    async def clear(self, key: str, rate: Rate) -> None:
        self._full_at.pop((rate.name, key), None)

    def _make_room(self, now: float) -> None:
        kept = self._full_at
        for _ in range(min(_SWEEP, len(kept))):
            key, full_at = kept.popitem(last=False)
            if full_at > now:
                kept[key] = full_at  # at the end, to be checked again later
        while len(kept) >= self._max_keys:
            kept.popitem(last=False)


class NoLimiter:
    """For tests, which all come from one network: allows everything."""

    async def take(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        return self.take_now(key, rate, cost)

    def take_now(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        return Decision(allowed=True, remaining=rate.limit, retry_after=0.0, reset=0.0)

    async def refund(self, key: str, rate: Rate, cost: int = 1) -> None:
        pass

    async def clear(self, key: str, rate: Rate) -> None:
        pass
