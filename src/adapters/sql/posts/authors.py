"""The accounts whose posts not everybody may see."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Integer, and_, bindparam, false, literal_column, select, true
from sqlalchemy.dialects import postgresql

from adapters.sql.database import Database
from adapters.sql.metadata import Id, IdList, among, now_ms
from adapters.sql.posts.tables import posts, restricted_authors
from adapters.sql.statements import Prepared
from adapters.sql.transactions import Transaction
from domain.posts import OPEN_VISIBILITIES
from domain.shared import PostId, UserId

RECENTLY = timedelta(hours=12)

_new = postgresql.insert(restricted_authors)  # SQLite has the same syntax
_set_private = _new.on_conflict_do_update(
    index_elements=[restricted_authors.c.user_id],
    set_={"private": _new.excluded.private, "version": _new.excluded.version},
    where=and_(restricted_authors.c.version < _new.excluded.version, restricted_authors.c.gone_at.is_(None)),
)
_gone = _new.values(user_id=bindparam("author", type_=Id), private=true(), version=0, gone_at=now_ms())
_set_gone = _gone.on_conflict_do_update(
    index_elements=[restricted_authors.c.user_id],
    set_={"private": true(), "gone_at": _gone.excluded.gone_at},
    where=restricted_authors.c.gone_at.is_(None),
)

_is_private = select(restricted_authors.c.private).where(
    restricted_authors.c.user_id == bindparam("author", type_=Id)
)
_comments = (
    select(posts.c.id)
    .where(
        posts.c.author_id == bindparam("author", type_=Id),
        posts.c.id < bindparam("below", type_=Id),
        posts.c.reply_to.is_not(None),
        posts.c.deleted == false(),
        posts.c.visibility.in_(
            [literal_column(f"'{visibility}'") for visibility in sorted(OPEN_VISIBILITIES)]
        ),
        posts.c.pending.is_(None),
        posts.c.withheld == bindparam("held"),
    )
    .order_by(posts.c.id.desc())
    .limit(bindparam("n", type_=Integer))
)
_recently_gone = select(restricted_authors.c.user_id).where(
    restricted_authors.c.gone_at > now_ms() - RECENTLY // timedelta(milliseconds=1)
)


@dataclass(frozen=True, slots=True)
class SqlAuthors:
    transaction: Transaction

    async def set_private(self, author: UserId, version: int, *, private: bool) -> None:
        row = {"user_id": author, "private": private, "version": version}
        await self.transaction.execute(_set_private, row)

    async def is_private(self, author: UserId) -> bool:
        return bool((await self.transaction.execute(_is_private, {"author": author})).scalar())

    async def comments(
        self, author: UserId, below: PostId, limit: int, *, withheld: bool
    ) -> Sequence[PostId]:
        params = {"author": author, "below": below, "n": limit, "held": withheld}
        return [PostId(row.id) for row in await self.transaction.execute(_comments, params)]

    async def set_deleted(self, author: UserId) -> None:
        await self.transaction.execute(_set_gone, {"author": author})

    async def recently_deleted(self) -> Sequence[UserId]:
        return [UserId(row.user_id) for row in await self.transaction.execute(_recently_gone)]


_closed = Prepared(
    select(restricted_authors.c.user_id).where(
        among(restricted_authors.c.user_id, bindparam("ids", type_=IdList)),
        restricted_authors.c.private == true(),
    )
)


@dataclass(frozen=True, slots=True)
class SqlRestrictedAuthors:
    """Finds the accounts that are private or deleted, for this and other modules."""

    database: Database

    async def restricted(self, users: Collection[UserId]) -> frozenset[UserId]:
        if not users:
            return frozenset()
        return frozenset(UserId(row[0]) for row in await self.database.fetch(_closed, ids=list(users)))
