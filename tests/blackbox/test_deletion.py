"""Deleting an account: it needs a confirmation, hides everything at once, and erases it whatever happens meanwhile."""

import random
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from .client import PASSWORD, Api, Json, Member, done, eventually, refusal, refused
from .conftest import LONG
from .process import Waggle

POSTS = LIKES = 300 if LONG else 150
"""More than one batch of the erasure."""
LEASE = 5
"""Seconds until the leases of events expire that a killed process had claimed."""


def deletes(member: Member, confirm: str | None = None) -> None:
    done(member.delete("/api/v1/me", params={"confirm": confirm or member.username}), 204)


def test_deleting_an_account_needs_a_confirmation(api: Api) -> None:
    ann = api.someone()
    for confirm in ({}, {"confirm": ""}, {"confirm": "yes"}, {"confirm": ann.email}, {"confirm": ann.id}):
        problem = refused(ann.delete("/api/v1/me", params=confirm), 409, "confirmation_needed")
        assert f"@{ann.username}" in problem["detail"]
        assert f"?confirm={ann.username}" in problem["detail"]
    assert ann.sees(ann.publishes())


def test_di7_every_path_of_a_deleted_account_is_not_found(api: Api) -> None:
    ann = api.someone()
    other = api.logs_in(ann.username)
    post = ann.publishes()

    deletes(ann)

    for member in (ann, other):
        assert refusal(member.get("/api/v1/me")) == (401, "invalid_token")
        assert refusal(member.post("/api/v1/posts", {"text": "still here"})) == (401, "invalid_token")
        assert refusal(api.refreshes(member.tokens)) == (401, "session_ended")
    for login in (ann.username, ann.email):
        answer = api.nobody.post("/api/v1/auth/login", {"login": login, "password": PASSWORD})
        assert refusal(answer) == (401, "wrong_credentials")
    assert refusal(api.nobody.get(f"/api/v1/users/{ann.id}")) == (404, "user_not_found")
    response = api.nobody.get("/api/v1/users", params={"username": ann.username})
    assert refusal(response) == (404, "user_not_found")

    def hidden() -> None:
        assert not api.nobody.sees(post)
        assert api.nobody.get(f"/api/v1/users/{ann.id}/posts").status_code == 404

    eventually(hidden, 11.0)


def test_di7_other_users_keep_their_posts_and_correct_counts(api: Api) -> None:
    ann, bob = api.someone(), api.someone()
    thread = bob.publishes(f"hello @{ann.username}")
    comment = ann.comments(thread)
    answer = bob.comments(comment)
    ann.likes(thread)
    ann.likes(answer)

    deletes(ann)

    def erased() -> None:
        read = api.nobody.reads(thread)
        assert (read["counts"]["likes"], read["counts"]["comments"], read["mentions"]) == (0, 0, [])
        assert bob.reads(answer)["counts"]["likes"] == 0

    eventually(erased)
    assert not bob.sees(comment)


def test_di4_the_username_of_a_deleted_account_stays_reserved_and_its_email_is_free(api: Api) -> None:
    ann, other = api.someone(), api.someone()
    deletes(ann)

    for name in (ann.username, ann.username.upper()):
        assert refusal(api.registers(name, "new" + ann.email)) == (409, "username_taken")
    done(api.registers(f"{ann.username}_", ann.email), 201)
    assert refusal(api.registers(f"{ann.username}__", ann.email)) == (409, "email_taken")
    assert done(other.get("/api/v1/me"))["username"] == other.username


def test_an_operator_can_delete_an_account(killable: Waggle) -> None:
    with closing(Api(killable.base_url)) as api:
        ann = api.someone()
        post = ann.publishes()
        if killable.shape == "embedded":  # another test does this while the server runs
            killable.stop()
        assert killable.command("users", "delete", "nobody_is_this").returncode == 67
        assert killable.command("users", "delete", ann.username.upper()).returncode == 0
        if killable.shape == "embedded":
            killable.start()

        assert refusal(api.nobody.get(f"/api/v1/users/{ann.id}")) == (404, "user_not_found")
        eventually(lambda: _assert_hidden(api, post))
        assert refusal(api.registers(ann.username)) == (409, "username_taken")


def _assert_hidden(api: Api, post: Json) -> None:
    assert not api.nobody.sees(post)


@pytest.mark.timeout(600 if LONG else 180)
def test_di7_an_account_is_erased_however_often_the_server_is_killed(
    killable: Waggle, chance: random.Random
) -> None:
    if killable.shape == "postgres" and not LONG:
        pytest.skip(
            "waits 30 s for each lease of a killed process: runs with WAGGLE_TEST_LONG=1 (make test-long)"
        )
    # The relay continues when the lease of the killed process has expired.
    with closing(Api(killable.base_url)) as api:
        ann, bob, cat = api.someone(), api.someone(), api.someone()
        done(ann.put("/api/v1/me/notification-preferences", json={"email": {"mention": True}}))
        his = [bob.publishes(f"{number} for @{ann.username}") for number in range(LIKES // 3)]
        with ThreadPoolExecutor(8) as pool:
            hers = list(pool.map(ann.comments, his))
            hers += list(pool.map(lambda _: ann.publishes("kanarienvogel"), range(POSTS - len(his))))
            list(pool.map(bob.likes, hers[:50]))
            answers = list(pool.map(bob.comments, hers[: LIKES - len(his)]))
            list(pool.map(ann.likes, his + answers))
            list(pool.map(cat.likes, his))

        deletes(ann)
        for _ in range(4):
            time.sleep(chance.uniform(0, 0.25))  # the moment of the kill
            killable.kill()
            killable.start()

        def erased() -> None:
            for post in his:
                read = api.nobody.reads(post)
                assert (read["counts"]["likes"], read["counts"]["comments"], read["mentions"]) == (1, 0, [])
            assert _left(killable, ann) == []
            assert unread(bob) == {"total": len(his), "by_type": {"like": len(his)}}  # from cat
            assert unread(cat) == {"total": 0, "by_type": {}}

        eventually(erased, LEASE + 60)
        assert not any(api.nobody.sees(post) for post in chance.sample(hers, 50))
        for post in chance.sample(answers, 50):
            assert bob.reads(post)["counts"]["likes"] == 0
        assert refusal(api.registers(ann.username)) == (409, "username_taken")


def unread(member: Member) -> Json:
    found: Json = done(member.get("/api/v1/notifications/unread"))["unread"]
    return found


def _left(killable: Waggle, ann: Member) -> list[Json]:
    """The rows of the database that contain the account; the database is used by this test only."""
    if killable.shape != "embedded":
        return []
    needles = (ann.id, "kanarienvogel", ann.email)
    with closing(sqlite3.connect(f"file:{killable.data_dir}/waggle.db?mode=ro", uri=True)) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [
            {"table": table, "row": row}
            for table in tables
            if table != "restricted_authors"  # the ids of deleted accounts are kept for a day
            for row in database.execute(f'SELECT * FROM "{table}"')
            if any(needle in repr(row) for needle in needles)
        ]
