"""PostgreSQL writes down which rows change, so that every process can keep responses until one of their rows does.

The tables are not logged: a row costs no write of the log, and what a crash empties says nothing any more anyway.

`CREATE TRIGGER` reads no rows. It takes locks that make writes to the tables wait until this transaction has ended, and
waits itself for transactions that write to them. A server waits half a second for a lock at most, so it cannot deadlock
with this.
"""

from alembic import op

from adapters.sql.change_triggers import create
from adapters.sql.row_changes import RowTrigger

revision = "0022"
down_revision = "0021"

TRIGGERS = (
    RowTrigger("accounts", "UPDATE OF username, display_name", "card", ("id",)),
    RowTrigger("accounts", "DELETE", "card", ("id",)),
    RowTrigger("posts", "UPDATE", "post", ("id",)),
    RowTrigger("posts", "DELETE", "post", ("id",)),
    RowTrigger("posts", "INSERT", "source", ("author_id",)),
    RowTrigger("posts", "UPDATE OF deleted, reply_to, author_id, visibility", "source", ("author_id",)),
    RowTrigger("posts", "INSERT", "replies", ("reply_to",), "new.reply_to IS NOT NULL"),
    RowTrigger(
        "posts",
        "UPDATE OF deleted, answers, withheld, visibility",
        "replies",
        ("reply_to",),
        "old.reply_to IS NOT NULL AND (old.deleted OR new.deleted OR old.visibility <> new.visibility)",
    ),
    RowTrigger("posts", "INSERT", "published", (), "new.visibility = 'public' AND new.reply_to IS NULL"),
    RowTrigger(
        "posts",
        "UPDATE OF deleted, visibility",
        "exposed",
        (),
        "new.visibility = 'public' AND (old.visibility <> 'public' OR (old.deleted AND NOT new.deleted))",
    ),
    RowTrigger("mentions", "INSERT", "mentioned", ("user_id",)),
    RowTrigger("mentions", "DELETE", "mentioned", ("user_id",)),
    RowTrigger("hashtags", "INSERT", "hashtag", ("tag",)),
    RowTrigger("hashtags", "DELETE", "hashtag", ("tag",)),
    RowTrigger("likes", "INSERT", "engagement", ("post_id", "user_id")),
    RowTrigger("likes", "DELETE", "engagement", ("post_id", "user_id")),
    RowTrigger("bookmarks", "INSERT", "engagement", ("post_id", "user_id")),
    RowTrigger("bookmarks", "DELETE", "engagement", ("post_id", "user_id")),
    RowTrigger("reposts", "INSERT", "engagement", ("post_id", "user_id")),
    RowTrigger("reposts", "DELETE", "engagement", ("post_id", "user_id")),
    RowTrigger("reposts", "INSERT", "reposts", ("post_id",)),
    RowTrigger("reposts", "DELETE", "reposts", ("post_id",)),
    RowTrigger("reposts", "INSERT", "source", ("user_id",)),
    RowTrigger("reposts", "DELETE", "source", ("user_id",)),
    RowTrigger("restricted_authors", "INSERT", "author", ("user_id",)),
    RowTrigger("restricted_authors", "UPDATE", "author", ("user_id",)),
    RowTrigger("restricted_authors", "DELETE", "author", ("user_id",)),
    RowTrigger("restricted_authors", "UPDATE", "exposed"),
    RowTrigger("restricted_authors", "DELETE", "exposed"),
)


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    op.execute(
        "CREATE UNLOGGED TABLE row_changes (xid xid8 NOT NULL DEFAULT pg_current_xact_id(),"
        " key text NOT NULL)"
    )
    op.execute("CREATE INDEX ix_row_changes_xid ON row_changes (xid)")
    op.execute(
        "CREATE UNLOGGED TABLE row_change_log (id integer PRIMARY KEY CHECK (id = 1),"
        " origin text NOT NULL, trimmed xid8 NOT NULL)"
    )
    schema = connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    for statement in create(TRIGGERS, schema):
        connection.exec_driver_sql(statement)
