"""A post as it is read: its state, its content, or both in one row.

Nothing outside of this file knows in which order the columns stand.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, func, literal_column, select

from adapters.sql.database import Database, Row
from adapters.sql.metadata import Id, IdList, among, instant
from adapters.sql.posts.flags import DECODED, FLAGS
from adapters.sql.posts.json_columns import load_cards, load_entities, load_pending
from adapters.sql.posts.row_cards import PostCards
from adapters.sql.posts.row_triggers import AUTHOR, ENGAGEMENT, POST
from adapters.sql.posts.tables import posts
from adapters.sql.statements import Prepared
from application.posts.views import PostContent, PostState, PostView
from application.shared.readings import Key, also_of, open_reading, rows_of
from application.shared.records import maker
from domain.posts import can_view
from domain.shared import PostId, UserId, ViewerContext

_REVISION_UNIT = 2**32
"""A content tag is the length of the stored entities plus so much for each change of the media: more than the entities
can be long. One column costs less than two."""
_STATE = (
    posts.c.id,
    posts.c.author_id,
    posts.c.version,
    posts.c.reply_to,
    posts.c.comments,
    posts.c.likes,
    posts.c.reposts,
    posts.c.mentioned,
    (func.length(posts.c.entities) + posts.c.media_rev * literal_column(str(_REVISION_UNIT))).label(
        "content_revision"
    ),
    FLAGS,
)
_CONTENT = (
    posts.c.text,
    posts.c.content_warning,
    posts.c.language,
    posts.c.edited_at,
    posts.c.entities,
    posts.c.media_rev,
    posts.c.media,
    posts.c.pending,
)
VIEW_COLUMNS = (*_STATE, *_CONTENT)
"""The columns that `view_in` takes. A query may select one more column after them, see `position_in`."""
_CONTENT_PART = slice(len(_STATE), len(VIEW_COLUMNS))

_among_ids = among(posts.c.id, bindparam("ids", type_=IdList))
_states = Prepared(select(*_STATE).where(_among_ids))
_contents = Prepared(select(posts.c.id, posts.c.version, *_CONTENT).where(_among_ids))
_views = Prepared(select(*VIEW_COLUMNS).where(_among_ids))
_view = Prepared(select(*VIEW_COLUMNS).where(posts.c.id == bindparam("post_id", type_=Id)))

_make_state, _make_view = maker(PostState), maker(PostView)


def state_in(row: Row) -> PostState:
    """The state in a row of `VIEW_COLUMNS`, or of those of them that make a state."""
    id_, author, version, reply_to, comments, likes, reposts, stored_mentions, content_revision, flags, *_ = (
        row
    )
    mentioned = () if stored_mentions == "[]" else tuple(json.loads(stored_mentions))
    return _make_state(
        (
            id_,
            author,
            version,
            reply_to,
            comments,
            likes,
            reposts,
            mentioned,
            *DECODED[flags],
            content_revision,
        )
    )


def _content(version: int, columns: Row) -> PostContent:
    """Given the columns of _CONTENT."""
    (
        text,
        warning,
        language,
        stored_edited_at,
        stored_entities,
        media_revision,
        stored_media,
        stored_pending,
    ) = columns
    tag = len(stored_entities) + media_revision * _REVISION_UNIT
    edited_at = None if stored_edited_at is None else instant(stored_edited_at)
    entities = load_entities(stored_entities)
    if stored_media is None:
        return PostContent(version, tag, text, warning, language, edited_at, entities)
    pending = load_pending(stored_pending)
    return PostContent(
        version,
        tag,
        text,
        warning,
        language,
        edited_at,
        entities,
        load_cards(stored_media),
        pending and pending.visibility,
    )


def view_in(row: Row) -> PostView:
    """The view in a row of `VIEW_COLUMNS`, of a post that the reader may see."""
    return _join(state_in(row), row)


def position_in(row: Row) -> int:
    """The column that was selected after `VIEW_COLUMNS`: where the post stands in its list."""
    position: int = row[len(VIEW_COLUMNS)]
    return position


def _join(state: PostState, row: Row) -> PostView:
    return _make_view((state, _content(state.version, row[_CONTENT_PART])))


def _keys(ids: Collection[PostId], viewer: UserId | None) -> Iterator[Key]:
    """The keys of states, besides those of their authors."""
    for post in ids:
        yield POST, post
        if viewer is not None:
            yield ENGAGEMENT, post, viewer


def record_shown(rows: Iterable[Row], viewer: UserId | None) -> None:
    """For a query whose `rows_of` covers the choice of the rows, but not what they show."""
    states = [*map(state_in, rows)]
    also_of(_keys([state.id for state in states], viewer))
    also_of((AUTHOR, state.author) for state in states)


async def read_view(database: Database, post_id: PostId, viewer_context: ViewerContext) -> PostView | None:
    """The post, if `viewer_context` may see it. That is decided here and not in SQL: the thousands of accounts that a
    viewer may follow are too many to bind for one post."""
    with rows_of(_keys([post_id], viewer_context.viewer)):
        rows = await database.fetch(_view, post_id=post_id, viewer=viewer_context.viewer)
    for row in rows:
        state = state_in(row)
        also_of([(AUTHOR, state.author)])
        if can_view(state, viewer_context):
            return _join(state, row)
    return None


async def read_views(
    database: Database, ids: Collection[PostId], viewer_context: ViewerContext
) -> dict[PostId, PostView]:
    """As `read_view`, by the ids of the posts."""
    with rows_of(_keys(ids, viewer_context.viewer)):
        rows = await database.fetch(_views, ids=[*ids], viewer=viewer_context.viewer)
    states = [(state_in(row), row) for row in rows]
    also_of((AUTHOR, state.author) for state, _ in states)
    return {state.id: _join(state, row) for state, row in states if can_view(state, viewer_context)}


@dataclass(frozen=True, slots=True)
class SqlPostParts:
    database: Database
    cards: PostCards

    async def states(self, ids: Collection[PostId], viewer: UserId | None) -> Sequence[PostState]:
        if (reading := open_reading()) is None:
            return await self._states(ids, viewer)
        states, missing = self.cards.states(ids, viewer)
        reading.keys.update(_keys(ids, viewer))
        reading.keys.update((AUTHOR, state.author) for state in states)
        if missing:
            changes = self.cards.changes
            read = await self._states(missing, viewer)
            self.cards.keep_states(read, viewer, changes)
            states += read
        return states

    async def _states(self, ids: Collection[PostId], viewer: UserId | None) -> Sequence[PostState]:
        with rows_of(_keys(ids, viewer)):
            rows = await self.database.fetch(_states, ids=[*ids], viewer=viewer)
        states = [*map(state_in, rows)]
        also_of((AUTHOR, state.author) for state in states)
        return states

    async def contents(self, ids: Collection[PostId]) -> Mapping[PostId, PostContent]:
        with rows_of((POST, post) for post in ids):
            rows = await self.database.fetch(_contents, ids=[*ids])
        return {post_id: _content(version, columns) for post_id, version, *columns in rows}
