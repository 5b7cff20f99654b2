"""Going through a table by its ids, a little at once."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, text

BATCH = 500


def in_batches(connection: Connection, query: str) -> Iterator[Sequence[Any]]:
    """The rows of `query`, which asks for `:n` of those after `:after`, in the order of their ids."""
    after = 0
    while rows := connection.execute(text(query), {"after": after, "n": BATCH}).all():
        yield rows
        after = rows[-1].id
