"""Indexing the words of all posts that are there."""

import json

from sqlalchemy import Connection

from adapters.sql.batches import in_batches
from adapters.sql.posts.tables import post_words
from domain.posts.searching import terms_of

# Columns by name: a migration reads the table as it was then.
_POSTS = """SELECT id, author_id, text, content_warning, entities FROM posts
    WHERE id > :after AND deleted = false ORDER BY id LIMIT :n"""


def index_posts(connection: Connection) -> None:
    """Fill `post_words`, which is empty."""
    for rows in in_batches(connection, _POSTS):
        found = [
            {
                "post_id": row.id,
                "words": terms_of(row.text, row.content_warning, row.author_id, _tags(row.entities)),
            }
            for row in rows
        ]
        connection.execute(post_words.insert(), found)


def _tags(entities: str) -> list[str]:
    found = json.loads(entities)
    return list(dict.fromkeys(entity["value"] for entity in found if entity["type"] == "hashtag"))
