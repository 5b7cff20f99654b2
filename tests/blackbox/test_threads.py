"""Threads: the posts above and below a post, and tombstones of deleted ones."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .client import Api, Json, Visitor, done, refusal, refused


def tombstone(post: Json) -> Json:
    return {"type": "tombstone", "id": post["id"], "reply_to": post["reply_to"], "tombstone": True}


def context(somebody: Visitor, post: Json) -> Json:
    return done(somebody.get(f"/api/v1/posts/{post['id']}/context"))


def comments(somebody: Visitor, post: Json, **params: Any) -> Json:
    return done(somebody.get(f"/api/v1/posts/{post['id']}/comments", params=params))


def ids(items: list[Json]) -> list[str]:
    return [item["id"] for item in items]


# --- Several posts --------------------------------------------------------------------------------


def test_several_posts_are_in_the_order_of_the_ids_each_once(api: Api) -> None:
    maya = api.someone()
    one, two, gone = (maya.publishes(visibility=v) for v in ("public", "unlisted", "public"))
    hidden = maya.publishes_direct()
    maya.removes(gone)
    asked = ",".join([two["id"], "1", hidden["id"], one["id"], gone["id"], two["id"]])
    assert done(maya.get("/api/v1/posts", params={"ids": asked})) == {"items": [two, maya.reads(hidden), one]}
    assert ids(done(api.nobody.get("/api/v1/posts", params={"ids": asked}))["items"]) == [
        two["id"],
        one["id"],
    ]


@pytest.mark.parametrize(
    "asked",
    ["", ",", "1,", "x", "1,x", "007", "-1", "1 2", "1;2", "9" * 20, "9223372036854775808", ",".join(["1"] * 101)],
)  # fmt: skip
def test_in2_bad_ids_are_refused(api: Api, asked: str) -> None:
    problem = refused(api.nobody.get("/api/v1/posts", params={"ids": asked}), 400, "query_invalid")
    assert problem["errors"][0]["pointer"] == "/query/ids"


def test_in2_a_hundred_ids_are_accepted(api: Api) -> None:
    asked = ",".join(["9223372036854775807"] * 100)
    assert done(api.nobody.get("/api/v1/posts", params={"ids": asked})) == {"items": []}
    assert refusal(api.nobody.get("/api/v1/posts")) == (400, "query_invalid")


# --- Context ----------------------------------------------------------------------------------------


def test_a_context_has_the_posts_above_and_below(api: Api) -> None:
    maya = api.someone()
    top = maya.publishes("top")
    middle = maya.comments(top, "middle")
    other = maya.comments(top, "other")
    low = [maya.comments(middle, "low"), maya.comments(middle, "low")]
    lowest = maya.comments(low[0], "lowest")
    found = context(maya, middle)
    assert found["ancestors"] == [maya.reads(top)]
    assert ids(found["descendants"]) == ids([*low, lowest])
    assert (found["more_ancestors"], found["more_descendants"]) == (False, False)
    assert ids(context(maya, top)["descendants"]) == ids([middle, other, *low, lowest])
    assert ids(context(maya, lowest)["ancestors"]) == ids([top, middle, low[0]])


def test_a_long_thread_is_cut_and_flagged(api: Api) -> None:
    maya = api.someone()
    thread = [maya.publishes("0")]
    for number in range(1, 203):
        thread.append(maya.comments(thread[-1], str(number)))
    found = context(maya, thread[-1])
    assert ids(found["ancestors"]) == ids(thread[102:202])
    assert (found["more_ancestors"], found["more_descendants"]) == (True, False)
    for top, end, more in ((0, 201, True), (1, 202, True), (2, 203, False), (160, 203, False)):
        found = context(maya, thread[top])
        assert ids(found["descendants"]) == ids(thread[top + 1 : end])
        assert found["more_descendants"] is more


def test_a_long_chain_beside_a_wide_level_is_cut_at_the_limit_of_posts(api: Api) -> None:
    """Level by level: posts of a wide level come before deeper ones."""
    maya = api.someone()
    top = maya.publishes()
    chain = [maya.comments(top, "first")]
    others = [maya.comments(top, str(number)) for number in range(30)]
    for number in range(30):
        chain.append(maya.comments(chain[-1], str(number)))
    maya.removes(chain[10])

    found = context(maya, top)

    assert ids(found["descendants"]) == ids([chain[0], *others, *chain[1:]])
    assert found["descendants"][30 + 10] == tombstone(chain[10])
    assert found["more_descendants"] is False


def test_a_wide_thread_is_cut_and_flagged(api: Api) -> None:
    maya = api.someone()
    top = maya.publishes()
    first = maya.comments(top)
    below = [maya.comments(first) for _ in range(21)]
    found = context(maya, top)
    assert ids(found["descendants"]) == ids([first, *below[:20]])
    assert found["more_descendants"] is True
    assert ids(context(maya, first)["descendants"]) == ids(below)


def test_az2_a_deleted_post_above_looks_like_a_hidden_one(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    stones = []
    for visibility, deleted in (("followers", False), ("followers", True), ("public", True)):
        top = maya.publishes("secret")
        middle = maya.comments(top, "secret", visibility=visibility)
        low = maya.comments(middle, f"@{willy.username}")
        if deleted:
            maya.removes(middle)
        above = context(willy, low)["ancestors"]
        assert above[0] == willy.reads(top)
        assert above[1] == tombstone(middle)
        stones.append(set(above[1]))
    assert stones[0] == stones[1] == stones[2]


# --- Trees ------------------------------------------------------------------------------------------


def test_a_tree_has_the_first_answers_to_each_comment(api: Api) -> None:
    maya = api.someone()
    top = maya.publishes()
    one, two = maya.comments(top, "one"), maya.comments(top, "two")
    below = [maya.comments(one, str(number)) for number in range(7)]
    lowest = maya.comments(below[0], "lowest")

    assert all("answers" not in item for item in comments(maya, top)["items"])
    first, second = comments(maya, top, depth=2)["items"]
    assert (first["id"], second["id"]) == (one["id"], two["id"])
    assert second["answers"] == {"items": [], "next": None}
    assert ids(first["answers"]["items"]) == ids(below[:5])
    rest = comments(maya, one, cursor=first["answers"]["next"])
    assert ids(rest["items"]) == ids(below[5:])
    opened, *closed = first["answers"]["items"]
    assert [item["answers"] for item in closed] == [{"items": [], "next": None}] * 4
    assert opened["answers"]["items"] == []
    assert ids(comments(maya, opened, cursor=opened["answers"]["next"])["items"]) == [lowest["id"]]
    deeper = comments(maya, top, depth=3)["items"][0]["answers"]["items"][0]
    assert deeper["answers"]["items"] == [maya.reads(lowest) | {"answers": {"items": [], "next": None}}]


@pytest.mark.parametrize("depth", ["0", "6", "-1", "x", ""])
def test_in2_a_depth_out_of_range_is_refused(api: Api, depth: str) -> None:
    post = api.someone().publishes()
    response = api.nobody.get(f"/api/v1/posts/{post['id']}/comments", params={"depth": depth})
    assert refusal(response) == (400, "query_invalid")


def test_a_thread_continues_on_further_pages(api: Api) -> None:
    maya = api.someone()
    top = maya.publishes()
    listed = [maya.comments(top) for _ in range(5)]
    path = f"/api/v1/posts/{top['id']}/comments?depth=2"
    first = done(maya.get(f"{path}&limit=2"))
    second = done(maya.get(f"{path}&limit=3&cursor={first['next']}"))
    assert ids([*first["items"], *second["items"]]) == ids(listed)
    assert all("answers" in item for item in second["items"])


# --- Tombstones -------------------------------------------------------------------------------------


def test_a_deleted_comment_with_answers_leaves_a_tombstone(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    top = maya.publishes()
    middle = willy.comments(top, f"words #tag @{maya.username} https://example.org")
    low = maya.comments(middle)
    willy.removes(middle)
    for somebody in (maya, willy, api.nobody):
        assert comments(somebody, top)["items"] == [tombstone(middle)]
        assert comments(somebody, top, depth=2)["items"] == [
            tombstone(middle)
            | {
                "answers": {
                    "items": [somebody.reads(low) | {"answers": {"items": [], "next": None}}],
                    "next": None,
                }
            }
        ]
        assert context(somebody, top)["descendants"] == [tombstone(middle), somebody.reads(low)]
        assert ids(comments(somebody, middle)["items"]) == [low["id"]]
        assert not somebody.sees(middle)
        assert refusal(somebody.get(f"/api/v1/posts/{middle['id']}/history")) == (404, "post_not_found")
        assert refusal(somebody.get(f"/api/v1/posts/{middle['id']}/context")) == (404, "post_not_found")
    assert maya.reads(top)["counts"]["comments"] == 0
    response = maya.post(f"/api/v1/posts/{middle['id']}/comments", {"text": "late"})
    assert refusal(response) == (404, "post_not_found")
    assert refusal(maya.put(f"/api/v1/posts/{middle['id']}/like")) == (404, "post_not_found")


def test_a_tombstone_disappears_with_its_last_answer(api: Api) -> None:
    maya = api.someone()
    top = maya.publishes()
    thread = [top]
    for _ in range(4):
        thread.append(maya.comments(thread[-1]))
    for post in thread[1:4]:
        maya.removes(post)
        assert comments(maya, top)["items"] == [tombstone(thread[1])]
    maya.removes(thread[4])
    assert comments(maya, top)["items"] == []
    assert context(maya, top)["descendants"] == []
    for post in thread[1:]:
        assert refusal(maya.get(f"/api/v1/posts/{post['id']}/comments")) == (404, "post_not_found")


def test_az5_a_hidden_answer_keeps_no_tombstone(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    top = maya.publishes()
    middle = maya.comments(top)
    willy.comments(middle, visibility="direct")
    maya.removes(middle)
    for somebody in (maya, willy, api.nobody):
        assert comments(somebody, top)["items"] == []


# --- Races ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deleted", ["the post", "a comment"])
def test_di5_nothing_is_committed_on_a_post_after_its_deletion_was_answered(api: Api, deleted: str) -> None:
    maya, willy = api.someone(), api.someone()
    for _ in range(5):
        top = maya.publishes()
        post = top if deleted == "the post" else maya.comments(top)
        path = f"/api/v1/posts/{post['id']}"
        with ThreadPoolExecutor(12) as pool:
            writes = [pool.submit(willy.post, f"{path}/comments", {"text": "race"}) for _ in range(6)]
            writes += [pool.submit(willy.put, f"{path}/like") for _ in range(3)]
            removed = pool.submit(maya.delete, path)
            writes += [pool.submit(willy.post, f"{path}/comments", {"text": "race"}) for _ in range(3)]
            assert removed.result().status_code == 204
            for late in (willy.post(f"{path}/comments", {"text": "late"}), willy.put(f"{path}/like")):
                assert refusal(late) == (404, "post_not_found")
            answers = [write.result() for write in writes]
        for answer in answers:
            assert answer.status_code in {200, 201, 404}, answer.text
        kept = sum(answer.status_code == 201 for answer in answers)
        if deleted == "a comment" and kept:
            assert comments(maya, top)["items"] == [tombstone(post)]
            assert len(maya.all_items(f"{path}/comments")) == kept
        else:
            assert refusal(maya.get(f"{path}/comments")) == (404, "post_not_found")


def test_answers_that_race_with_deletions_leave_a_consistent_tree(api: Api) -> None:
    """A comment and two comments on it are deleted at the same time: the thread is empty, or keeps all its places."""
    maya = api.someone()
    for _ in range(5):
        top = maya.publishes()
        middle = maya.comments(top)
        below = [maya.comments(middle) for _ in range(3)]
        with ThreadPoolExecutor(4) as pool:
            gone = [pool.submit(maya.delete, f"/api/v1/posts/{post['id']}") for post in (middle, *below)]
            assert {one.result().status_code for one in gone} == {204}
        assert comments(maya, top)["items"] == []
        assert maya.reads(top)["counts"]["comments"] == 0
