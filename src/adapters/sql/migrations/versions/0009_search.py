"""Full-text search, and finding people and tags by how they begin.

On SQLite the index is a table of FTS5 over post_words, which triggers keep, so that nobody who writes has to know of
it. Words are ASCII letters and digits, the signs that mark authors, tags and breaks, and everything beyond ASCII:
what a word is, was decided before, in domain/words.py.
"""

import sqlalchemy as sa
from alembic import op

from adapters.sql.identity.indexing import index_names
from adapters.sql.posts.indexing import index_posts
from adapters.sql.posts.words import Words

revision = "0009"
down_revision = "0008"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ADD = "INSERT INTO post_search(rowid, words) VALUES (new.post_id, new.words);"
REMOVE = "INSERT INTO post_search(post_search, rowid, words) VALUES ('delete', old.post_id, old.words);"
TRIGGERS = {"INSERT": ADD, "DELETE": REMOVE, "UPDATE": REMOVE + ADD}


def upgrade() -> None:
    in_sqlite = op.get_bind().dialect.name == "sqlite"
    op.create_table(
        "post_words",
        sa.Column("post_id", ID, autoincrement=False, nullable=False),
        sa.Column("words", Words(), nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_post_words_post_id")),
        sa.PrimaryKeyConstraint("post_id", name=op.f("pk_post_words")),
    )
    words = sa.String(length=80).with_variant(sa.String(length=80, collation="C"), "postgresql")
    op.create_table(
        "name_words",
        sa.Column("word", words, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name=op.f("fk_name_words_user_id")),
        sa.PrimaryKeyConstraint("word", "user_id", name=op.f("pk_name_words")),
        sqlite_with_rowid=False,
    )
    if in_sqlite:
        op.execute(
            "CREATE VIRTUAL TABLE post_search USING fts5("
            "words, content='post_words', content_rowid='post_id', tokenize=\"ascii tokenchars '#@_'\")"
        )
        for act, does in TRIGGERS.items():
            op.execute(f"CREATE TRIGGER post_words_{act.lower()} AFTER {act} ON post_words BEGIN {does} END")
    index_posts(op.get_bind())
    index_names(op.get_bind())
    op.create_index("ix_name_words_user_id", "name_words", ["user_id"], unique=False)
    if not in_sqlite:
        op.create_index("ix_post_words_words", "post_words", ["words"], postgresql_using="gin")
        op.alter_column("hashtags", "tag", type_=sa.String(length=100, collation="C"))
