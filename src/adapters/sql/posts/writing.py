"""Writing posts, within a transaction."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Integer,
    Row,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql.database import Database
from adapters.sql.idempotency import SqlIdempotency
from adapters.sql.metadata import Id
from adapters.sql.outbox import SqlOutbox
from adapters.sql.posts.authors import SqlAuthors
from adapters.sql.posts.marks import SqlMarks
from adapters.sql.posts.tables import mentions, posts, restricted_authors
from adapters.sql.posts.traces import SqlTraces
from adapters.sql.posts.visibility import of_author
from application.posts.ports import PostsTx
from application.shared.ports import NewId, OpenTx
from domain.posts import AuthorState, Post, PostNotFound, Visibility
from domain.shared import PostId, UserId

_row_for_update = (
    select(
        posts,
        of_author(restricted_authors.c.private).label("private"),
        of_author(restricted_authors.c.gone_at).label("gone_at"),
    )
    .where(posts.c.id == bindparam("post_id", type_=Id))
    .with_for_update(key_share=True, of=posts)
)
_post_id = bindparam("which", type_=Id)
_change = bindparam("change", type_=Integer)
_count_comments = update(posts).where(posts.c.id == _post_id).values(comments=posts.c.comments + _change)
_add = insert(posts)
_mention = insert(mentions)
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
                "pin",
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
                "reposts": post.reposts,
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


def transactions(database: Database, new_id: NewId) -> OpenTx[PostsTx]:
    return database.transactions(
        lambda connection: PostsTx(
            SqlPosts(connection),
            SqlMarks(connection),
            SqlOutbox(connection, new_id),
            SqlIdempotency(connection),
            SqlAuthors(connection),
            SqlTraces(connection),
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
        "pin": post.pin,
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
        reposts=row.reposts,
        pin=row.pin,
        version=row.version,
        author_state=_author_state(row),
    )


def _author_state(row: Row[Any]) -> AuthorState:
    if row.gone_at is not None:
        return AuthorState.GONE
    return AuthorState.PRIVATE if row.private else AuthorState.OPEN
