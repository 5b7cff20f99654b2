"""Posts, comments, likes and mentions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    Row,
    Select,
    String,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    false,
    func,
    insert,
    literal_column,
    not_,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql.database import Database, Prepared
from adapters.sql.idempotency import SqlIdempotency
from adapters.sql.metadata import Id, IdList, Instant, among, instant, metadata
from adapters.sql.outbox import SqlOutbox, insert_new
from application.posts.ports import PostRow, PostsTx
from application.shared.paging import Window
from application.shared.ports import NewId, OpenTx
from domain.posts import Post, PostNotFound, Standing, Visibility
from domain.shared import MAX_ID, PostId, UserId

posts = Table(
    "posts",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("author_id", Id, nullable=False),
    Column("reply_to", Id, ForeignKey("posts.id")),
    Column("text", Text, nullable=False),
    Column("visibility", String(10), nullable=False),
    Column("content_warning", Text, nullable=False),
    Column("language", String(12)),
    Column("mentioned", Text, nullable=False),  # ids as JSON, for presenting; `mentions` is for asking
    Column("edited_at", Instant),
    Column("deleted", Boolean, nullable=False),
    Column("comments", Integer, nullable=False),
    Column("likes", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    CheckConstraint("visibility IN ('public', 'unlisted', 'followers', 'direct')", name="visibility"),
    CheckConstraint("comments >= 0", name="comments"),
    CheckConstraint("likes >= 0", name="likes"),
)
Index(
    "ix_posts_by_author",
    posts.c.author_id,
    posts.c.id,
    sqlite_where=and_(posts.c.reply_to.is_(None), posts.c.deleted == false()),
    postgresql_where=and_(posts.c.reply_to.is_(None), posts.c.deleted == false()),
)
Index(
    "ix_posts_comments",
    posts.c.reply_to,
    posts.c.id,
    sqlite_where=and_(posts.c.reply_to.is_not(None), posts.c.deleted == false()),
    postgresql_where=and_(posts.c.reply_to.is_not(None), posts.c.deleted == false()),
)

mentions = Table(
    "mentions",
    metadata,
    Column("post_id", Id, ForeignKey("posts.id"), primary_key=True),
    Column("user_id", Id, primary_key=True),
    sqlite_with_rowid=False,
)

likes = Table(
    "likes",
    metadata,
    Column("post_id", Id, ForeignKey("posts.id"), primary_key=True),
    Column("user_id", Id, primary_key=True),
    Column("id", Id, nullable=False),
    sqlite_with_rowid=False,
)

_viewer = bindparam("viewer", type_=Id)


def _has_row(table: Table) -> ColumnElement[bool]:
    """Whether the viewer has a row in `table` for the post. Not EXISTS: PostgreSQL may answer that for a
    page by gathering all the viewer's rows first, which no index of ours leads to."""
    mine = select(true()).where(table.c.post_id == posts.c.id, table.c.user_id == _viewer)
    return func.coalesce(mine.scalar_subquery(), false())


def visible() -> ColumnElement[bool]:
    """`domain.posts.can_view` in SQL, for a standing bound as `viewer`, `follows` and `blocked`."""
    return and_(
        posts.c.deleted == false(),
        or_(
            posts.c.author_id == _viewer,
            and_(
                not_(among(posts.c.author_id, bindparam("blocked", type_=IdList))),
                or_(
                    posts.c.visibility.in_([literal_column("'public'"), literal_column("'unlisted'")]),
                    and_(
                        posts.c.visibility == literal_column("'followers'"),
                        among(posts.c.author_id, bindparam("follows", type_=IdList)),
                    ),
                    _has_row(mentions),
                ),
            ),
        ),
    )


def _standing(standing: Standing) -> dict[str, Any]:
    return {"viewer": standing.viewer, "follows": [*standing.follows], "blocked": [*standing.blocked]}


_liked = _has_row(likes).label("liked")
_READ = select(
    posts.c.id,
    posts.c.author_id,
    posts.c.text,
    posts.c.visibility,
    posts.c.content_warning,
    posts.c.language,
    posts.c.reply_to,
    posts.c.edited_at,
    posts.c.version,
    posts.c.comments,
    posts.c.likes,
    posts.c.mentioned,
    _liked,
).where(visible())


class _Keyset:
    """A list that can be read from an edge in both directions."""

    def __init__(self, query: Select[Any], *, newest_first: bool) -> None:
        edge, limit = bindparam("edge", type_=Id), bindparam("n", type_=Integer)
        self._newest_first = newest_first
        self._falling = Prepared(query.where(posts.c.id < edge).order_by(posts.c.id.desc()).limit(limit))
        self._rising = Prepared(query.where(posts.c.id > edge).order_by(posts.c.id).limit(limit))

    async def rows(self, database: Database, window: Window, params: dict[str, Any]) -> Sequence[PostRow]:
        falling = self._newest_first != window.back
        edge = window.edge if window.edge is not None else MAX_ID if falling else 0
        statement = self._falling if falling else self._rising
        rows = await database.fetch(statement, edge=edge, n=window.limit + 1, **params)
        read = [_read(row) for row in rows]
        return read[::-1] if window.back else read


_one = Prepared(_READ.where(posts.c.id == bindparam("post_id", type_=Id)))
_by_author = _Keyset(
    _READ.where(posts.c.author_id == bindparam("author", type_=Id), posts.c.reply_to.is_(None)),
    newest_first=True,
)
_comments = _Keyset(_READ.where(posts.c.reply_to == bindparam("post_id", type_=Id)), newest_first=False)
_row_for_update = (
    select(posts).where(posts.c.id == bindparam("post_id", type_=Id)).with_for_update(key_share=True)
)
_post_id = bindparam("which", type_=Id)
_change = bindparam("change", type_=Integer)
_count_comments = update(posts).where(posts.c.id == _post_id).values(comments=posts.c.comments + _change)
_count_likes = update(posts).where(posts.c.id == _post_id).values(likes=posts.c.likes + _change)
_add = insert(posts)
_mention = insert(mentions)
_like = insert_new(likes)
_unlike = delete(likes).where(
    likes.c.post_id == bindparam("p", type_=Id), likes.c.user_id == bindparam("u", type_=Id)
)
_save = (
    update(posts)
    .where(posts.c.id == _post_id)
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in (
                "text",
                "content_warning",
                "language",
                "mentioned",
                "edited_at",
                "deleted",
                "version",
            )
        }
    )
)


@dataclass(frozen=True, slots=True)
class SqlPosts:
    connection: AsyncConnection

    async def add(self, post: Post) -> None:
        await self.connection.execute(
            _add,
            _changing(post)
            | {
                "id": post.id,
                "author_id": post.author,
                "reply_to": post.reply_to,
                "visibility": post.visibility.value,
                "comments": post.comments,
                "likes": post.likes,
            },
        )
        await self._mention(post)

    async def _mention(self, post: Post) -> None:
        if post.mentioned:
            rows = [{"post_id": post.id, "user_id": user_id} for user_id in post.mentioned]
            await self.connection.execute(_mention, rows)

    async def get(self, post_id: PostId) -> Post:
        row = (await self.connection.execute(_row_for_update, {"post_id": post_id})).first()
        if row is None:
            raise PostNotFound("no such post")
        return _post(row)

    async def save(self, post: Post) -> None:
        new = {f"new_{name}": value for name, value in _changing(post).items()}
        await self.connection.execute(_save, {"which": post.id, **new})
        await self.connection.execute(delete(mentions).where(mentions.c.post_id == post.id))
        await self._mention(post)

    async def count_comments(self, post_id: PostId, change: int) -> None:
        await self.connection.execute(_count_comments, {"which": post_id, "change": change})

    async def like(self, post_id: PostId, user_id: UserId, like_id: int) -> bool:
        row = {"post_id": post_id, "user_id": user_id, "id": like_id}
        if not (await self.connection.execute(_like, row)).rowcount:
            return False
        await self.connection.execute(_count_likes, {"which": post_id, "change": 1})
        return True

    async def unlike(self, post_id: PostId, user_id: UserId) -> bool:
        if not (await self.connection.execute(_unlike, {"p": post_id, "u": user_id})).rowcount:
            return False
        await self.connection.execute(_count_likes, {"which": post_id, "change": -1})
        return True


@dataclass(frozen=True, slots=True)
class SqlPostsReader:
    database: Database

    async def post(self, post_id: PostId, standing: Standing) -> PostRow | None:
        rows = await self.database.fetch(_one, post_id=post_id, **_standing(standing))
        return _read(rows[0]) if rows else None

    async def by_author(self, author: UserId, window: Window, standing: Standing) -> Sequence[PostRow]:
        return await _by_author.rows(self.database, window, {"author": author, **_standing(standing)})

    async def comments(self, post_id: PostId, window: Window, standing: Standing) -> Sequence[PostRow]:
        return await _comments.rows(self.database, window, {"post_id": post_id, **_standing(standing)})


def transactions(database: Database, new_id: NewId) -> OpenTx[PostsTx]:
    return database.transactions(
        lambda connection: PostsTx(
            SqlPosts(connection), SqlOutbox(connection, new_id), SqlIdempotency(connection)
        )
    )


def _changing(post: Post) -> dict[str, Any]:
    return {
        "text": post.text,
        "content_warning": post.content_warning,
        "language": post.language,
        "mentioned": json.dumps(sorted(post.mentioned)),
        "edited_at": post.edited_at,
        "deleted": post.deleted,
        "version": post.version,
    }


def _post(row: Row[Any]) -> Post:
    return Post(
        id=PostId(row.id),
        author=UserId(row.author_id),
        text=row.text,
        visibility=Visibility(row.visibility),
        content_warning=row.content_warning,
        language=row.language,
        reply_to=row.reply_to,
        mentioned=frozenset(json.loads(row.mentioned)),
        edited_at=row.edited_at,
        deleted=row.deleted,
        comments=row.comments,
        likes=row.likes,
        version=row.version,
    )


_VISIBILITY = {visibility.value: visibility for visibility in Visibility}


def _read(row: Sequence[Any]) -> PostRow:
    (
        id_,
        author,
        text,
        visibility,
        warning,
        language,
        reply_to,
        edited,
        version,
        comments,
        liked_by,
        named,
        liked,
    ) = row
    return PostRow(
        id_,
        author,
        text,
        _VISIBILITY[visibility],
        warning,
        language,
        reply_to,
        None if edited is None else instant(edited),
        version,
        comments,
        liked_by,
        () if named == "[]" else tuple(json.loads(named)),
        bool(liked),
    )
