"""Posting, commenting and liking."""

import pytest

from .client import Api, done, field_errors, refusal

VISIBILITIES = ("public", "unlisted", "followers", "direct")


def test_a_post_has_the_members_that_were_sent(api: Api) -> None:
    maya = api.someone(display_name="Maya")
    response = maya.post(
        "/api/v1/posts",
        {
            "text": " Bees\r\ndance. \U0001f41d ",
            "visibility": "unlisted",
            "content_warning": "bees",
            "language": "en",
        },
    )
    post = done(response, 201)
    assert response.headers["location"] == f"/api/v1/posts/{post['id']}"
    assert post == {
        "type": "post",
        "id": post["id"],
        "author": {"id": maya.id, "username": maya.username, "display_name": "Maya", "avatar_url": None},
        "text": "Bees\ndance. \U0001f41d",
        "visibility": "unlisted",
        "content_warning": "bees",
        "language": "en",
        "reply_to": None,
        "created_at": post["created_at"],
        "edited_at": None,
        "media": [],
        "mentions": [],
        "hashtags": [],
        "entities": [],
        "counts": {"comments": 0, "likes": 0, "reposts": 0},
        "pinned": False,
        "viewer": {"liked": False, "reposted": False, "bookmarked": False},
    }
    assert maya.reads(post) == post
    del post["viewer"]
    assert api.nobody.reads(post) == post


def test_a_post_is_public_by_default(api: Api) -> None:
    assert api.someone().publishes()["visibility"] == "public"


def test_existing_users_are_mentioned_in_any_letter_case(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes(
        f"@{willy.username.upper()} and @{willy.username} and @nobody_here_x, mail@{maya.username}"
    )
    assert post["mentions"] == [{"id": willy.id, "username": willy.username}]
    assert api.nobody.reads(post)["mentions"] == post["mentions"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"/text": "missing"}),
        ({"text": ""}, {"/text": "empty"}),
        ({"text": " \n\t\u200b\u2060 "}, {"/text": "empty"}),
        ({"text": "x" * 2001}, {"/text": "too_long"}),
        ({"text": "e" + "\u0301" * 4001}, {"/text": "too_long"}),
        ({"text": "nul \x00"}, {"/text": "characters"}),
        ({"text": "bell \x07"}, {"/text": "characters"}),
        ({"text": 1}, {"/text": "type"}),
        ({"text": None}, {"/text": "type"}),
        ({"text": ["x"]}, {"/text": "type"}),
        ({"text": "x", "visibility": "secret"}, {"/visibility": "type"}),
        ({"text": "x", "visibility": True}, {"/visibility": "type"}),
        ({"text": "x", "language": "english"}, {"/language": "language_format"}),
        ({"text": "x", "content_warning": "x" * 201}, {"/content_warning": "too_long"}),
        ({"text": "x", "content_warning": "line\nbreak"}, {"/content_warning": "characters"}),
        ({"text": "x", "reply_to": 1}, {"/reply_to": "type"}),
        (
            {"text": "", "language": "?", "content_warning": "\x00"},
            {"/text": "empty", "/language": "language_format", "/content_warning": "characters"},
        ),
    ],
    ids=lambda value: ascii(value)[:50],
)
def test_an_invalid_post_is_refused(api: Api, body: dict[str, object], expected: dict[str, str]) -> None:
    assert field_errors(api.someone().post("/api/v1/posts", body)) == expected


def test_in2_text_up_to_its_limits_is_accepted(api: Api) -> None:
    maya = api.someone()
    for text in ("x" * 2000, "\U0001f41d" * 2000, "👩‍👩‍👧‍👦" * 320):
        assert maya.publishes(text)["text"] == text


def test_text_is_stored_in_its_composed_form(api: Api) -> None:
    assert api.someone().publishes("Ame\u0301lie")["text"] == "Amélie"


def test_a_comment_is_a_post_that_answers_another(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    comment = willy.comments(post, "So they are.")
    answer = maya.publishes("Indeed.", reply_to=comment["id"])
    assert willy.reads(answer) == answer
    assert (comment["reply_to"], answer["reply_to"]) == (post["id"], comment["id"])
    assert maya.reads(post)["counts"]["comments"] == 1
    assert maya.reads(comment)["counts"]["comments"] == 1
    assert [item["id"] for item in api.nobody.all_items(f"/api/v1/posts/{post['id']}/comments")] == [
        comment["id"]
    ]
    assert [item["id"] for item in api.nobody.all_items(f"/api/v1/posts/{comment['id']}/comments")] == [
        answer["id"]
    ]


def test_comments_are_not_among_the_posts_of_a_user(api: Api) -> None:
    maya = api.someone()
    post = maya.publishes()
    maya.comments(post)
    assert [item["id"] for item in api.nobody.all_items(f"/api/v1/users/{maya.id}/posts")] == [post["id"]]


def test_az2_only_the_author_can_delete_and_deleting_is_safe_to_repeat(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    path = f"/api/v1/posts/{post['id']}"
    assert refusal(api.nobody.delete(path)) == (401, "token_missing")
    assert refusal(willy.delete(path)) == (403, "not_the_author")
    assert maya.sees(post)
    maya.removes(post)
    maya.removes(post)
    assert not maya.sees(post)
    assert refusal(willy.delete(path)) == (404, "post_not_found")


def test_di5_a_deleted_post_refuses_every_operation(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    comment = willy.comments(post)
    maya.removes(post)
    path = f"/api/v1/posts/{post['id']}"
    for member in (maya, willy):
        assert refusal(member.post(f"{path}/comments", {"text": "late"})) == (404, "post_not_found")
        response = member.post("/api/v1/posts", {"text": "late", "reply_to": post["id"]})
        assert refusal(response) == (404, "post_not_found")
        assert refusal(member.put(f"{path}/like")) == (404, "post_not_found")
        assert refusal(member.delete(f"{path}/like")) == (404, "post_not_found")
        assert refusal(member.get(f"{path}/comments")) == (404, "post_not_found")
    assert willy.sees(comment)
    assert api.nobody.all_items(f"/api/v1/users/{maya.id}/posts") == []


def test_a_deleted_comment_no_longer_counts(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    comments = [willy.comments(post) for _ in range(3)]
    willy.removes(comments[1])
    willy.removes(comments[1])
    assert api.nobody.reads(post)["counts"]["comments"] == 2
    listed = api.nobody.all_items(f"/api/v1/posts/{post['id']}/comments")
    assert [item["id"] for item in listed] == [comments[0]["id"], comments[2]["id"]]


def test_di3_a_like_is_counted_once_and_undone_once(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    one = {
        "counts": {"comments": 0, "likes": 1, "reposts": 0},
        "viewer": {"liked": True, "reposted": False, "bookmarked": False},
        "pinned": False,
    }
    assert (willy.likes(post), willy.likes(post)) == (one, one)
    assert maya.likes(post)["counts"]["likes"] == 2
    assert (maya.reads(post)["viewer"]["liked"], willy.reads(post)["viewer"]["liked"]) == (True, True)
    assert api.nobody.reads(post)["counts"]["likes"] == 2
    for _ in range(2):
        taken = willy.unlikes(post)
        assert (taken["counts"]["likes"], taken["viewer"]["liked"]) == (1, False)
    assert willy.reads(post)["viewer"]["liked"] is False
    assert maya.reads(post)["counts"]["likes"] == 1


def test_a_like_changes_the_etag_of_a_post(api: Api) -> None:
    maya = api.someone()
    post = maya.publishes()
    path = f"/api/v1/posts/{post['id']}"
    before = maya.get(path).headers["etag"]
    maya.likes(post)
    assert maya.get(path, headers={"If-None-Match": before}).status_code == 200


def test_ap6_viewers_do_not_get_each_others_state(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    willy.likes(post)
    path = f"/api/v1/posts/{post['id']}"
    tags = {somebody.get(path).headers["etag"] for somebody in (maya, willy, api.nobody)}
    assert len(tags) == 3
    for somebody in (maya, willy, api.nobody):
        response = somebody.get(path)
        assert "private" in response.headers["cache-control"]
        assert "authorization" in response.headers["vary"].lower()
    assert maya.reads(post)["viewer"]["liked"] is False
    assert "viewer" not in api.nobody.reads(post)


def test_a_browser_gets_the_same_answer_as_any_other_client(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    post, hidden, gone = maya.publishes(), maya.publishes_direct(), maya.publishes()
    maya.removes(gone)
    tag = willy.get(f"/api/v1/posts/{post['id']}").headers["etag"]
    token = willy.tokens["access_token"]
    tokens = [token, "nonsense", f"{token} x", f" {token}"]
    authorizations = [
        {},
        *({"Authorization": f"Bearer {token}"} for token in tokens),
        {"Authorization": f"bearer {token}"},
        {"Authorization": f"Basic {token}"},
        {"Authorization": token},
    ]
    tags = [
        {},
        *(
            {"If-None-Match": known}
            for known in (tag, f"W/{tag}", "*", '"other"', "", "x" * 1000, "x" * 1001, tag * 40)
        ),
    ]
    for id_ in (post["id"], hidden["id"], gone["id"], "1", "007", "nonsense", f"{post['id']}/", "9" * 20):
        for method in ("GET", "HEAD"):
            for headers in [one | other for one in authorizations for other in tags]:
                answers = []
                for origin in ({}, {"Origin": "https://elsewhere.example"}):
                    response = api.nobody.request(method, f"/api/v1/posts/{id_}", headers=headers | origin)
                    shown = {
                        name: value
                        for name, value in response.headers.items()
                        if name not in {"x-request-id", "date", "vary"}
                        and not name.startswith("access-control")
                    }
                    body = response.json() if response.content else {}
                    body.pop("request_id", None)
                    answers.append((response.status_code, shown, body))
                assert answers[0] == answers[1], (id_, method, headers)
