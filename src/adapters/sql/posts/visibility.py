"""The rule of visibility of a post, in SQL."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    Table,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
)

from adapters.sql.metadata import Id, IdList, among
from adapters.sql.posts.tables import mentions, posts, restricted_authors
from domain.shared import UserId, ViewerContext

viewer_id = bindparam("viewer", type_=Id)


def has_row(table: Table, of: FromClause = posts) -> ColumnElement[bool]:
    """Whether the viewer has a row in `table` for the post. Not EXISTS: PostgreSQL may plan that for a page by
    collecting all rows of the viewer first, for which there is no index."""
    mine = select(true()).where(table.c.post_id == of.c.id, table.c.user_id == viewer_id)
    return func.coalesce(mine.scalar_subquery(), false())


def of_author(column: ColumnElement[Any], of: FromClause = posts) -> ScalarSelect[Any]:
    """A column of `restricted_authors` for the author of the post: NULL for nearly all authors, who are neither private
    nor deleted."""
    return select(column).where(restricted_authors.c.user_id == of.c.author_id).scalar_subquery()


def _is_open(of: FromClause) -> ColumnElement[bool]:
    return of.c.visibility.in_([literal_column("'public'"), literal_column("'unlisted'")])


def visible(of: FromClause = posts) -> ColumnElement[bool]:
    """`domain.posts.can_view` in SQL, for a viewer context bound as `viewer`, `follows` and `blocked`.

    The most frequent case comes first: an open post of an open author takes one look-up of the author.
    """
    not_blocked = not_(among(of.c.author_id, bindparam("blocked", type_=IdList)))
    return and_(
        of.c.deleted == false(),
        or_(
            and_(
                _is_open(of),
                not_blocked,
                not_(func.coalesce(of_author(restricted_authors.c.private, of), false())),
            ),
            and_(
                or_(
                    of.c.author_id == viewer_id,
                    and_(
                        not_blocked,
                        or_(
                            and_(
                                of.c.visibility != literal_column("'direct'"),
                                among(of.c.author_id, bindparam("follows", type_=IdList)),
                            ),
                            has_row(mentions, of),
                        ),
                    ),
                ),
                of_author(restricted_authors.c.gone_at, of).is_(None),
            ),
        ),
    )


def listed(above: ColumnElement[Any], of: FromClause = posts) -> ColumnElement[bool]:
    """Whether a post is shown among the replies to `above`, as a post or as a tombstone. Without posts of authors that
    the viewer muted, bound as `muted`."""
    not_muted = not_(among(of.c.author_id, bindparam("muted", type_=IdList)))
    return and_(
        of.c.reply_to == above,
        or_(of.c.deleted == false(), of.c.answers > literal_column("0")),  # the condition of the index
        or_(and_(not_muted, visible(of)), is_tombstone(of)),
    )


def is_tombstone(of: FromClause = posts) -> ColumnElement[bool]:
    """`domain.posts.Post.shown_as_tombstone` in SQL."""
    return and_(
        of.c.deleted == true(),
        of.c.answers > literal_column("0"),
        of.c.reply_to.is_not(None),
        of.c.withheld == false(),
        _is_open(of),
    )


def viewer_params(viewer_context: ViewerContext) -> dict[str, Any]:
    return {
        "viewer": viewer_context.viewer,
        "follows": [*viewer_context.follows],
        "blocked": [*viewer_context.blocked],
        "muted": [*viewer_context.muted],
    }


def for_author(author: UserId, viewer_context: ViewerContext) -> ViewerContext:
    """The part of the viewer context that concerns one author: next to nothing for a viewer who follows thousands."""
    one = frozenset({author})
    return ViewerContext(
        viewer_context.viewer,
        viewer_context.follows & one,
        viewer_context.blocked & one,
        viewer_context.muted & one,
    )
