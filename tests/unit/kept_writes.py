"""The kinds of writes of the random walk, each by the API, by raw SQL on the server's connection, or by another process."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TypeAlias

from sqlalchemy import text

from adapters.sql.commit_thread import CommitThread
from tests.unit.kept_lists import LIST_WRITES
from tests.unit.kept_media import MEDIA_WRITES
from tests.unit.kept_walk import READERS, Walk

Write: TypeAlias = Callable[[Walk, random.Random], Awaitable[None]]
Writes: TypeAlias = Mapping[str, Write]

RESTRICT = "INSERT OR IGNORE INTO restricted_authors (user_id, private, version) VALUES (:user, 1, 1)"


def _any(walk: Walk, chosen: random.Random) -> tuple[int, int, int]:
    """A reader, a post and a user."""
    return chosen.randrange(READERS), chosen.choice(walk.posts[-40:]), chosen.choice(walk.users)


def on_post(method: str, path: str) -> Write:
    async def write(walk: Walk, chosen: random.Random) -> None:
        reader, post, _ = _any(walk, chosen)
        await walk.do(reader, method, path.format(post))

    return write


def on_user(method: str, path: str, body: object = None) -> Write:
    async def write(walk: Walk, chosen: random.Random) -> None:
        reader, _, user = _any(walk, chosen)
        await walk.do(reader, method, path.format(user), body)

    return write


def of_me(**changes: object) -> Write:
    async def write(walk: Walk, chosen: random.Random) -> None:
        values = {
            name: f"Name {chosen.randrange(99)}" if value is None else value
            for name, value in changes.items()
        }
        await walk.do(chosen.randrange(READERS), "PATCH", "/me", values)

    return write


async def publish(walk: Walk, chosen: random.Random) -> None:
    words = f"new {chosen.random()} @bee{chosen.randrange(READERS)} {chosen.choice(['', '#Bees', '#wasps'])}"
    await walk.publish(
        chosen.randrange(READERS), words, chosen.choice(["public", "followers", "unlisted", "direct"])
    )


async def comment(walk: Walk, chosen: random.Random) -> None:
    reader, post, _ = _any(walk, chosen)
    above = chosen.choice([post, *walk.threads])
    visibility = chosen.choice(["public", "unlisted", "followers", "direct"])
    await walk.publish(reader, f"a comment #bees @bee{chosen.randrange(READERS)}", visibility, above)


def on_own(method: str, path: str, body: object = None) -> Write:
    async def write(walk: Walk, chosen: random.Random) -> None:
        reader = chosen.randrange(READERS)
        if own := walk.own.get(reader):
            await walk.do(reader, method, path.format(chosen.choice(own[-6:])), body)

    return write


def raw(statement: str) -> Write:
    """On the server's own connection, without a use case. The user has just read the post, and reads it again."""

    async def write(walk: Walk, chosen: random.Random) -> None:
        reader, post, _ = _any(walk, chosen)
        user = walk.users[reader]
        await walk.compare(reader, f"/api/v1/posts/{post}")
        values = {
            "post": post,
            "user": user,
            "id": chosen.getrandbits(40),
            "name": f"n{chosen.randrange(99)}",
        }
        await walk.sql(
            statement, **{name: value for name, value in values.items() if f":{name}" in statement}
        )
        await walk.compare(reader, f"/api/v1/posts/{post}")

    return write


def foreign(statement: str) -> Write:
    async def write(walk: Walk, chosen: random.Random) -> None:
        _, post, _ = _any(walk, chosen)
        await walk.foreign(statement, post)

    return write


async def delete_row(walk: Walk, chosen: random.Random) -> None:
    """A post without anything that refers to it."""
    reader = chosen.randrange(READERS)
    if post := await walk.publish(reader, "soon gone"):
        await walk.settle()
        await walk.compare_all(chosen)
        await walk.sql("DELETE FROM post_words WHERE post_id = :post", post=post)
        await walk.sql("DELETE FROM posts WHERE id = :post", post=post)


async def undelete_row(walk: Walk, chosen: random.Random) -> None:
    reader = chosen.randrange(READERS)
    if post := await walk.publish(reader, "gone and back"):
        await walk.do(reader, "DELETE", f"/posts/{post}")
        await walk.compare_all(chosen)
        await walk.sql("UPDATE posts SET deleted = 0 WHERE id = :post", post=post)


async def lift_restriction(walk: Walk, chosen: random.Random) -> None:
    """A reposted post comes back into the pages of readers who do not follow its author, since the author is not private
    any more."""
    author = READERS - 1
    if post := await walk.publish(author, "reposted"):
        await walk.do(chosen.randrange(author), "PUT", f"/posts/{post}/repost")
        await walk.settle()  # the repost is in the timelines then
        await walk.sql(RESTRICT, user=walk.users[author])
        await walk.compare_all(chosen)
        await walk.sql("DELETE FROM restricted_authors WHERE user_id = :user", user=walk.users[author])


async def undo_repost_row(walk: Walk, chosen: random.Random) -> None:
    """A reposted post leaves the pages of readers who do not follow its author, although none of its counts changes."""
    author = READERS - 1
    if post := await walk.publish(author, "reposted for a moment"):
        reposter = chosen.randrange(author)
        await walk.do(reposter, "PUT", f"/posts/{post}/repost")
        await asyncio.sleep(0.1)  # the repost reaches the timelines
        await walk.compare_all(chosen)
        user = walk.users[reposter]
        await walk.sql("DELETE FROM reposts WHERE post_id = :post AND user_id = :user", post=post, user=user)
        await walk.compare_all(chosen)


def engage_for_a_moment(table: str) -> Write:
    """A reader has a row for a post that they read before, meanwhile and afterwards. Nothing else changes."""

    async def write(walk: Walk, chosen: random.Random) -> None:
        reader = chosen.randrange(READERS)
        if post := await walk.publish(reader, "engaging"):
            values = {"post": post, "user": walk.users[reader]}
            insert = f"INSERT INTO {table} (post_id, user_id, id) VALUES (:post, :user, :id)"
            await walk.compare(reader, f"/api/v1/posts/{post}")
            await walk.sql(insert, id=walk.container.ids()(), **values)
            await walk.compare(reader, f"/api/v1/posts/{post}")
            await walk.sql(f"DELETE FROM {table} WHERE post_id = :post AND user_id = :user", **values)
            await walk.compare(reader, f"/api/v1/posts/{post}")

    return write


async def delete_account_row(walk: Walk, chosen: random.Random) -> None:
    """A user of whom only the name remains in memory."""
    reader, post, _ = _any(walk, chosen)
    ghost = chosen.getrandbits(40)
    await walk.add_account(ghost, f"ghost{ghost}")
    await walk.sql(
        "UPDATE posts SET author_id = :ghost WHERE id = :post AND reply_to IS NULL", ghost=ghost, post=post
    )
    for _ in range(2):
        await walk.compare(reader, f"/api/v1/posts/{post}")
    await walk.sql("DELETE FROM accounts WHERE id = :ghost", ghost=ghost)
    await walk.compare(reader, f"/api/v1/posts/{post}")


async def become_popular(walk: Walk, chosen: random.Random) -> None:
    """From now on the posts of the user are merged at each read. The event of this one reaches no timeline."""
    user = chosen.randrange(READERS)
    walk.popular ^= {walk.users[user]}
    walk.container.graph().followers._good_until = 0.0
    await walk.compare_all(chosen)
    await walk.publish(user, "to many")
    await walk.compare_all(chosen)
    post = chosen.choice(walk.posts[:20])
    await walk.sql(
        "INSERT OR IGNORE INTO reposts (post_id, user_id, id) SELECT id, :user, :id FROM posts WHERE id = :post",
        post=post,
        user=walk.users[user],
        id=walk.container.ids()(),
    )
    await walk.compare_all(chosen)
    await walk.sql(
        "DELETE FROM reposts WHERE post_id = :post AND user_id = :user", post=post, user=walk.users[user]
    )


def paused(*, commits: bool) -> Write:
    """Reads while a transaction is open, before it ends."""

    async def write(walk: Walk, chosen: random.Random) -> None:
        with suppress(_RolledBack):
            async with walk.container.database().begin() as transaction:
                await transaction.execute(
                    text(
                        "UPDATE posts SET likes = likes + 1 WHERE id IN (SELECT id FROM posts ORDER BY id DESC LIMIT 9)"
                    )
                )
                await walk.compare_all(chosen)
                await walk.compare_all(chosen)
                if not commits:
                    raise _RolledBack

    return write


async def foreign_before(walk: Walk, chosen: random.Random) -> None:
    """Another process commits after the last read, and before a transaction of the server, in which is read."""
    await walk.compare_all(chosen)
    await walk.foreign("UPDATE posts SET reposts = reposts + 1")
    async with walk.container.database().begin():
        await walk.compare_all(chosen)


async def foreign_behind(walk: Walk, chosen: random.Random) -> None:
    """Another process commits right after the server, whose event loop has not heard yet that its commit is done."""
    in_thread = asyncio.Event()

    async def run(self: CommitThread, commit: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(0.002, in_thread.set)
        await original(self, commit)

    original = CommitThread.run
    await walk.compare_all(chosen)
    CommitThread.run = run  # type: ignore[method-assign]
    try:
        task = asyncio.create_task(
            walk.sql("INSERT INTO inbox (event_id, subscriber) VALUES (abs(random()), 'walk')")
        )
        await in_thread.wait()
    finally:
        CommitThread.run = original  # type: ignore[method-assign]
    await walk.foreign("UPDATE posts SET reposts = reposts + 1", seconds=5)
    await walk.compare_all(chosen)
    await task


class _RolledBack(Exception):
    """Ends a transaction of the test."""


async def concurrent(walk: Walk, chosen: random.Random) -> None:
    """Several writes and reads at once."""
    some = chosen.sample([publish, WRITES["like"], WRITES["repost"], WRITES["bookmark"], WRITES["follow"]], 3)
    reads = (walk.do(reader, "GET", "/feeds/home") for reader in range(READERS))
    await asyncio.gather(*(write(walk, chosen) for write in some), *reads)


WRITES: dict[str, Write] = {
    "publish": publish,
    "comment": comment,
    "like": on_post("PUT", "/posts/{}/like"),
    "unlike": on_post("DELETE", "/posts/{}/like"),
    "repost": on_post("PUT", "/posts/{}/repost"),
    "unrepost": on_post("DELETE", "/posts/{}/repost"),
    "bookmark": on_post("PUT", "/posts/{}/bookmark"),
    "unbookmark": on_post("DELETE", "/posts/{}/bookmark"),
    "edit": on_own("PATCH", "/posts/{}", {"text": "edited"}),
    "edit tags": on_own("PATCH", "/posts/{}", {"text": "edited #bees @bee1"}),
    "delete": on_own("DELETE", "/posts/{}"),
    "pin": on_own("PUT", "/posts/{}/pin"),
    "unpin": on_own("DELETE", "/posts/{}/pin"),
    "follow": on_user("PUT", "/users/{}/follow"),
    "unfollow": on_user("DELETE", "/users/{}/follow"),
    "block": on_user("PUT", "/users/{}/block"),
    "unblock": on_user("DELETE", "/users/{}/block"),
    "mute": on_user("PUT", "/users/{}/mute"),
    "mute for a minute": on_user("PUT", "/users/{}/mute?duration=60"),
    "unmute": on_user("DELETE", "/users/{}/mute"),
    "private": of_me(private=True),
    "public": of_me(private=False),
    "rename": of_me(display_name=None),
    "raw: count": raw("UPDATE posts SET comments = comments + 1 WHERE id = :post"),
    "raw: delete": delete_row,
    "raw: undelete": undelete_row,
    "raw: delete an account": delete_account_row,
    "popular": become_popular,
    "raw: like": raw(
        "INSERT OR IGNORE INTO likes (post_id, user_id, id) SELECT id, :user, :id + id FROM posts ORDER BY id DESC LIMIT 20"
    ),
    "raw: likes for a moment": engage_for_a_moment("likes"),
    "raw: unlike": raw("DELETE FROM likes WHERE user_id = :user"),
    "raw: repost": raw(
        "INSERT OR IGNORE INTO reposts (post_id, user_id, id) SELECT p.id, :user, (SELECT max(coalesce(max(r.id), 0), max(p.id)) + 1 FROM reposts r) FROM posts p WHERE p.id = :post"
    ),
    "raw: reposts for a moment": engage_for_a_moment("reposts"),
    "raw: unrepost": raw("DELETE FROM reposts WHERE user_id = :user"),
    "raw: undo a repost": undo_repost_row,
    "raw: bookmark": raw(
        "INSERT OR IGNORE INTO bookmarks (post_id, user_id, id) SELECT id, :user, :id FROM posts WHERE id = :post"
    ),
    "raw: bookmarks for a moment": engage_for_a_moment("bookmarks"),
    "raw: unbookmark": raw("DELETE FROM bookmarks WHERE user_id = :user"),
    "raw: restrict": raw(RESTRICT),
    "raw: lift a restriction": lift_restriction,
    "raw: unrestrict": raw("UPDATE restricted_authors SET private = 1 - private WHERE user_id = :user"),
    "raw: forget restriction": raw("DELETE FROM restricted_authors WHERE user_id = :user"),
    "raw: rename": raw("UPDATE accounts SET display_name = :name WHERE id = :user"),
    "foreign: count": foreign("UPDATE posts SET reposts = reposts + 1 WHERE id = ?"),
    "foreign: delete": foreign("UPDATE posts SET deleted = 1 WHERE id = ?"),
    "foreign before": foreign_before,
    "foreign behind": foreign_behind,
    "paused commit": paused(commits=True),
    "rollback": paused(commits=False),
    "concurrent": concurrent,
    **LIST_WRITES,
    **MEDIA_WRITES,
}


async def walk_on(
    walk: Walk, chosen: random.Random, steps: int, kinds: Writes = WRITES, *, stop_at_difference: bool = False
) -> None:
    """Make random writes, and compare the pages and a post of every reader after each."""
    for _ in range(steps):
        name = chosen.choice([*kinds])
        await kinds[name](walk, chosen)
        walk.last.append(name)
        await walk.compare_all(chosen)
        if chosen.random() < 0.2:
            await walk.settle()
            await walk.compare_all(chosen)
        if stop_at_difference and walk.differences:
            return


async def each_once(walk: Walk, chosen: random.Random) -> None:
    """Make one write of each kind, until there is a difference. The ones that are made for a single trigger come first: at
    the beginning, the readers follow each other as these writes need it."""
    for name in sorted(WRITES, key=lambda name: not name.startswith("raw: ")):
        await WRITES[name](walk, chosen)
        walk.last.append(name)
        await walk.compare_all(chosen)
        if walk.differences:
            return
