"""Finding and erasing what is left of a deleted account."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, Select, bindparam, delete, false, select, true, update

from adapters.sql.metadata import Id
from adapters.sql.posts.json_columns import dump_entities, load_entities
from adapters.sql.posts.purging import merge_words
from adapters.sql.posts.tables import mentions, post_edits, posts, version_mentions
from adapters.sql.transactions import Transaction
from domain.shared import PostId, UserId

_user, _limit = bindparam("u", type_=Id), bindparam("n", type_=Integer)
_alive = posts.c.deleted == false()
# Two queries, since each has an index and both together have none.
_posts_by = select(posts.c.id).where(posts.c.author_id == _user, posts.c.reply_to.is_(None), _alive)
_comments_by = select(posts.c.id).where(posts.c.author_id == _user, posts.c.reply_to.is_not(None), _alive)
_mentioning = select(mentions.c.post_id.label("id")).where(mentions.c.user_id == _user)
_naming = select(version_mentions.c.post_id.label("id")).where(version_mentions.c.user_id == _user)
_tombstones = select(posts.c.id).where(posts.c.author_id == _user, posts.c.deleted == true())
_disown = update(posts).where(posts.c.id.in_(_tombstones.limit(_limit))).values(author_id=0)

_post = bindparam("p", type_=Id)
_edits = select(post_edits.c.version, post_edits.c.mentioned, post_edits.c.entities).where(
    post_edits.c.post_id == _post
)
_edit = (
    update(post_edits)
    .where(post_edits.c.post_id == _post, post_edits.c.version == bindparam("v", type_=Integer))
    .values(mentioned=bindparam("new_mentioned"), entities=bindparam("new_entities"))
)
_forget = delete(version_mentions).where(
    version_mentions.c.post_id == _post, version_mentions.c.user_id == _user
)


@dataclass(frozen=True, slots=True)
class SqlErasureStore:
    transaction: Transaction

    async def find_posts_by(self, author: UserId, limit: int) -> Sequence[PostId]:
        # Comments first, so that an author's own replies to a post are deleted before the post.
        return await self._found(_comments_by, author, limit) or await self._found(_posts_by, author, limit)

    async def find_posts_naming(self, user: UserId, limit: int) -> Sequence[PostId]:
        return await self._found(_mentioning, user, limit) or await self._found(_naming, user, limit)

    async def remove_mentions(self, post_id: PostId, user: UserId) -> None:
        for row in (await self.transaction.execute(_edits, {"p": post_id})).all():
            mentioned = [id_ for id_ in json.loads(row.mentioned) if id_ != user]
            entities = tuple(entity for entity in load_entities(row.entities) if entity.user != user)
            new = {"new_mentioned": json.dumps(mentioned), "new_entities": dump_entities(entities)}
            await self.transaction.execute(_edit, {"p": post_id, "v": row.version, **new})
        await self.transaction.execute(_forget, {"p": post_id, "u": user})

    async def anonymize_deleted_posts(self, author: UserId, limit: int) -> int:
        return (await self.transaction.execute(_disown, {"u": author, "n": limit})).rowcount

    async def compact_index(self) -> bool:
        return self.transaction.dialect.name == "sqlite" and await merge_words(self.transaction)

    async def _found(self, query: Select[Any], user: UserId, limit: int) -> Sequence[PostId]:
        rows = await self.transaction.execute(query.limit(_limit), {"u": user, "n": limit})
        return sorted((PostId(row.id) for row in rows), reverse=True)
