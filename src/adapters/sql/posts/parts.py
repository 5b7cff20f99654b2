"""A post as it is read: its state, its words, or both in one row."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, func, literal_column, select

from adapters.sql.database import Database, Prepared, Row
from adapters.sql.metadata import Id, IdList, among, instant
from adapters.sql.posts.attachments import load_becoming, load_cards
from adapters.sql.posts.entities import load_entities
from adapters.sql.posts.facts import FACTS, MEANT
from adapters.sql.posts.tables import posts
from application.posts.rows import Body, PostRow, State, joined
from application.shared.records import maker
from domain.posts import can_view
from domain.shared import PostId, UserId, ViewerContext

_REV = 2**32
"""What a change of the media adds to the size of a body: more than entities can."""
_STATE = (
    posts.c.id,
    posts.c.author_id,
    posts.c.version,
    posts.c.reply_to,
    posts.c.comments,
    posts.c.likes,
    posts.c.reposts,
    posts.c.mentioned,
    (func.length(posts.c.entities) + posts.c.media_rev * literal_column(str(_REV))).label("size"),
    FACTS,
)
_BODY = (
    posts.c.text,
    posts.c.content_warning,
    posts.c.language,
    posts.c.edited_at,
    posts.c.entities,
    posts.c.media_rev,
    posts.c.media,
    posts.c.becoming,
)
COLUMNS = (*_STATE, *_BODY)
"""What `read` takes."""

_among_ids = among(posts.c.id, bindparam("ids", type_=IdList))
_states = Prepared(select(*_STATE).where(_among_ids))
_bodies = Prepared(select(posts.c.id, posts.c.version, *_BODY).where(_among_ids))
_whole = Prepared(select(*COLUMNS).where(_among_ids))
_one = Prepared(select(*COLUMNS).where(posts.c.id == bindparam("post_id", type_=Id)))

_make_state = maker(State)


def state_of(row: Row) -> State:
    id_, author, version, reply_to, comments, likes_, reposts_, named, size, facts, *_ = row
    mentioned = () if named == "[]" else tuple(json.loads(named))
    return _make_state(
        (id_, author, version, reply_to, comments, likes_, reposts_, mentioned, *MEANT[facts], size)
    )


def _body_of(version: int, words: Row) -> Body:
    """Given the row of _BODY."""
    text, warning, language, edited_at, entities, rev, media, becoming = words
    at = None if edited_at is None else instant(edited_at)
    size = len(entities) + rev * _REV
    if media is None:
        return Body(version, size, text, warning, language, at, load_entities(entities))
    will_be = load_becoming(becoming)
    named = load_entities(entities)
    return Body(
        version, size, text, warning, language, at, named, load_cards(media), will_be and will_be.visibility
    )


def read(row: Row) -> PostRow:
    """The row of COLUMNS, of a post that its reader may see."""
    return _read(state_of(row), row)


def _read(state: State, row: Row) -> PostRow:
    return joined(state, _body_of(state.version, row[len(_STATE) :]))


async def one(database: Database, post_id: PostId, viewer_context: ViewerContext) -> PostRow | None:
    """The post, if `viewer_context` may see it: decided here, since all that a standing holds is much to send along."""
    for row in await database.fetch(_one, post_id=post_id, viewer=viewer_context.viewer):
        state = state_of(row)
        if can_view(state, viewer_context):
            return _read(state, row)
    return None


async def some(
    database: Database, ids: Collection[PostId], viewer_context: ViewerContext
) -> dict[PostId, PostRow]:
    """As `one`."""
    rows = await database.fetch(_whole, ids=[*ids], viewer=viewer_context.viewer)
    states = [(state_of(row), row) for row in rows]
    return {state.id: _read(state, row) for state, row in states if can_view(state, viewer_context)}


@dataclass(frozen=True, slots=True)
class SqlPostParts:
    database: Database

    async def states(self, ids: Collection[PostId], viewer: UserId | None) -> Sequence[State]:
        return [*map(state_of, await self.database.fetch(_states, ids=[*ids], viewer=viewer))]

    async def bodies(self, ids: Collection[PostId]) -> Mapping[PostId, Body]:
        rows = await self.database.fetch(_bodies, ids=[*ids])
        return {row[0]: _body_of(row[1], row[2:]) for row in rows}
