"""Rebuilds the search indexes of existing accounts, for migrations."""

from sqlalchemy import Connection, delete, text

from adapters.sql.batches import in_batches
from adapters.sql.identity.accounts import email_context
from adapters.sql.identity.words import name_words
from adapters.sql.sealing import Sealer
from adapters.text import email_key
from application.identity.searching import words_of_name

_ACCOUNTS = "SELECT id, username, display_name FROM accounts WHERE id > :after ORDER BY id LIMIT :n"

_ADDRESSES = "SELECT id, email_index, email_sealed FROM accounts WHERE id > :after ORDER BY id LIMIT :n"
_HELD = text("SELECT id FROM accounts WHERE email_index = :index")
_INDEX = text("UPDATE accounts SET email_index = :index WHERE id = :id")


def index_addresses(connection: Connection, sealer: Sealer | None) -> None:
    """Index the addresses by the current rule. If two accounts have the same mailbox by this rule, the first one gets the
    index; the other keeps its old index, and can log in by its username. Raises ValueError if an address was sealed with
    another key, and RuntimeError if there is no key and one is needed."""
    for rows in in_batches(connection, _ADDRESSES):
        if sealer is None:
            raise RuntimeError("indexing the addresses needs the key that they are sealed with")
        for row in rows:
            address = sealer.open(bytes(row.email_sealed), email_context(row.id)).decode()
            index = sealer.index(email_key(address))
            if index != bytes(row.email_index) and not connection.execute(_HELD, {"index": index}).first():
                connection.execute(_INDEX, {"index": index, "id": row.id})


def index_names(connection: Connection) -> None:
    """Fill the empty table `name_words`."""
    for rows in in_batches(connection, _ACCOUNTS):
        found = [
            {"word": word, "user_id": row.id}
            for row in rows
            for word in words_of_name(row.username, row.display_name)
        ]
        connection.execute(name_words.insert(), found)


def index_names_again(connection: Connection) -> None:
    """Index the names again by the current rules. ASCII names are the same under all rules and are skipped."""
    for rows in in_batches(connection, _ACCOUNTS):
        for row in rows:
            if row.display_name.isascii():
                continue
            connection.execute(delete(name_words).where(name_words.c.user_id == row.id))
            words = words_of_name(row.username, row.display_name)
            connection.execute(name_words.insert(), [{"word": word, "user_id": row.id} for word in words])
