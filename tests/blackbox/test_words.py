"""The texts of posts over HTTP: mentions, hashtags, links, languages, and search."""

import secrets
import string
from typing import Any
from urllib.parse import quote

import pytest

from .client import Api, Json, Member, done, eventually, field_errors, refused
from .test_edits import cut

pytestmark = pytest.mark.short_run_shapes("embedded", "postgres")


def salt() -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(12))


def named(post: Json, kind: str) -> list[str]:
    """The texts of the entities, as a client with UTF-16 strings cuts them out."""
    return [cut(post["text"], entity) for entity in post["entities"] if entity["type"] == kind]


def confide(author: Member, text: str, **members: Any) -> Any:
    return author.post("/api/v1/posts", {"text": text, "visibility": "direct", **members})


def codes_of_errors(response: Any) -> list[str]:
    """The error codes in a refusal of a direct post that reaches nobody."""
    return [fault["code"] for fault in refused(response, 422, "nobody_reached")["errors"]]


# --- Mentions ----------------------------------------------------------------------------


def test_addresses_on_other_servers_are_no_mentions(api: Api) -> None:
    maya, lea = api.someone(), api.someone()
    for address in (
        "@{}@example.social",
        "@{}.bsky.social",
        "＠{}＠example.social",
        "@{}-x.bsky.social",
        "@{}\u200b@example.social",
        "x@{}",
    ):
        text = address.format(lea.username)
        assert codes_of_errors(confide(maya, f"for {text} only")) == ["nobody_reached"]
        post = maya.publishes(text, visibility="followers")
        assert post["mentions"] == []
        assert post["entities"] == []
        assert not lea.sees(post)


@pytest.mark.parametrize(
    "text",
    [
        "@{}.",
        "@{}...",
        "@{}'s",
        "(@{})",
        "@{}さん",
        "@{}님",
        "你好@{}你好",
        "＠{}",
        "@{}۔",
        "привет@{}, как",
        "🐝🐝@{}",
    ],
)
def test_local_users_are_mentioned(api: Api, text: str) -> None:
    maya, lea = api.someone(), api.someone()
    post = done(confide(maya, text.format(lea.username)), 201)

    assert [mention["id"] for mention in post["mentions"]] == [lea.id]
    assert [piece[1:] for piece in named(post, "mention")] == [lea.username]
    assert lea.sees(post)


def test_a_mention_of_a_longer_username_does_not_mention_its_prefix(api: Api) -> None:
    maya, lea = api.someone(), api.someone()
    for end in ("é", "x", "ß", "３", "_"):
        assert codes_of_errors(confide(maya, f"@{lea.username}{end}")) == ["nobody_reached"]


def test_a_direct_post_that_reaches_nobody_is_refused_for_any_reason(api: Api) -> None:
    maya, blocker, blocked, gone = (api.someone() for _ in range(4))
    done(blocker.put(f"/api/v1/users/{maya.id}/block"))
    done(maya.put(f"/api/v1/users/{blocked.id}/block"))
    done(gone.delete("/api/v1/me", params={"confirm": gone.username}), 204)

    def settled() -> None:
        problems = []
        for name in (blocker.username, blocked.username, gone.username, maya.username, "nobody_of_this_name"):
            problem = refused(confide(maya, f"psst @{name}"), 422, "nobody_reached")
            problems.append(problem | {"request_id": None})
        assert codes_of_errors(confide(maya, "psst")) == ["nobody_reached"]
        assert all(problem == problems[0] for problem in problems)

    eventually(settled)
    lea = api.someone()
    post = done(confide(maya, f"psst @{lea.username} @{blocker.username}"), 201)
    assert [mention["id"] for mention in post["mentions"]] == [lea.id]
    assert maya.all_items(f"/api/v1/users/{maya.id}/posts") == [post]


def test_a_comment_that_reaches_nobody_is_refused(api: Api) -> None:
    maya, lea = api.someone(), api.someone()
    open_post = maya.publishes()
    response = maya.post(
        f"/api/v1/posts/{open_post['id']}/comments", {"text": "note", "visibility": "direct"}
    )
    assert codes_of_errors(response) == ["nobody_reached"]
    assert maya.comments(open_post, f"@{lea.username}", visibility="direct")["visibility"] == "direct"
    direct = done(confide(maya, f"@{lea.username}"), 201)
    maya.comments(direct, "are you there?")
    done(lea.put(f"/api/v1/users/{maya.id}/block"))

    def refuses() -> None:
        response = maya.post(f"/api/v1/posts/{direct['id']}/comments", {"text": "are you there?"})
        assert codes_of_errors(response) == ["nobody_reached"]

    eventually(refuses)


def test_an_edit_adds_people_while_a_direct_post_has_reached_nobody(api: Api) -> None:
    maya, gone, lea, flip = (api.someone() for _ in range(4))
    post = done(confide(maya, f"@{gone.username}"), 201)
    done(gone.delete("/api/v1/me", params={"confirm": gone.username}), 204)

    def edited() -> None:
        done(maya.patch(f"/api/v1/posts/{post['id']}", {"text": f"for @{lea.username}, {salt()}"}))
        assert lea.sees(post)

    eventually(edited)
    done(maya.patch(f"/api/v1/posts/{post['id']}", {"text": f"for @{lea.username} and @{flip.username}"}))
    assert (lea.sees(post), flip.sees(post)) == (True, False)
    assert [mention["id"] for mention in maya.reads(post)["mentions"]] == [lea.id]

    def notified() -> None:
        items = done(lea.get("/api/v1/notifications"))["items"]
        assert [(item["type"], item["post"]["id"]) for item in items] == [("mention", post["id"])]

    eventually(notified)
    assert done(flip.get("/api/v1/notifications"))["items"] == []


def test_twenty_mentions_are_accepted_and_a_twenty_first_is_refused(api: Api) -> None:
    maya, lea = api.someone(), api.someone()
    names = [lea.username, *(f"nobody_{number}_{salt()[:8]}" for number in range(19))]
    text = "🐝 " + " ".join(f"@{name}" for name in [*names, *names])

    post = maya.publishes(text)

    assert named(post, "mention") == [f"@{lea.username}"] * 2
    too_many = {"text": f"{text} @one_too_many"}
    assert field_errors(maya.post("/api/v1/posts", too_many)) == {"/text": "too_many_mentions"}
    assert field_errors(maya.patch(f"/api/v1/posts/{post['id']}", too_many)) == {"/text": "too_many_mentions"}
    assert maya.reads(post)["text"] == text


# --- Hashtags and links ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("スター・ウォーズ~", "スター・ウォーズ~"),
        ("col·legi~", "col·legi~"),
        ("iŀlusió~", "il·lusió~"),
        ("محمد_ﷺ~", "محمد_ﷺ~"),
        ("İstanbul~", "istanbul~"),
        ("צה״ל~", "צה״ל~"),
        ("می\u200cخواهم~", "می\u200cخواهم~"),
    ],
)
def test_a_hashtag_is_complete_and_the_same_on_every_path(api: Api, written: str, tag: str) -> None:
    maya, rare = api.someone(), salt()
    written, tag = written.replace("~", f"_{rare}"), tag.replace("~", f"_{rare}")
    post = maya.publishes(f"🐝 #{written}, #{tag}.")

    assert post["hashtags"] == [tag]
    assert named(post, "hashtag") == [f"#{written}", f"#{tag}"]
    for asked in (written, tag, written.lower(), written.upper()):
        page = done(api.nobody.get(f"/api/v1/feeds/hashtags/{quote(asked)}"))
        assert [item["id"] for item in page["items"]] == [post["id"]], asked
        found = done(api.nobody.get("/api/v1/search", params={"q": f"#{asked}", "type": "posts"}))
        assert [item["id"] for item in found["items"]] == [post["id"]], asked
        listed = done(api.nobody.get("/api/v1/search", params={"q": asked, "type": "hashtags"}))
        assert [item["tag"] for item in listed["items"]] == [tag], asked


def test_a_link_ends_before_the_punctuation_of_the_sentence(api: Api) -> None:
    maya, link = api.someone(), "https://example.org/a_(b)"
    marks = "، ؟ ؛ ۔ । ։ ። ။ ។ ། ｡ ､ ｣ 。 、 ） 」 ! ?) …".split()
    post = maya.publishes("🐝 " + " ".join(f"{link}{mark}" for mark in marks))

    assert named(post, "link") == [link] * len(marks)


# --- Languages --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("pt-br", "pt-BR"),
        ("EN", "en"),
        ("ca-valencia", "ca-valencia"),
        ("CA-es-VALENCIA", "ca-ES-valencia"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("sr-latn", "sr-Latn"),
        ("X-Private", "x-private"),
        ("I-Klingon", "i-klingon"),
        ("de-de-u-co-phonebk", "de-DE-u-co-phonebk"),
    ],
)
def test_a_language_is_accepted_in_any_case_and_stored_in_the_usual_one(
    api: Api, sent: str, stored: str
) -> None:
    maya = api.someone()
    post = maya.publishes(language=sent)
    comment = maya.comments(post, language=sent)
    edited = done(maya.patch(f"/api/v1/posts/{maya.publishes()['id']}", {"language": sent}))

    assert [one["language"] for one in (post, comment, edited, maya.reads(post))] == [stored] * 4
    versions = done(maya.get(f"/api/v1/posts/{edited['id']}/history"))["items"]
    assert versions[-1]["language"] == stored


@pytest.mark.parametrize("sent", ["", "english", "en_US", "en-", "x", "e", "de-1901-1901", "pt-BR\n", "日本"])
def test_an_invalid_language_is_refused(api: Api, sent: str) -> None:
    maya = api.someone()
    post = maya.publishes(language="en")
    for response in (
        maya.post("/api/v1/posts", {"text": "x", "language": sent}),
        maya.post(f"/api/v1/posts/{post['id']}/comments", {"text": "x", "language": sent}),
        maya.patch(f"/api/v1/posts/{post['id']}", {"language": sent}),
    ):
        assert field_errors(response) == {"/language": "language_format"}
    assert maya.reads(post)["language"] == "en"


# --- Search --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("Đà Nẵng", "da nang"),
        ("Łódź", "lodz"),
        ("smørrebrød", "smorrebrod"),
        ("ışık", "isik"),
        ("Ħamrun", "hamrun"),
        ("Ŧuŧŧá", "tutta"),
        ("Ærøskøbing", "aeroskobing"),
        ("cœur", "coeur"),
        ("Weiß", "weiss"),
        ("Þingvellir", "thingvellir"),
    ],
)
def test_posts_people_and_hashtags_are_found_without_accents(api: Api, written: str, asked: str) -> None:
    rare = salt()
    lea = api.someone(display_name=f"{written} {rare}")
    tag = f"{written}_{rare}".replace(" ", "").casefold()
    post = lea.publishes(f"{written} {rare} #{tag}")

    for q in (f"{asked} {rare}", f"{written} {rare}", f"{asked.upper()} {rare}"):
        found = done(api.nobody.get("/api/v1/search", params={"q": q, "type": "posts"}))
        assert [item["id"] for item in found["items"]] == [post["id"]], q
        people = done(api.nobody.get("/api/v1/search", params={"q": q, "type": "users"}))
        assert [item["id"] for item in people["items"]] == [lea.id], q
    begun = f"{asked.replace(' ', '')}_{rare}"
    tags = done(api.nobody.get("/api/v1/search", params={"q": begun, "type": "hashtags"}))
    assert [item["tag"] for item in tags["items"]] == post["hashtags"]
    found = done(api.nobody.get("/api/v1/search", params={"q": f"#{begun}", "type": "posts"}))
    assert [item["id"] for item in found["items"]] == [post["id"]]


def test_a_zero_width_space_separates_words(api: Api) -> None:
    lea, rare = api.someone(), salt()
    post = lea.publishes(f"honey\u200b{rare}\u200bbee")

    for q, expected in ((rare, [post["id"]]), (f'"honey {rare} bee"', [post["id"]]), (f"honey{rare}bee", [])):
        found = done(api.nobody.get("/api/v1/search", params={"q": q, "type": "posts"}))
        assert [item["id"] for item in found["items"]] == expected, q
