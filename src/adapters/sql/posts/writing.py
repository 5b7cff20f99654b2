"""Writing posts, within a transaction."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    Integer,
    Row,
    bindparam,
    delete,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from adapters.sql.database import Database
from adapters.sql.idempotency import SqlIdempotency
from adapters.sql.metadata import Id
from adapters.sql.outbox import SqlOutbox, insert_new
from adapters.sql.posts import tables
from adapters.sql.posts.authors import SqlAuthors
from adapters.sql.posts.engagements import SqlEngagements
from adapters.sql.posts.erasure import SqlErasureStore
from adapters.sql.posts.json_columns import (
    dump_cards,
    dump_entities,
    dump_pending,
    load_cards,
    load_entities,
    load_pending,
)
from adapters.sql.posts.tables import mentions, post_edits, posts, restricted_authors
from adapters.sql.posts.visibility import of_author
from adapters.sql.transactions import Transaction
from application.posts.ports import PostsTx
from application.shared.attachments import MediaCard
from application.shared.ports import NewId, OpenTx
from domain.posts import AuthorState, MediaTaken, Post, PostNotFound, Visibility, hashtags, mentioned
from domain.posts.searching import searchable, tag_key
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
_count_replies = (
    update(posts)
    .where(posts.c.id == _post_id)
    .values(
        comments=posts.c.comments + bindparam("more_comments", type_=Integer),
        answers=posts.c.answers + bindparam("more_replies", type_=Integer),
    )
)
_unindex = delete(tables.post_words).where(tables.post_words.c.post_id == _post_id)
_add = insert(posts)
_mention = insert(mentions)
_tag = insert(tables.hashtags)
_index = postgresql.insert(tables.post_words)  # SQLite has the same syntax
_index = _index.on_conflict_do_update(index_elements=["post_id"], set_={"words": _index.excluded.words})
_add_version_mention = insert_new(tables.version_mentions)
_archive = insert(post_edits)
_original = (
    select(post_edits)
    .where(post_edits.c.post_id == bindparam("p", type_=Id))
    .order_by(post_edits.c.version)
    .limit(literal_column("1"))
)
_versions = select(post_edits.c.mentioned, post_edits.c.entities).where(post_edits.c.post_id == _post_id)
_remove_version = delete(post_edits).where(
    post_edits.c.post_id == _post_id, post_edits.c.version == bindparam("v", type_=Integer)
)
_remove_version_mentions = delete(tables.version_mentions).where(
    tables.version_mentions.c.post_id == _post_id,
    tables.version_mentions.c.user_id.not_in(bindparam("named", type_=Id, expanding=True)),
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
                "entities",
                "edited_at",
                "deleted",
                "pin",
                "version",
                "pending",
                "withheld",
            )
        }
    )
)
_attach = insert_new(tables.post_media)
_cards = select(posts.c.media).where(posts.c.id == _post_id)
_update_media = (
    update(posts)
    .where(posts.c.id == _post_id)
    .values(
        {name: bindparam(f"new_{name}") for name in ("media", "visibility", "mentioned", "pending")}
        | {"media_rev": posts.c.media_rev + literal_column("1")}
    )
)
_remove_mentions, _remove_tags, *_remove_of_versions = (
    delete(table).where(table.c.post_id == _post_id)
    for table in (mentions, tables.hashtags, post_edits, tables.version_mentions, tables.post_media)
)
_remove_versions = (
    update(posts)
    .where(posts.c.id == _post_id)
    .values(media=None, media_rev=posts.c.media_rev + literal_column("1")),
    *_remove_of_versions,
)


@dataclass(frozen=True, slots=True)
class SqlPosts:
    transaction: Transaction

    async def add(self, post: Post) -> None:
        await self.transaction.execute(
            _add,
            _changing(post)
            | {
                "id": post.id,
                "author_id": post.author,
                "reply_to": post.reply_to,
                "visibility": post.visibility.value,
                "comments": post.comments,
                "answers": post.replies,
                "likes": post.likes,
                "reposts": post.reposts,
            },
        )
        await self._store_names(post)
        await self._index(post)

    async def _index(self, post: Post) -> None:
        """Index the search terms of the post, or remove it from the index if it has none."""
        if words := searchable(post):
            await self.transaction.execute(_index, {"post_id": post.id, "words": words})
        else:
            await self.transaction.execute(_unindex, {"which": post.id})

    async def _store_names(self, post: Post) -> None:
        """Store the mentions and hashtags of the post, by which it is found."""
        if post.mentioned:
            rows = [{"post_id": post.id, "user_id": user_id} for user_id in post.mentioned]
            await self.transaction.execute(_mention, rows)
        if tags := hashtags(post.entities):
            tagged = [{"tag": tag, "post_id": post.id, "search_key": tag_key(tag)} for tag in tags]
            await self.transaction.execute(_tag, tagged)
        await self._store_version_mentions(post, post.named - post.mentioned)

    async def _store_version_mentions(self, post: Post, people: frozenset[UserId]) -> None:
        if people:
            rows = [{"post_id": post.id, "user_id": user_id} for user_id in people]
            await self.transaction.execute(_add_version_mention, rows)

    async def get(self, post_id: PostId) -> Post:
        row = (await self.transaction.execute(_row_for_update, {"post_id": post_id})).first()
        if row is None:
            raise PostNotFound("no such post")
        return _post(row)

    async def save(self, post: Post) -> None:
        new = {f"new_{name}": value for name, value in _changing(post).items()}
        await self.transaction.execute(_save, {"which": post.id, **new})
        if post.deleted:
            for remove in _remove_versions:
                await self.transaction.execute(remove, {"which": post.id})
        await self.transaction.execute(_remove_mentions, {"which": post.id})
        await self.transaction.execute(_remove_tags, {"which": post.id})
        await self._store_names(post)
        await self._index(post)

    async def archive_version(self, post: Post) -> None:
        row = {name: value for name, value in _changing(post).items() if name in post_edits.c}
        created_at = post.edited_at or post.created_at
        await self.transaction.execute(_archive, row | {"post_id": post.id, "created_at": created_at})
        await self._store_version_mentions(post, post.named | post.mentioned)

    async def remove_version(self, post: Post, version: int) -> None:
        await self.transaction.execute(_remove_version, {"which": post.id, "v": version})
        named = post.named
        for row in await self.transaction.execute(_versions, {"which": post.id}):
            named |= mentioned(load_entities(row.entities)) | frozenset(json.loads(row.mentioned))
        await self.transaction.execute(_remove_version_mentions, {"which": post.id, "named": sorted(named)})

    async def original(self, post: Post) -> Post:
        row = (await self.transaction.execute(_original, {"p": post.id})).first()
        return post if row is None else replace(post, **_content(row), edited_at=None, version=row.version)

    async def attach(self, post: Post, cards: Sequence[MediaCard]) -> None:
        for card in cards:  # one by one, to learn for each whether another post has it
            taken = await self.transaction.execute(_attach, {"media_id": card.id, "post_id": post.id})
            if not taken.rowcount:
                raise MediaTaken("this media belongs to another post")
        await self.transaction.execute(_update_media, _media_params(post, cards))

    async def cards(self, post_id: PostId) -> Sequence[MediaCard]:
        row = (await self.transaction.execute(_cards, {"which": post_id})).first()
        return [*load_cards(row.media)] if row is not None else []

    async def update_media(self, post: Post, cards: Sequence[MediaCard]) -> None:
        await self.transaction.execute(_update_media, _media_params(post, cards))
        await self.transaction.execute(_remove_mentions, {"which": post.id})
        if post.mentioned:
            rows = [{"post_id": post.id, "user_id": user_id} for user_id in post.mentioned]
            await self.transaction.execute(_mention, rows)

    async def count_replies(self, post_id: PostId, *, comments: int, replies: int) -> None:
        more = {"which": post_id, "more_comments": comments, "more_replies": replies}
        await self.transaction.execute(_count_replies, more)


def transactions(database: Database, new_id: NewId) -> OpenTx[PostsTx]:
    return database.transactions(
        lambda transaction: PostsTx(
            SqlPosts(transaction),
            SqlEngagements(transaction),
            SqlOutbox(transaction, new_id),
            SqlIdempotency(transaction),
            SqlAuthors(transaction),
            SqlErasureStore(transaction),
        )
    )


def _media_params(post: Post, cards: Sequence[MediaCard]) -> dict[str, Any]:
    return {
        "which": post.id,
        "new_media": dump_cards(cards),
        "new_visibility": post.visibility.value,
        "new_mentioned": json.dumps(sorted(post.mentioned)),
        "new_pending": dump_pending(post.pending),
    }


def _changing(post: Post) -> dict[str, Any]:
    return {
        "text": post.text,
        "content_warning": post.content_warning,
        "language": post.language,
        "mentioned": json.dumps(sorted(post.mentioned)),
        "entities": dump_entities(post.entities),
        "edited_at": post.edited_at,
        "deleted": post.deleted,
        "pin": post.pin,
        "version": post.version,
        "pending": dump_pending(post.pending),
        "withheld": post.withheld,
    }


def _post(row: Row[Any]) -> Post:
    return Post(
        id=PostId(row.id),
        author=UserId(row.author_id),
        visibility=Visibility(row.visibility),
        reply_to=row.reply_to,
        **_content(row),
        edited_at=row.edited_at,
        deleted=row.deleted,
        comments=row.comments,
        replies=row.answers,
        likes=row.likes,
        reposts=row.reposts,
        pin=row.pin,
        version=row.version,
        media=tuple(card.id for card in load_cards(row.media)),
        pending=load_pending(row.pending),
        withheld=row.withheld,
        author_state=_author_state(row),
    )


def _author_state(row: Row[Any]) -> AuthorState:
    if row.gone_at is not None:
        return AuthorState.DELETED
    return AuthorState.PRIVATE if row.private else AuthorState.PUBLIC


def _content(row: Row[Any]) -> dict[str, Any]:
    return {
        "text": row.text,
        "content_warning": row.content_warning,
        "language": row.language,
        "mentioned": frozenset(json.loads(row.mentioned)),
        "entities": load_entities(row.entities),
    }
