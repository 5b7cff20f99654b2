"""The yes-or-no members of a post's state, read as one number.

Each column of a row costs as much as the look-up of the row in its index. So seven members are added up to one column,
and a table of all possible numbers gives the members back.
"""

from typing import NamedTuple

from sqlalchemy import ColumnElement, Table, case, func, literal_column, select

from adapters.sql.posts.tables import bookmarks, likes, posts, reposts, restricted_authors
from adapters.sql.posts.visibility import of_author, viewer_id
from domain.posts import AuthorState, Visibility


class Flags(NamedTuple):
    """The members of PostState from `visibility` to `deleted`, in its order."""

    visibility: Visibility
    pinned: bool
    liked: bool
    reposted: bool
    bookmarked: bool
    author_state: AuthorState
    deleted: bool


_VISIBILITIES = tuple(Visibility)
# The lowest bits are the number of the visibility; each of these is one bit above them.
_PRIVATE, _GONE, _DELETED, _PINNED, _LIKED, _REPOSTED, _BOOKMARKED = (
    len(_VISIBILITIES) << bit for bit in range(7)
)


def _number(value: int) -> ColumnElement[int]:
    return literal_column(str(value))


_NONE = _number(0)


def _by_viewer(table: Table, bit: int) -> ColumnElement[int]:
    own_row = select(_number(bit)).where(table.c.post_id == posts.c.id, table.c.user_id == viewer_id)
    return func.coalesce(own_row.scalar_subquery(), _NONE)


def _if_any(counter: ColumnElement[int], bit: ColumnElement[int]) -> ColumnElement[int]:
    """Most posts have a count of 0: for those the viewer's row is not looked up."""
    return case((counter > _NONE, bit), else_=_NONE)


_author = case(
    (restricted_authors.c.gone_at.is_not(None), _number(_GONE)),
    (restricted_authors.c.private, _number(_PRIVATE)),
    else_=_NONE,
)
FLAGS: ColumnElement[int] = (
    case(
        *(
            (posts.c.visibility == literal_column(f"'{visibility}'"), _number(number))
            for number, visibility in enumerate(_VISIBILITIES)
        )
    )
    + func.coalesce(of_author(_author), _NONE)
    + case((posts.c.deleted, _number(_DELETED)), else_=_NONE)
    + case((posts.c.pin.is_not(None), _number(_PINNED)), else_=_NONE)
    + _if_any(posts.c.likes, _by_viewer(likes, _LIKED))
    + _if_any(posts.c.reposts, _by_viewer(reposts, _REPOSTED))
    + _by_viewer(bookmarks, _BOOKMARKED)
).label("flags")
"""The flags of a post for the viewer bound as `viewer`."""


def _decode(number: int) -> Flags:
    author_state = AuthorState.PRIVATE if number & _PRIVATE else AuthorState.PUBLIC
    return Flags(
        visibility=_VISIBILITIES[number % len(_VISIBILITIES)],
        pinned=bool(number & _PINNED),
        liked=bool(number & _LIKED),
        reposted=bool(number & _REPOSTED),
        bookmarked=bool(number & _BOOKMARKED),
        author_state=AuthorState.DELETED if number & _GONE else author_state,
        deleted=bool(number & _DELETED),
    )


DECODED = tuple(_decode(number) for number in range(2 * _BOOKMARKED))
"""The flags by the number that `FLAGS` gives."""
