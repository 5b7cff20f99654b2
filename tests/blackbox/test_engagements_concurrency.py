"""Likes, reposts, bookmarks and pins: many clients at once."""

import random
import threading

import pytest

from .client import Api, Member, done
from .engagement_answers import ids, puts, undoes
from .load import ask, at_once, register_members

# --- Concurrency -----------------------------------------------------------------------------------


@pytest.mark.short_run_shapes("embedded", "postgres")
def test_di2_fifty_users_with_three_concurrent_reposts_each_make_fifty_reposts(api: Api) -> None:
    author, *members = register_members(api, 51)
    post = author.publishes()
    path = f"/api/v1/posts/{post['id']}"
    for method, counted in (("PUT", 50), ("DELETE", 0)):
        answers = at_once(
            api.base_url,
            lambda http, method=method: (  # type: ignore[misc]
                ask(http, method, f"{path}/repost", by=member) for member in members * 3
            ),
        )
        assert {answer.status_code for answer in answers} == {200}
        assert author.reads(post)["counts"]["reposts"] == counted
        assert len(author.all_items(f"{path}/reposts")) == counted


@pytest.mark.short_run_shapes("embedded", "postgres")
def test_di2_counters_are_exact_after_concurrent_engagements(api: Api, chance: random.Random) -> None:
    author, *members = register_members(api, 11)
    posts = [author.publishes() for _ in range(3)]
    storm = [
        (
            chance.choice(["PUT", "DELETE"]),
            chance.choice(posts)["id"],
            chance.choice(["like", "repost", "repost", "bookmark"]),
            chance.choice(members),
        )
        for _ in range(400)
    ]
    at_once(
        api.base_url,
        lambda http: (
            ask(http, method, f"/api/v1/posts/{id_}/{what}", by=member) for method, id_, what, member in storm
        ),
        connections=20,
    )
    for post in posts:
        views = [member.reads(post)["viewer"] for member in members]
        counts = author.reads(post)["counts"]
        path = f"/api/v1/posts/{post['id']}"
        assert (
            counts["likes"] == sum(view["liked"] for view in views) == len(author.all_items(f"{path}/likes"))
        )
        assert (
            counts["reposts"]
            == sum(view["reposted"] for view in views)
            == len(author.all_items(f"{path}/reposts"))
        )


def test_racing_pins_are_at_most_five(api: Api) -> None:
    maya = api.someone()
    posts = [maya.publishes(f"number {number}") for number in range(15)]
    answers = at_once(
        api.base_url,
        lambda http: (ask(http, "PUT", f"/api/v1/posts/{post['id']}/pin", by=maya) for post in posts),
    )
    refusals = [answer.json()["code"] for answer in answers if answer.status_code != 200]
    assert refusals == ["too_many_pins"] * 10
    assert len(done(maya.get(f"/api/v1/users/{maya.id}/posts", params={"pinned": "true"}))["items"]) == 5


@pytest.mark.parametrize("listed", ["likes", "bookmarks", "who"])
def test_ap4_lists_of_engagements_are_stable_while_others_write(api: Api, listed: str) -> None:
    maya, *others = register_members(api, 31)
    if listed == "who":
        post = maya.publishes()
        path, what = f"/api/v1/posts/{post['id']}/likes", "like"
        lasting = [(other, post) for other in others[:20]]
        passing = [(other, post) for other in others[20:]]
    else:
        path, what = f"/api/v1/me/{listed}", listed.removesuffix("s")
        posts = [maya.publishes(f"number {number}") for number in range(30)]
        lasting = [(maya, post) for post in posts[:20]]
        passing = [(maya, post) for post in posts[20:]]
    for number, (member, post) in enumerate(lasting):
        puts(member, post, what)
        if number % 2:
            puts(*passing[number // 2], what)
    expected = [member.id if listed == "who" else post["id"] for member, post in lasting][::-1]
    walked = threading.Event()

    def write() -> None:
        other = Api(api.base_url)
        while not walked.is_set():
            for member, post in passing:
                writer = Member(other.http, member.user, member.tokens, member.email)
                undoes(writer, post, what)
                puts(writer, post, what)  # now at the beginning of the list
        other.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        walks = [ids(maya.all_items(path, limit=3)) for _ in range(4)]
    finally:
        walked.set()
        thread.join()
    for walk in walks:
        assert [id_ for id_ in walk if id_ in set(expected)] == expected
        assert len(set(walk)) == len(walk)
