"""Who sees a post, in SQL."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
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
from adapters.sql.posts.tables import mentions, posts
from domain.posts import Standing

viewer_id = bindparam("viewer", type_=Id)


def has_row(table: Table) -> ColumnElement[bool]:
    """Whether the viewer has a row in `table` for the post. Not EXISTS: PostgreSQL may answer that for a
    page by gathering all the viewer's rows first, which no index of ours leads to."""
    mine = select(true()).where(table.c.post_id == posts.c.id, table.c.user_id == viewer_id)
    return func.coalesce(mine.scalar_subquery(), false())


def visible() -> ColumnElement[bool]:
    """`domain.posts.can_view` in SQL, for a standing bound as `viewer`, `follows` and `blocked`."""
    return and_(
        posts.c.deleted == false(),
        or_(
            posts.c.author_id == viewer_id,
            and_(
                not_(among(posts.c.author_id, bindparam("blocked", type_=IdList))),
                or_(
                    posts.c.visibility.in_([literal_column("'public'"), literal_column("'unlisted'")]),
                    and_(
                        posts.c.visibility == literal_column("'followers'"),
                        among(posts.c.author_id, bindparam("follows", type_=IdList)),
                    ),
                    has_row(mentions),
                ),
            ),
        ),
    )


def standing_params(standing: Standing) -> dict[str, Any]:
    return {"viewer": standing.viewer, "follows": [*standing.follows], "blocked": [*standing.blocked]}
