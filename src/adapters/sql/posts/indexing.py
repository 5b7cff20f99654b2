"""Indexing the words and hashtags of all existing posts, for migrations."""

import json

from sqlalchemy import Connection, bindparam, text

from adapters.sql.batches import BATCH, in_batches
from adapters.sql.posts.json_columns import dump_entities, load_entities
from adapters.sql.posts.tables import post_words
from adapters.sql.posts.words import Words
from domain.posts import find_entities_again, hashtags
from domain.posts.searching import tag_key, terms_of

# SQL text with column names, since a migration reads the table as it was at that version.
_POSTS = """SELECT id, author_id, text, content_warning, entities FROM posts
    WHERE id > :after AND deleted = false ORDER BY id LIMIT :n"""


def index_posts(connection: Connection) -> None:
    """Fill the empty table `post_words`."""
    for rows in in_batches(connection, _POSTS):
        found = [
            {
                "post_id": row.id,
                "words": terms_of(row.text, row.content_warning, row.author_id, _tags(row.entities)),
            }
            for row in rows
        ]
        connection.execute(post_words.insert(), found)


def index_posts_again(connection: Connection) -> None:
    """Apply the current rules to the words of indexed posts, and to their hashtags and links. ASCII texts are the same
    under all rules, so they are skipped. `media_rev` rises if the entities of a post change, so caches read it
    again."""
    for rows in in_batches(connection, _POSTS):
        for row in rows:
            if row.text.isascii() and row.content_warning.isascii():
                continue
            before = load_entities(row.entities)
            after = find_entities_again(row.text, before)
            tags = hashtags(after)
            if after != before:
                connection.execute(_SAVE, {"id": row.id, "entities": dump_entities(after)})
            if tags != hashtags(before):
                connection.execute(_UNTAG, {"id": row.id})
                if tags:
                    connection.execute(_TAG, [{"id": row.id, "tag": tag} for tag in tags])
            words = terms_of(row.text, row.content_warning, row.author_id, tags)
            connection.execute(_INDEX, {"id": row.id, "words": words})
    _set_search_keys(connection)


_SAVE = text("UPDATE posts SET entities = :entities, media_rev = media_rev + 1 WHERE id = :id")
_UNTAG = text("DELETE FROM hashtags WHERE post_id = :id")
_TAG = text("INSERT INTO hashtags (tag, post_id) VALUES (:tag, :id)")
_INDEX = text("UPDATE post_words SET words = :words WHERE post_id = :id").bindparams(
    bindparam("words", type_=Words)
)
_NEXT_TAGS = text("SELECT DISTINCT tag FROM hashtags WHERE tag > :after ORDER BY tag LIMIT :n")
_SET_SEARCH_KEY = text("UPDATE hashtags SET search_key = :search_key WHERE tag = :tag")


def _set_search_keys(connection: Connection) -> None:
    after = ""
    while tags := connection.execute(_NEXT_TAGS, {"after": after, "n": BATCH}).scalars().all():
        rows = [{"tag": tag, "search_key": tag_key(tag)} for tag in tags]
        connection.execute(_SET_SEARCH_KEY, rows)
        after = tags[-1]


def _tags(entities: str) -> list[str]:
    found = json.loads(entities)
    return list(dict.fromkeys(entity["value"] for entity in found if entity["type"] == "hashtag"))
