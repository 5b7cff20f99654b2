"""Iterate over a table by its ids in batches."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, text

BATCH = 500


def in_batches(connection: Connection, query: str) -> Iterator[Sequence[Any]]:
    """The rows of `query`, which selects up to `:n` rows with ids above `:after`, ordered by id."""
    after = 0
    while rows := connection.execute(text(query), {"after": after, "n": BATCH}).all():
        yield rows
        after = rows[-1].id
