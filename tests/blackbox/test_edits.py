"""Editing, the history of a post, and the entities of its text."""

import httpx
import pytest

from .client import Api, Json, Member, done, eventually, field_errors, fresh_key, refusal, refused

FAMILY = "👩‍👩‍👧‍👦"
ZALGO = "Z" + "\u0300" * 499


def edit(member: Member, post: Json, **members: object) -> Json:
    return done(member.patch(f"/api/v1/posts/{post['id']}", members))


def history(api: Api, post: Json) -> list[Json]:
    return api.nobody.all_items(f"/api/v1/posts/{post['id']}/history", limit=2)


def cut(text: str, entity: Json) -> str:
    return text.encode("utf-16-le")[entity["start"] * 2 : entity["end"] * 2].decode("utf-16-le")


def test_an_edit_changes_only_the_members_that_are_sent(api: Api) -> None:
    maya = api.someone()
    post = maya.publishes("one", content_warning="bees", language="en", visibility="unlisted")
    edited = edit(maya, post, text=" two\r\n")
    assert edited == post | {"text": "two", "edited_at": edited["edited_at"]}
    assert edited["edited_at"] is not None
    assert api.nobody.reads(post)["text"] == "two"
    edited = edit(maya, post, content_warning="", language=None)
    assert (edited["text"], edited["content_warning"], edited["language"]) == ("two", "", None)


def test_an_edit_without_changes_makes_no_version(api: Api) -> None:
    maya = api.someone()
    post = maya.publishes("one")
    tag = maya.get(f"/api/v1/posts/{post['id']}").headers["etag"]
    for same in ({}, {"text": "one"}, {"text": " one "}, {"text": None}, {"language": None}):
        response = maya.patch(f"/api/v1/posts/{post['id']}", same)
        assert (done(response), response.headers["etag"]) == (post, tag)
    assert len(history(api, post)) == 1


def test_earlier_versions_have_the_audience_of_the_post(api: Api) -> None:
    maya = api.someone()
    post = maya.publishes("one #bees", content_warning="w")
    second = edit(maya, post, text="two")
    third = edit(maya, post, content_warning="")
    versions = history(api, post)
    assert [(one["version"], one["text"], one["content_warning"]) for one in versions] == [
        (1, "one #bees", "w"),
        (2, "two", "w"),
        (3, "two", ""),
    ]
    assert [one["created_at"] for one in versions] == [
        post["created_at"],
        second["edited_at"],
        third["edited_at"],
    ]
    assert versions[0]["entities"] == post["entities"]
    maya.removes(post)
    for somebody in (maya, api.nobody):
        assert refusal(somebody.get(f"/api/v1/posts/{post['id']}/history")) == (404, "post_not_found")


def test_ap7_the_second_of_two_editors_gets_a_conflict(api: Api) -> None:
    maya = api.someone()
    post = maya.publishes("one")
    path = f"/api/v1/posts/{post['id']}"
    tag = maya.get(path).headers["etag"]
    api.someone().likes(post)  # changes the answer, but not the edited members
    first = maya.patch(path, {"text": "two"}, headers={"If-Match": tag})
    response = maya.patch(path, {"text": "three"}, headers={"If-Match": tag})
    assert refusal(response) == (412, "precondition_failed")
    assert maya.reads(post)["text"] == done(first)["text"] == "two"
    done(maya.patch(path, {"text": "three"}, headers={"If-Match": first.headers["etag"]}))
    for tag in ('"nonsense"', '"99.0123456789abcdef"'):
        response = maya.patch(path, {"text": "x"}, headers={"If-Match": tag})
        assert refusal(response) == (412, "precondition_failed")


def test_az2_only_the_author_can_edit_and_hidden_posts_are_not_found(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes("one")
    hidden, gone = maya.publishes_direct(), maya.publishes("gone")
    maya.removes(gone)
    assert refusal(willy.patch(f"/api/v1/posts/{post['id']}", {"text": "two"})) == (403, "not_the_author")
    assert refusal(api.nobody.patch(f"/api/v1/posts/{post['id']}", {"text": "two"})) == (401, "token_missing")
    answers = []
    for id_ in (hidden["id"], gone["id"], "1", "nonsense"):
        for method, tail in (("PATCH", ""), ("GET", "/history"), ("GET", "/context")):
            body = {"text": "two"} if method == "PATCH" else None
            problem = refused(
                willy.request(method, f"/api/v1/posts/{id_}{tail}", json=body), 404, "post_not_found"
            )
            problem.pop("request_id")
            answers.append(problem)
    assert all(answer == answers[0] for answer in answers)
    assert refusal(maya.patch(f"/api/v1/posts/{gone['id']}", {"text": "two"})) == (404, "post_not_found")
    assert maya.reads(post) == post


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"text": ""}, {"/text": "empty"}),
        ({"text": "x" * 2001}, {"/text": "too_long"}),
        ({"text": 1}, {"/text": "type"}),
        ({"visibility": "public"}, {"/visibility": "unknown"}),
        ({"reply_to": "1"}, {"/reply_to": "unknown"}),
        ({"language": "english", "content_warning": "\x00"}, {"/language": "language_format", "/content_warning": "characters"}),
    ],
)  # fmt: skip
def test_an_invalid_edit_is_refused(api: Api, body: dict[str, object], expected: dict[str, str]) -> None:
    maya = api.someone()
    post = maya.publishes("one")
    assert field_errors(maya.patch(f"/api/v1/posts/{post['id']}", body)) == expected
    assert maya.reads(post) == post


def test_a_post_can_be_edited_at_most_a_hundred_times(api: Api) -> None:
    maya = api.someone()
    post = maya.publishes("0")
    for number in range(1, 101):
        edit(maya, post, text=str(number))
    assert refusal(maya.patch(f"/api/v1/posts/{post['id']}", {"text": "101"})) == (409, "too_many_edits")
    assert edit(maya, post, text="100")["text"] == "100", "what changes nothing is no edit"
    assert [one["text"] for one in history(api, post)] == [str(number) for number in range(101)]


def test_az5_editing_mentions_changes_who_may_see_the_post(api: Api) -> None:
    maya, willy, flip = api.someone(), api.someone(), api.someone()
    post = maya.publishes(f"@{willy.username}", visibility="followers")
    edited = edit(maya, post, text=f"@{flip.username}")
    assert [mention["id"] for mention in edited["mentions"]] == [flip.id]
    assert (willy.sees(post), flip.sees(post)) == (False, True)


def test_az5_a_direct_post_keeps_its_people_when_it_is_edited(api: Api) -> None:
    maya, willy, flip = api.someone(), api.someone(), api.someone()
    post = maya.publishes(f"psst @{willy.username}", visibility="direct")
    answer = willy.comments(post, "what?")
    for member, one in ((maya, post), (willy, answer)):
        edited = edit(member, one, text=f"listen @{flip.username}")
        assert edited["mentions"] == one["mentions"]
        assert not flip.sees(one)
    assert willy.sees(post)
    assert maya.sees(answer)


def test_a_replay_has_the_first_text_until_it_is_deleted(api: Api) -> None:
    maya = api.someone()
    key = {"Idempotency-Key": fresh_key()}
    post = done(maya.post("/api/v1/posts", {"text": "one #bees"}, headers=key), 201)
    edit(maya, post, text="two")
    edit(maya, post, text="three")
    assert done(maya.post("/api/v1/posts", {"text": "one #bees"}, headers=key), 201) == post
    maya.removes(post)
    assert refusal(maya.post("/api/v1/posts", {"text": "one #bees"}, headers=key)) == (404, "post_not_found")


# --- Removing earlier versions -------------------------------------------------------------


def forgets(member: Member, post: Json, version: object) -> httpx.Response:
    return member.delete(f"/api/v1/posts/{post['id']}/history/{version}")


def test_an_author_can_remove_earlier_versions_and_the_others_stay(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    key = {"Idempotency-Key": fresh_key()}
    said = {"text": f"my secret #slip @{willy.username}"}
    post = done(maya.post("/api/v1/posts", said, headers=key), 201)
    willy.likes(post)
    for text in ("two", "three", "four"):
        edit(maya, post, text=text)
    before = maya.get(f"/api/v1/posts/{post['id']}")

    for version in (1, 1, 3, 3):
        done(forgets(maya, post, version), 204)

    assert [(one["version"], one["text"]) for one in history(api, post)] == [(2, "two"), (4, "four")]
    after = maya.get(f"/api/v1/posts/{post['id']}")
    assert (after.content, after.headers["etag"]) == (before.content, before.headers["etag"])
    assert done(maya.post("/api/v1/posts", said, headers=key), 201)["text"] == "two"
    done(forgets(maya, post, 2), 204)
    assert done(maya.post("/api/v1/posts", said, headers=key), 201)["text"] == "four"
    assert [one["version"] for one in history(api, post)] == [4]
    edit(maya, post, text="five")
    assert [one["version"] for one in history(api, post)] == [4, 5]
    done(forgets(maya, post, 1), 204)
    done(maya.delete(f"/api/v1/posts/{post['id']}"), 204)
    assert refusal(forgets(maya, post, 1)) == (404, "post_not_found")


def test_a_comment_s_earlier_version_is_removed_too(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    comment = willy.comments(maya.publishes(visibility="unlisted"), "hasty words")
    edit(willy, comment, text="better")
    done(forgets(willy, comment, 1), 204)
    assert [one["text"] for one in history(api, comment)] == ["better"]


def test_only_one_s_own_earlier_versions_can_be_removed(api: Api) -> None:
    maya, willy, flip = api.someone(), api.someone(), api.someone()
    post, direct = maya.publishes("one"), maya.publishes(f"one @{flip.username}", visibility="direct")
    assert refusal(forgets(maya, post, 1)) == (409, "current_version")
    for one in (post, direct):
        edit(maya, one, text="two")
    assert refusal(forgets(maya, post, 2)) == (409, "current_version")
    for version in (0, 3, -1, "x", "1.0", "%20", 10**19):
        assert refusal(forgets(maya, post, version)) == (404, "version_not_found")
    assert refusal(forgets(willy, post, 1)) == (403, "not_the_author")
    assert refusal(forgets(willy, direct, 1)) == (404, "post_not_found")
    assert refusal(forgets(willy, {"id": "1"}, 1)) == (404, "post_not_found")
    assert refusal(api.nobody.delete(f"/api/v1/posts/{post['id']}/history/1")) == (401, "token_missing")
    assert len(history(api, post)) == 2


# --- Entities ------------------------------------------------------------------------------


def test_a_post_has_the_entities_of_its_text(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    text = f"{FAMILY} @{willy.username} @nobody_here_x #Straße #STRASSE ＃日本語 (https://example.org/a_(b)?q=@x#y). שלום #שלום"
    post = maya.publishes(text)
    pieces = [(entity["type"], cut(post["text"], entity)) for entity in post["entities"]]
    assert pieces == [
        ("mention", f"@{willy.username}"),
        ("hashtag", "#Straße"),
        ("hashtag", "#STRASSE"),
        ("hashtag", "＃日本語"),
        ("link", "https://example.org/a_(b)?q=@x#y"),
        ("hashtag", "#שלום"),
    ]
    assert post["hashtags"] == ["strasse", "日本語", "שלום"]
    mention, tag, *_, link, _ = post["entities"]
    assert {name: mention[name] for name in ("id", "username")} == {
        "id": willy.id,
        "username": willy.username,
    }
    assert (tag["tag"], link["url"]) == ("strasse", "https://example.org/a_(b)?q=@x#y")
    assert set(tag) == {"type", "start", "end", "tag"}
    assert api.nobody.reads(post)["entities"] == post["entities"]
    edited = edit(maya, post, text="nothing")
    assert (edited["entities"], edited["hashtags"], edited["mentions"]) == ([], [], [])


@pytest.mark.parametrize(
    "text",
    ["x" * 2000, "🐝" * 2000, FAMILY * 320, "é" * 2000, ZALGO * 8],
    ids=["letters", "astral", "families", "accents", "zalgo"],
)
def test_in2_texts_up_to_their_limits_are_accepted(api: Api, text: str) -> None:
    maya = api.someone()
    post = maya.publishes("x")
    assert edit(maya, post, text=text)["text"] == maya.publishes(text)["text"] == text


@pytest.mark.parametrize(
    "text",
    ["x" * 2001, "🐝" * 2001, FAMILY * 321, ZALGO * 9, "e" + "\u0301" * 4001],
    ids=["letters", "astral", "families", "zalgo", "accents"],
)
def test_in2_texts_beyond_their_limits_are_refused(api: Api, text: str) -> None:
    maya = api.someone()
    post = maya.publishes("x")
    assert field_errors(maya.patch(f"/api/v1/posts/{post['id']}", {"text": text})) == {"/text": "too_long"}
    assert field_errors(maya.post("/api/v1/posts", {"text": text})) == {"/text": "too_long"}


def test_an_edit_does_not_change_the_post_count(api: Api) -> None:
    maya = api.someone()
    edit(maya, maya.publishes("one"), text="two")

    def counted() -> None:
        assert maya.get("/api/v1/me").json()["counts"]["posts"] == 1

    eventually(counted)
