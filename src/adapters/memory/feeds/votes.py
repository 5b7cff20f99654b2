"""Votes for what is trending."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.memory.store import Draft, Store
from application.feeds.ranking import TagVote, Vote
from application.feeds.votes import VotesTx
from application.shared.ports import OpenTx
from domain.shared import PostId, UserId


@dataclass(frozen=True, slots=True)
class MemoryVotes:
    rows: Draft

    async def add(self, vote: Vote) -> None:
        key = (vote.post, vote.user, vote.source)
        if self.rows.get("votes", key) is None:
            self.rows.put("votes", key, vote)

    async def take_back(self, post: PostId, user: UserId, source: int) -> None:
        self.rows.delete("votes", (post, user, source))

    async def set_tags(self, post: PostId, votes: Sequence[TagVote]) -> None:
        for key, vote in self.rows.items("tag_votes"):
            if vote.post == post:
                self.rows.delete("tag_votes", key)
        for vote in votes:
            self.rows.put("tag_votes", (vote.post, vote.tag), vote)

    async def forget_post(self, post: PostId, limit: int) -> int:
        return self._forget(lambda vote: vote.post == post, limit)

    async def forget_user(self, user: UserId, limit: int) -> int:
        return self._forget(lambda vote: vote.user == user, limit)

    def _forget(self, chosen: Callable[[Any], bool], limit: int) -> int:
        found = [
            (table, key)
            for table in ("votes", "tag_votes")
            for key, vote in self.rows.items(table)
            if chosen(vote)
        ][:limit]
        for table, key in found:
            self.rows.delete(table, key)
        return len(found)


def transactions(store: Store) -> OpenTx[VotesTx]:
    return store.transactions(lambda rows: VotesTx(MemoryVotes(rows)))


@dataclass(frozen=True, slots=True)
class MemoryVotesReader:
    store: Store

    async def votes(self, since: int, before: Vote | None, limit: int) -> Sequence[Vote]:
        found: list[Vote] = [vote for vote in self.store.all("votes") if vote.at >= since]
        return _after(found, before, limit, lambda vote: (vote.at, vote.post, vote.user, vote.source))

    async def tag_votes(self, since: int, before: TagVote | None, limit: int) -> Sequence[TagVote]:
        found: list[TagVote] = [vote for vote in self.store.all("tag_votes") if vote.at >= since]
        return _after(found, before, limit, lambda vote: (vote.at, vote.post, vote.tag.encode()))


def _after(found: list[Any], before: Any, limit: int, place: Callable[[Any], Any]) -> Sequence[Any]:
    if before is not None:
        found = [vote for vote in found if place(vote) < place(before)]
    return sorted(found, key=place, reverse=True)[:limit]
