"""Writes of the random walk by which posts enter and leave lists: by raw SQL on the server's connection, one row at a time.
The use cases write several rows at once, so that a change which is not noticed could hide behind another one."""

import json
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, insert, literal, select

from adapters.sql.posts.tables import posts
from application.feeds.ranking_cache import CURRENT
from tests.unit.kept_media import until
from tests.unit.kept_walk import NOBODY, READERS, TAG, TRENDING, Walk, call, posts_of

Write: TypeAlias = Callable[[Walk, random.Random], Awaitable[None]]


def raw(statement: str) -> Write:
    """The lists of a reader and of nobody are read before the write and after it."""

    async def write(walk: Walk, chosen: random.Random) -> None:
        reader, post = chosen.randrange(READERS), chosen.choice(walk.posts[-20:])
        await _around(walk, reader, post, statement)

    return write


async def _around(walk: Walk, reader: int, post: int, statement: str) -> None:
    values = {"post": post, "user": walk.users[reader], "tag": TAG}
    for step in range(2):
        for path in walk.lists_with(post):
            await walk.compare(reader, path)
            await walk.compare(NOBODY, path)
        if step == 0:
            used = {name: value for name, value in values.items() if f":{name}" in statement}
            await walk.sql(statement, **used)


async def mention(walk: Walk, chosen: random.Random) -> None:
    """A direct post appears, for a reader whom it mentions, and disappears."""
    author, reader, other = chosen.sample(range(READERS), 3)
    if post := await walk.publish(author, f"for @bee{other}", "direct"):
        await _around(
            walk, reader, post, "INSERT OR IGNORE INTO mentions (post_id, user_id) VALUES (:post, :user)"
        )
        await _around(walk, reader, post, "DELETE FROM mentions WHERE post_id = :post AND user_id = :user")


async def open_comment(walk: Walk, chosen: random.Random) -> None:
    """A comment, which only its author could see, appears for followers."""
    author, reader, other = chosen.sample(range(READERS), 3)
    above = walk.threads[0]
    if post := await walk.publish(author, f"for @bee{other}", "direct", above):
        await walk.do(reader, "PUT", f"/users/{walk.users[author]}/follow")
        await _around(walk, reader, post, "UPDATE posts SET visibility = 'followers' WHERE id = :post")


async def add_comment_row(walk: Walk, chosen: random.Random) -> None:
    """A copy of a comment, of which no counter knows."""
    reader = chosen.randrange(READERS)
    values: dict[str, ColumnElement[Any]] = {column.key: column for column in posts.c}
    values |= {
        "id": literal(walk.container.ids()()),
        "reply_to": literal(walk.threads[0]),
        "deleted": literal(value=False),
    }
    path = walk.lists_with(walk.posts[0])[2]
    await walk.compare(reader, path)
    async with walk.container.database().begin() as connection:
        await connection.execute(
            insert(posts).from_select(
                [*values], select(*values.values()).where(posts.c.id == chosen.choice(walk.posts[-20:]))
            )
        )
    await walk.compare(reader, path)


async def open_post(walk: Walk, chosen: random.Random) -> None:
    """A post of the author's page becomes visible for others by its visibility alone."""
    author, reader, other = chosen.sample(range(READERS), 3)
    visibility = chosen.choice(["followers", "unlisted", "public"])
    if post := await walk.publish(author, f"for @bee{other} #bees", "direct"):
        await walk.do(reader, "PUT", f"/users/{walk.users[author]}/follow")
        await _around(walk, reader, post, f"UPDATE posts SET visibility = '{visibility}' WHERE id = :post")


async def lift_restriction(walk: Walk, chosen: random.Random) -> None:
    """The posts and comments of a private author appear for everybody."""
    author, reader = chosen.sample(range(READERS), 2)
    user = walk.users[author]
    await walk.do(reader, "DELETE", f"/users/{user}/follow")
    post = await walk.publish(author, "of a private author #bees")
    await walk.publish(author, "a comment", "public", walk.threads[0])
    await walk.sql("DELETE FROM restricted_authors WHERE user_id = :user", user=user)
    await walk.sql(
        "INSERT INTO restricted_authors (user_id, private, version) VALUES (:user, 1, 1)", user=user
    )
    change = chosen.choice(["UPDATE restricted_authors SET private = 0", "DELETE FROM restricted_authors"])
    await _around(walk, reader, post, f"{change} WHERE user_id = {user}")


async def block_and_read(walk: Walk, chosen: random.Random) -> None:
    """A block, seen on the page of the one who is blocked."""
    author, reader = chosen.sample(range(READERS), 2)
    page = posts_of(walk.users[author])
    for method in ("PUT", "DELETE"):
        await walk.compare(reader, page)
        await walk.do(author, method, f"/users/{walk.users[reader]}/block")
        await walk.compare(reader, page)


async def rank(walk: Walk, chosen: random.Random) -> None:
    """Posts and hashtags trend, with new engagement, and are ranked anew."""
    readers = chosen.sample(range(READERS), 4)
    post = await walk.publish(readers[0], f"trends #bees #{chosen.choice(['wasps', 'ants', 'flies'])}")
    for reader in readers[1:]:
        await walk.do(reader, "PUT", f"/posts/{post}/like")
    await until(walk.has_no_events)
    for _ in range(2):
        for path in TRENDING:
            for one in (readers[1], NOBODY):
                await walk.compare(one, path)
        trending = walk.container.feeds().refresh_trending
        await trending.posts.kept.put(CURRENT, await trending.posts._made())
        await trending.tags.kept.put(CURRENT, await trending.tags._made())


async def change_trending(walk: Walk, chosen: random.Random) -> None:
    """What trends is hidden, one way or another."""
    shown = json.loads((await call(walk.kept, "GET", TRENDING[0]))[2])["items"]
    if shown:
        statement = chosen.choice(
            [
                "UPDATE posts SET visibility = 'unlisted' WHERE id = :post",
                "UPDATE posts SET deleted = 1 WHERE id = :post",
                "INSERT OR IGNORE INTO restricted_authors (user_id, private, version) SELECT author_id, 1, 1 FROM posts WHERE id = :post",
            ]
        )
        for step in range(2):
            for path in TRENDING:
                for one in (0, NOBODY):
                    await walk.compare(one, path)
            if step == 0:
                await walk.sql(statement, post=int(chosen.choice(shown)["id"]))


LIST_WRITES: Mapping[str, Write] = {
    "raw: tag": raw(
        "INSERT OR IGNORE INTO hashtags (tag, post_id, search_key) SELECT :tag, id, :tag FROM posts WHERE id = :post"
    ),
    "raw: untag": raw("DELETE FROM hashtags WHERE tag = :tag"),
    "raw: hide": raw("UPDATE posts SET visibility = 'followers' WHERE id = :post"),
    "raw: bury": raw("UPDATE posts SET deleted = 1, answers = 1 WHERE id = :post"),
    "mention": mention,
    "open a comment": open_comment,
    "raw: comment": add_comment_row,
    "open a post": open_post,
    "lift a restriction from lists": lift_restriction,
    "block and read": block_and_read,
    "rank": rank,
    "change what trends": change_trending,
}
