"""Private accounts: their posts are for their followers, and for the users that they mention."""

from typing import Any

from .client import Api, Json, Member, Visitor, done, eventually, refusal, refused, value_once


def a_private_member(api: Api) -> Member:
    member = api.someone()
    goes_private(member)
    return member


def goes_private(member: Member, *, private: bool = True) -> None:
    assert done(member.patch("/api/v1/me", {"private": private}))["private"] is private


def until_hidden(post: Json, from_: Visitor) -> None:
    def hidden() -> None:
        assert not from_.sees(post)

    eventually(hidden)


def test_profiles_show_that_an_account_is_private(api: Api) -> None:
    ann = a_private_member(api)

    assert done(ann.get("/api/v1/me"))["private"] is True
    assert done(api.nobody.get(f"/api/v1/users/{ann.id}"))["private"] is True
    assert done(api.nobody.get("/api/v1/users", params={"username": ann.username}))["private"] is True
    assert api.logs_in(ann.username).user["private"] is True


def test_az4_becoming_private_hides_earlier_posts_at_once(api: Api) -> None:
    ann, bob = api.someone(), api.someone()
    posts = [ann.publishes(visibility=visibility) for visibility in ("public", "unlisted")]
    thread = bob.publishes()
    comment = ann.comments(thread)
    known = {post["id"]: bob.get(f"/api/v1/posts/{post['id']}").headers["etag"] for post in posts}

    goes_private(ann)

    def hidden() -> None:
        for viewer in (api.nobody, bob):
            assert not any(viewer.sees(post) for post in [*posts, comment])
            assert viewer.all_items(f"/api/v1/users/{ann.id}/posts") == []
            assert viewer.all_items(f"/api/v1/posts/{thread['id']}/comments") == []

    eventually(hidden, 1.0)
    for post in posts:  # not even 304
        tag = {"If-None-Match": known[post["id"]]}
        assert refusal(bob.get(f"/api/v1/posts/{post['id']}", headers=tag)) == (404, "post_not_found")
        assert ann.sees(post)
    assert len(ann.all_items(f"/api/v1/users/{ann.id}/posts")) == 2


def test_az4_later_posts_of_a_private_account_are_hidden_from_the_start(api: Api) -> None:
    ann, bob = a_private_member(api), api.someone()
    first = ann.publishes()
    until_hidden(first, from_=bob)

    later = ann.publishes()

    assert ann.sees(later)
    assert not bob.sees(later)
    assert not api.nobody.sees(later)


def test_hidden_posts_refuse_every_operation_like_posts_that_do_not_exist(
    api: Api,
) -> None:
    ann, bob, cat = api.someone(), api.someone(), api.someone()
    post = ann.publishes()
    likes = cat.likes(post)["counts"]["likes"]
    goes_private(ann)
    until_hidden(post, from_=bob)

    for method, path, body in (
        ("GET", "", None),
        ("PUT", "/like", None),
        ("DELETE", "/like", None),
        ("GET", "/comments", None),
        ("POST", "/comments", {"text": "hm"}),
        ("DELETE", "", None),
    ):
        answers = [
            bob.request(method, f"/api/v1/posts/{id_}{path}", json=body).json() for id_ in (post["id"], "1")
        ]
        for answer in answers:
            del answer["request_id"]
        assert answers[0] == answers[1]
        assert answers[0]["code"] == "post_not_found"
    assert ann.reads(post)["counts"] == post["counts"] | {"likes": likes}


def test_users_that_a_private_account_mentions_see_the_post(api: Api) -> None:
    ann, bob = a_private_member(api), api.someone()

    post = ann.publishes(f"hello @{bob.username}")

    assert bob.sees(post)
    assert bob.likes(post)["counts"]["likes"] == 1


def test_a_comment_of_a_private_account_is_for_the_author_above_and_its_mentions_and_is_not_counted(
    api: Api,
) -> None:
    """It is like a comment for followers: the author above sees it and is notified; the count includes open posts
    only."""
    ann, bob, cat, dan, eve = a_private_member(api), *(api.someone() for _ in range(4))
    done(dan.put(f"/api/v1/users/{ann.id}/follow"))
    done(ann.put(f"/api/v1/me/follow-requests/{dan.id}"))
    for visibility in ("public", "unlisted"):
        post = bob.publishes(visibility=visibility)
        open_comment = cat.comments(post)

        comment = ann.comments(post, f"hello @{cat.username}")

        assert comment["visibility"] == visibility
        assert {one["id"] for one in comment["mentions"]} == {bob.id, cat.id}
        for viewer, sees in (
            (ann, True),
            (bob, True),
            (cat, True),
            (dan, True),
            (eve, False),
            (api.nobody, False),
        ):
            assert viewer.sees(comment) is sees
            below = [open_comment["id"], comment["id"]] if sees else [open_comment["id"]]
            path = f"/api/v1/posts/{post['id']}"
            assert [one["id"] for one in viewer.all_items(f"{path}/comments")] == below
            context = done(viewer.get(f"{path}/context"))
            assert [one["id"] for one in context["descendants"]] == below
            assert viewer.reads(post)["counts"]["comments"] == 1
        for who, kind in ((bob, "comment"), (cat, "mention")):
            eventually(lambda who=who, kind=kind, comment=comment: is_told(who, kind, comment))  # type: ignore[misc]
        edited = done(ann.patch(f"/api/v1/posts/{comment['id']}", {"text": "hello"}))
        assert [one["id"] for one in edited["mentions"]] == [bob.id]
        answer = bob.comments(comment, "hello to you")
        assert ann.sees(answer)
        ann.removes(comment)
        assert bob.reads(post)["counts"]["comments"] == 1
        assert [one["id"] for one in eve.all_items(f"/api/v1/posts/{post['id']}/comments")] == [
            open_comment["id"]
        ]


def is_told(who: Member, kind: str, post: Json) -> None:
    items = done(who.get("/api/v1/notifications"))["items"]
    assert (kind, post["id"]) in {(item["type"], item["post"]["id"]) for item in items if item["post"]}


def test_comments_follow_their_account_when_it_becomes_private_and_opens_again(api: Api) -> None:
    ann, bob = api.someone(), api.someone()
    post = bob.publishes()
    comments = [ann.comments(post, f"number {number}") for number in range(3)]
    cat = api.someone()
    cat.comments(post)
    assert api.nobody.reads(post)["counts"]["comments"] == 4

    for private, count in ((True, 1), (False, 4), (True, 1)):
        goes_private(ann, private=private)

        def counted(count: int = count) -> None:
            assert api.nobody.reads(post)["counts"]["comments"] == count

        eventually(counted)
        assert all(cat.sees(comment) is not private for comment in comments)
    ann.removes(comments[0])
    assert bob.reads(post)["counts"]["comments"] == 1


def test_an_account_can_become_open_again(api: Api) -> None:
    ann = a_private_member(api)
    post = ann.publishes()
    until_hidden(post, from_=api.nobody)

    goes_private(ann, private=False)

    assert value_once(lambda: api.nobody.sees(post), expected=True)


def test_private_must_be_a_boolean(api: Api) -> None:
    ann = api.someone()
    nonsense: object
    for nonsense in ("true", 1, [], {}):
        assert refusal(ann.patch("/api/v1/me", {"private": nonsense})) == (422, "invalid")
    assert done(ann.patch("/api/v1/me", {"private": None}))["private"] is False
    assert done(ann.patch("/api/v1/me", {}))["private"] is False


def test_az8_no_other_member_of_an_account_can_be_set(api: Api) -> None:
    """Each member of the answer, sent back with another value, is refused by name, and nothing changes."""
    ann = api.someone()
    before = done(ann.get("/api/v1/me"))
    changed: dict[str, Any] = {
        member: {str: "7", bool: True, dict: {"posts": 7, "followers": 7}, type(None): "x"}[type(value)]
        for member, value in before.items()
    }
    declared = {"display_name", "bio", "private"}

    for member, value in changed.items():
        if member not in declared:
            problem = refused(ann.patch("/api/v1/me", {member: value, "bio": "changed"}), 422, "invalid")
            assert problem["errors"] == [
                {"pointer": f"/{member}", "code": "unknown", "detail": "there is no such member"}
            ]
    for member in ("role", "is_admin", "version", "password", "password_hash", "user_id", "email_verified"):
        assert refusal(ann.patch("/api/v1/me", {member: "x"})) == (422, "invalid")
    for member, value in changed.items():
        if member not in {"username", "email", "display_name"}:
            assert refusal(api.registers("nobody_yet", **{member: value})) == (422, "invalid")
    assert done(ann.get("/api/v1/me")) == before
