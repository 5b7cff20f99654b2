"""Votes for what is trending."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, String, Table, bindparam, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql.database import Database, Prepared
from adapters.sql.feeds.tables import tag_votes, votes
from adapters.sql.metadata import Id
from adapters.sql.outbox import insert_new
from application.feeds.ranking import TagVote, Vote
from application.feeds.votes import VotesTx
from application.shared.ports import OpenTx
from domain.shared import MAX_ID, PostId, UserId

_post, _user, _limit = (
    bindparam("p", type_=Id),
    bindparam("u", type_=Id),
    bindparam("n", type_=Integer),
)
_add = insert_new(votes)
_add_tag = insert_new(tag_votes)
_take_back = delete(votes).where(
    votes.c.post_id == _post, votes.c.user_id == _user, votes.c.source == bindparam("s", type_=Id)
)
_drop_tags = delete(tag_votes).where(tag_votes.c.post_id == _post)


def _some(table: Table, column: str, value: Any) -> Any:
    """Delete some of the rows that have the value."""
    key = tuple_(*table.primary_key)
    return delete(table).where(
        key.in_(select(*table.primary_key).where(table.c[column] == value).limit(_limit))
    )


_forget_post = [_some(table, "post_id", _post) for table in (votes, tag_votes)]
_forget_user = [_some(table, "user_id", _user) for table in (votes, tag_votes)]


@dataclass(frozen=True, slots=True)
class SqlVotes:
    connection: AsyncConnection

    async def add(self, vote: Vote) -> None:
        post, user, source, weight, at = vote
        row = {"post_id": post, "user_id": user, "source": source, "weight": weight, "at": at}
        await self.connection.execute(_add, row)

    async def take_back(self, post: PostId, user: UserId, source: int) -> None:
        await self.connection.execute(_take_back, {"p": post, "u": user, "s": source})

    async def set_tags(self, post: PostId, votes: Sequence[TagVote]) -> None:
        await self.connection.execute(_drop_tags, {"p": post})
        if votes:
            rows = [
                {"post_id": vote.post, "tag": vote.tag, "user_id": vote.user, "at": vote.at} for vote in votes
            ]
            await self.connection.execute(_add_tag, rows)

    async def forget_post(self, post: PostId, limit: int) -> int:
        return await self._forget(_forget_post, {"p": post}, limit)

    async def forget_user(self, user: UserId, limit: int) -> int:
        return await self._forget(_forget_user, {"u": user}, limit)

    async def _forget(self, statements: Sequence[Any], of: dict[str, int], limit: int) -> int:
        left = limit
        for statement in statements:
            left -= (await self.connection.execute(statement, of | {"n": left})).rowcount
        return limit - left


def transactions(database: Database) -> OpenTx[VotesTx]:
    return database.transactions(lambda connection: VotesTx(SqlVotes(connection)))


_place = (votes.c.at, votes.c.post_id, votes.c.user_id, votes.c.source)
_votes = Prepared(
    select(votes.c.post_id, votes.c.user_id, votes.c.source, votes.c.weight, votes.c.at)
    .where(
        votes.c.at >= bindparam("since", type_=Id),
        tuple_(*_place) < tuple_(*(bindparam(f"edge_{column.name}", type_=Id) for column in _place)),
    )
    .order_by(*(column.desc() for column in _place))
    .limit(_limit)
)
_tag_place = (tag_votes.c.at, tag_votes.c.post_id, tag_votes.c.tag)
_tag_votes = Prepared(
    select(tag_votes.c.tag, tag_votes.c.post_id, tag_votes.c.user_id, tag_votes.c.at)
    .where(
        tag_votes.c.at >= bindparam("since", type_=Id),
        tuple_(*_tag_place)
        < tuple_(
            bindparam("edge_at", type_=Id),
            bindparam("edge_post_id", type_=Id),
            bindparam("edge_tag", type_=String),
        ),
    )
    .order_by(*(column.desc() for column in _tag_place))
    .limit(_limit)
)


@dataclass(frozen=True, slots=True)
class SqlVotesReader:
    database: Database

    async def votes(self, since: int, before: Vote | None, limit: int) -> Sequence[Vote]:
        post, user, source, _weight, at = before or Vote(PostId(0), UserId(0), 0, 0, MAX_ID)
        edge = {"edge_at": at, "edge_post_id": post, "edge_user_id": user, "edge_source": source}
        return [Vote(*row) for row in await self.database.fetch(_votes, since=since, n=limit, **edge)]

    async def tag_votes(self, since: int, before: TagVote | None, limit: int) -> Sequence[TagVote]:
        tag, post, _user, at = before or TagVote("", PostId(0), UserId(0), MAX_ID)
        edge = {"edge_at": at, "edge_post_id": post, "edge_tag": tag}
        return [TagVote(*row) for row in await self.database.fetch(_tag_votes, since=since, n=limit, **edge)]
