"""`waggle repair counters`, on a server of its own: a planted drift is found and repaired."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from .client import Api, Json, Member, done, eventually
from .conftest import OWN_SERVER, RUNNING, SHAPES, a_waggle
from .load import register_members
from .process import Waggle

STORED = [shape for shape in SHAPES if shape != "memory"]

pytestmark = pytest.mark.skipif(bool(RUNNING), reason=OWN_SERVER)


@pytest.fixture(params=STORED)
def waggle(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Waggle]:
    with a_waggle(request, request.param, tmp_path) as waggle:
        yield waggle


def populate(api: Api) -> tuple[Member, Json, Json]:
    maya, willy, flora = register_members(api, 3)
    post = maya.publishes()
    comment = willy.comments(post)
    flora.removes(flora.comments(post))
    maya.removes(maya.publishes("a mistake"))
    for member in (willy, flora):
        member.likes(post)
        for what in ("repost", "bookmark"):
            done(member.put(f"/api/v1/posts/{post['id']}/{what}"))
    done(flora.delete(f"/api/v1/posts/{post['id']}/repost"))
    return maya, post, comment


def damage(waggle: Waggle, *statements: str) -> None:
    async def in_postgres() -> None:
        connection = await asyncpg.connect(waggle.database_url)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    if waggle.shape == "postgres":
        asyncio.run(in_postgres())
        return
    with closing(sqlite3.connect(waggle.data_dir / "waggle.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_repair_finds_nothing_in_a_consistent_database_and_corrects_wrong_counters(waggle: Waggle) -> None:
    api = Api(waggle.base_url)
    maya, post, comment = populate(api)
    if waggle.shape == "embedded":
        refused = waggle.command("repair", "counters")
        assert (refused.returncode, refused.stdout) == (78, "")
        assert "another process uses this data folder" in refused.stderr
        waggle.stop()

    sound = waggle.command("repair", "counters")
    assert (sound.returncode, sound.stdout.splitlines()[-1]) == (0, "0 drift"), sound.stderr

    damage(
        waggle,
        f"UPDATE posts SET likes = likes + 7, reposts = 0, comments = 5 WHERE id = {post['id']}",
        f"UPDATE posts SET likes = 2 WHERE id = {comment['id']}",
        f"UPDATE accounts SET posts = posts + 3 WHERE id = {maya.id}",
    )
    dry = waggle.command("repair", "counters", "--dry-run")
    wet = waggle.command("repair", "counters")
    again = waggle.command("repair", "counters")

    found = [line.split()[:2] for line in dry.stdout.splitlines()]
    assert found[:-1] == [
        ["posts.comments", "4"],
        ["posts.replies", "0"],
        ["posts.likes", "9"],
        ["posts.reposts", "1"],
        ["accounts.posts", "3"],
        ["accounts.followers", "0"],
        ["accounts.following", "0"],
    ]
    assert (dry.returncode, dry.stdout.splitlines()[-1]) == (1, "17 drift, nothing changed")
    assert (wet.returncode, wet.stdout.splitlines()[-1]) == (0, "17 drift, repaired")
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "0 drift")

    if waggle.shape == "embedded":
        waggle.start()
    assert maya.reads(post)["counts"] == {"comments": 1, "likes": 2, "reposts": 1}
    assert maya.reads(comment)["counts"]["likes"] == 0

    def delivered() -> None:
        assert done(maya.get("/api/v1/me"))["counts"]["posts"] == 1

    eventually(delivered)
    api.close()


def test_repair_without_a_database_creates_nothing(tmp_path: Path) -> None:
    waggle = Waggle("embedded", tmp_path)

    refused = waggle.command("repair", "counters")

    assert (refused.returncode, refused.stdout) == (78, "")
    assert "there is no database" in refused.stderr
    assert list(tmp_path.iterdir()) == []
