"""Who sees a post, in SQL."""

from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
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
from domain.posts import Standing

viewer_id = bindparam("viewer", type_=Id)


def has_row(table: Table) -> ColumnElement[bool]:
    """Whether the viewer has a row in `table` for the post. Not EXISTS: PostgreSQL may answer that for a
    page by gathering all the viewer's rows first, which no index of ours leads to."""
    mine = select(true()).where(table.c.post_id == posts.c.id, table.c.user_id == viewer_id)
    return func.coalesce(mine.scalar_subquery(), false())


def of_author(column: Column[Any]) -> ScalarSelect[Any]:
    """What is known of the author of the post: NULL for nearly all, who are open and here."""
    return select(column).where(restricted_authors.c.user_id == posts.c.author_id).scalar_subquery()


def visible() -> ColumnElement[bool]:
    """`domain.posts.can_view` in SQL, for a standing bound as `viewer`, `follows` and `blocked`.

    What is read most stands first, an open post of an open author, and costs one look at its author.
    """
    not_blocked = not_(among(posts.c.author_id, bindparam("blocked", type_=IdList)))
    return and_(
        posts.c.deleted == false(),
        or_(
            and_(
                posts.c.visibility.in_([literal_column("'public'"), literal_column("'unlisted'")]),
                not_blocked,
                not_(func.coalesce(of_author(restricted_authors.c.private), false())),
            ),
            and_(
                or_(
                    posts.c.author_id == viewer_id,
                    and_(
                        not_blocked,
                        or_(
                            and_(
                                posts.c.visibility != literal_column("'direct'"),
                                among(posts.c.author_id, bindparam("follows", type_=IdList)),
                            ),
                            has_row(mentions),
                        ),
                    ),
                ),
                of_author(restricted_authors.c.gone_at).is_(None),
            ),
        ),
    )


def standing_params(standing: Standing) -> dict[str, Any]:
    return {"viewer": standing.viewer, "follows": [*standing.follows], "blocked": [*standing.blocked]}
