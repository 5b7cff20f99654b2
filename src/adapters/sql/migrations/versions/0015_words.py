"""Hashtags that are searched without accents, new rules for hashtags and words, and longer language tags.

Everything that was indexed by the older rules is indexed again, in the transaction of the migration: if it is cut off,
the next start begins it anew.
"""

import sqlalchemy as sa
from alembic import op

from adapters.sql.identity.indexing import index_names_again
from adapters.sql.posts.indexing import index_posts_again

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in ("posts", "post_edits"):  # on SQLite a length means nothing
            op.alter_column(table, "language", type_=sa.String(35))
    key = sa.String(201).with_variant(sa.String(201, collation="C"), "postgresql")
    op.add_column("hashtags", sa.Column("search_key", key, nullable=False, server_default=sa.text("''")))
    index_posts_again(op.get_bind())
    index_names_again(op.get_bind())
    op.create_index("ix_hashtags_search_key_post_id", "hashtags", ["search_key", "post_id"])
