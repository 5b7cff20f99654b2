"""What is so of a post, or is not, as one number.

Each column of a row costs as much as the look-up of the row in its index. Here seven are one, and what that means
is found in a table.
"""

from sqlalchemy import ColumnElement, Table, case, func, literal_column, select

from adapters.sql.posts.tables import bookmarks, likes, posts, reposts, restricted_authors
from adapters.sql.posts.visibility import of_author, viewer_id
from domain.posts import AuthorState, Visibility

_VISIBILITIES = tuple(Visibility)
_PRIVATE, _GONE, _DELETED, _PINNED, _LIKED, _REPOSTED, _BOOKMARKED = (
    len(_VISIBILITIES) << fact for fact in range(7)
)
"""What each fact adds to the number of the visibility."""


def _number(value: int) -> ColumnElement[int]:
    return literal_column(str(value))


_NONE = _number(0)


def _left(table: Table, worth: int) -> ColumnElement[int]:
    mine = select(_number(worth)).where(table.c.post_id == posts.c.id, table.c.user_id == viewer_id)
    return func.coalesce(mine.scalar_subquery(), _NONE)


def _if_any(counter: ColumnElement[int], left: ColumnElement[int]) -> ColumnElement[int]:
    """Not looked for where nobody has left such a mark, as the count says: most posts."""
    return case((counter > _NONE, left), else_=_NONE)


_author = case(
    (restricted_authors.c.gone_at.is_not(None), _number(_GONE)),
    (restricted_authors.c.private, _number(_PRIVATE)),
    else_=_NONE,
)
FACTS: ColumnElement[int] = (
    case(
        *(
            (posts.c.visibility == literal_column(f"'{visibility}'"), _number(number))
            for number, visibility in enumerate(_VISIBILITIES)
        )
    )
    + func.coalesce(of_author(_author), _NONE)
    + case((posts.c.deleted, _number(_DELETED)), else_=_NONE)
    + case((posts.c.pin.is_not(None), _number(_PINNED)), else_=_NONE)
    + _if_any(posts.c.likes, _left(likes, _LIKED))
    + _if_any(posts.c.reposts, _left(reposts, _REPOSTED))
    + _left(bookmarks, _BOOKMARKED)
).label("facts")
"""As the viewer has it who is bound as `viewer`."""


def _meant(facts: int) -> tuple[Visibility, bool, bool, bool, bool, AuthorState, bool]:
    marks = [bool(facts & mark) for mark in (_PINNED, _LIKED, _REPOSTED, _BOOKMARKED)]
    author = AuthorState.PRIVATE if facts & _PRIVATE else AuthorState.OPEN
    return (
        _VISIBILITIES[facts % len(_VISIBILITIES)],
        *marks,
        AuthorState.GONE if facts & _GONE else author,
        bool(facts & _DELETED),
    )  # type: ignore[return-value]  # four marks


MEANT = tuple(_meant(facts) for facts in range(2 * _BOOKMARKED))
"""By the number: the members of State from its visibility to whether it is deleted."""
