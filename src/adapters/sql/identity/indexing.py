"""Indexing the names of all people who are there."""

from sqlalchemy import Connection, delete

from adapters.sql.batches import in_batches
from adapters.sql.identity.words import name_words
from application.identity.searching import words_of_name

_ACCOUNTS = "SELECT id, username, display_name FROM accounts WHERE id > :after ORDER BY id LIMIT :n"


def index_names(connection: Connection) -> None:
    """Fill `name_words`, which is empty."""
    for rows in in_batches(connection, _ACCOUNTS):
        found = [
            {"word": word, "user_id": row.id}
            for row in rows
            for word in words_of_name(row.username, row.display_name)
        ]
        connection.execute(name_words.insert(), found)


def index_names_again(connection: Connection) -> None:
    """Bring the names that are indexed already to the present rules. What is all ASCII is the same under every rule."""
    for rows in in_batches(connection, _ACCOUNTS):
        for row in rows:
            if row.display_name.isascii():
                continue
            connection.execute(delete(name_words).where(name_words.c.user_id == row.id))
            words = words_of_name(row.username, row.display_name)
            connection.execute(name_words.insert(), [{"word": word, "user_id": row.id} for word in words])
