"""Engagement signals in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.memory.store import Draft, Store
from application.feeds.signals import SignalsTx
from application.feeds.trending_formula import EngagementSignal, HashtagSignal
from application.shared.ports import OpenTx
from domain.shared import PostId, UserId


@dataclass(frozen=True, slots=True)
class MemorySignals:
    rows: Draft

    async def add(self, signal: EngagementSignal) -> None:
        key = (signal.post, signal.user, signal.source)
        if self.rows.get("votes", key) is None:
            self.rows.put("votes", key, signal)

    async def remove(self, post: PostId, user: UserId, source: int) -> None:
        self.rows.delete("votes", (post, user, source))

    async def set_tags(self, post: PostId, signals: Sequence[HashtagSignal]) -> None:
        for key, signal in self.rows.items("tag_votes"):
            if signal.post == post:
                self.rows.delete("tag_votes", key)
        for signal in signals:
            self.rows.put("tag_votes", (signal.post, signal.tag), signal)

    async def delete_for_post(self, post: PostId, limit: int) -> int:
        return self._delete(lambda signal: signal.post == post, limit)

    async def delete_by_user(self, user: UserId, limit: int) -> int:
        return self._delete(lambda signal: signal.user == user, limit)

    def _delete(self, chosen: Callable[[Any], bool], limit: int) -> int:
        found = [
            (table, key)
            for table in ("votes", "tag_votes")
            for key, signal in self.rows.items(table)
            if chosen(signal)
        ][:limit]
        for table, key in found:
            self.rows.delete(table, key)
        return len(found)


def transactions(store: Store) -> OpenTx[SignalsTx]:
    return store.transactions(lambda rows: SignalsTx(MemorySignals(rows)))


@dataclass(frozen=True, slots=True)
class MemorySignalsReader:
    store: Store

    async def signals(
        self, since: int, before: EngagementSignal | None, limit: int
    ) -> Sequence[EngagementSignal]:
        found: list[EngagementSignal] = [signal for signal in self.store.all("votes") if signal.at >= since]
        return _after(
            found, before, limit, lambda signal: (signal.at, signal.post, signal.user, signal.source)
        )

    async def hashtag_signals(
        self, since: int, before: HashtagSignal | None, limit: int
    ) -> Sequence[HashtagSignal]:
        found: list[HashtagSignal] = [signal for signal in self.store.all("tag_votes") if signal.at >= since]
        return _after(found, before, limit, lambda signal: (signal.at, signal.post, signal.tag.encode()))


def _after(found: list[Any], before: Any, limit: int, place: Callable[[Any], Any]) -> Sequence[Any]:
    if before is not None:
        found = [signal for signal in found if place(signal) < place(before)]
    return sorted(found, key=place, reverse=True)[:limit]
