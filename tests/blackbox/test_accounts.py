"""Registering, logging in, sessions, profiles."""

import itertools
from functools import partial

import pytest

from .client import PASSWORD, Api, done, eventually, field_errors, fresh_name, refused


def test_registering_answers_with_the_account_and_logs_it_in(api: Api) -> None:
    name = fresh_name()
    response = api.registers(name, display_name="  Maya 🐝 ")
    body = done(response, 201)
    assert set(body) == {"user", "tokens"}
    assert body["user"] == {
        "id": body["user"]["id"],
        "username": name,
        "display_name": "Maya 🐝",
        "bio": "",
        "avatar_url": None,
        "header_url": None,
        "private": False,
        "created_at": body["user"]["created_at"],
        "counts": {"posts": 0, "followers": 0, "following": 0},
    }
    assert set(body["tokens"]) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert body["tokens"]["token_type"] == "Bearer"
    assert response.headers["location"] == f"/api/v1/users/{body['user']['id']}"
    assert done(api.nobody.get(response.headers["location"])) == body["user"]


def test_ap6_answers_with_tokens_are_not_to_be_stored(api: Api) -> None:
    registered = api.registers(fresh_name())
    login = {"login": registered.json()["user"]["username"], "password": PASSWORD}
    for response in (
        registered,
        api.nobody.post("/api/v1/auth/login", login),
        api.refreshes(registered.json()["tokens"]),
    ):
        assert response.headers["cache-control"] == "no-store"


def test_a_username_is_taken_whatever_its_case(api: Api) -> None:
    maya = api.someone()
    for spelling in (maya.username, maya.username.upper(), maya.username.title()):
        refused(api.registers(spelling, f"other-{fresh_name()}@example.org"), 409, "username_taken")


def test_an_address_is_taken_whatever_its_case(api: Api) -> None:
    maya = api.someone()
    for spelling in (maya.email, maya.email.upper(), f"  {maya.email} "):
        refused(api.registers(fresh_name(), spelling), 409, "email_taken")


def test_a_username_is_stored_in_lower_case(api: Api) -> None:
    name = fresh_name()
    assert done(api.registers(name.upper(), f"{name}@example.org"), 201)["user"]["username"] == name


def test_every_fault_of_a_registration_is_named_at_once(api: Api) -> None:
    body = {"username": "é", "email": "nowhere", "password": "short", "display_name": "\x00"}
    assert field_errors(api.nobody.post("/api/v1/auth/register", body)) == {
        "/username": "username_format",
        "/email": "email_format",
        "/password": "password_too_short",
        "/display_name": "characters",
    }
    body = {"email": 1, "password": None, "surprise": "!"}  # type: ignore[dict-item]
    assert field_errors(api.nobody.post("/api/v1/auth/register", body)) == {
        "/username": "missing",
        "/email": "type",
        "/password": "type",
        "/surprise": "unknown",
    }


@pytest.mark.parametrize(
    "name",
    [
        "ab",
        "a" * 31,
        "has space",
        "has-dash",
        "\ufb01sh",
        "\u2177_viii",
        "\u212aelvin",
        "\u017fam",
        "admin",
        "",
    ],
)
def test_a_username_that_breaks_the_rules_is_refused(api: Api, name: str) -> None:
    assert list(field_errors(api.registers(name, f"{fresh_name()}@example.org"))) == ["/username"]


@pytest.mark.parametrize(
    "password",
    ["🐝" * 64, "x" * 256, "  blanks stay  ", "\ufb01" * 8, "nul\x00inside"],
    ids=["bees", "long", "blanks", "ligatures", "nul"],
)
def test_id3_a_password_of_any_characters_works(api: Api, password: str) -> None:
    name = fresh_name()
    done(api.registers(name, password=password), 201)
    api.logs_in(name, password)
    wrong = {"login": name, "password": password[:-1] + "!"}
    refused(api.nobody.post("/api/v1/auth/login", wrong), 401, "wrong_credentials")


def test_one_logs_in_by_name_and_by_address_in_any_case(api: Api) -> None:
    maya = api.someone()
    for login in (maya.username, maya.username.upper(), maya.email, maya.email.upper()):
        assert api.logs_in(login).user == maya.user


def test_id1_a_wrong_password_and_an_unknown_name_are_refused_alike(api: Api) -> None:
    maya = api.someone()
    answers = []
    for login, password in (
        (maya.username, "wrong password"),
        (maya.username, "x"),
        (maya.username, "x" * 1000),
        (maya.email, "wrong password"),
        (fresh_name(), "wrong password"),
        ("no@such.address", "wrong password"),
        ("\x00", "wrong password"),
    ):
        response = api.nobody.post("/api/v1/auth/login", {"login": login, "password": password})
        body = refused(response, 401, "wrong_credentials")
        del body["request_id"]
        headers = {
            name: value
            for name, value in response.headers.items()
            if name not in {"x-request-id", "date", "ratelimit"}
        }
        answers.append((body, headers))
    assert all(answer == answers[0] for answer in answers)


def test_refreshing_gives_new_tokens_that_work(api: Api) -> None:
    maya = api.someone()
    tokens = done(api.refreshes(maya.tokens))
    assert tokens["refresh_token"] != maya.tokens["refresh_token"]
    maya.tokens = tokens
    assert done(maya.get("/api/v1/me"))["id"] == maya.id


def test_id5_a_refresh_that_is_repeated_at_once_brings_the_same_successor(api: Api) -> None:
    maya = api.someone()
    successors = {done(api.refreshes(maya.tokens))["refresh_token"] for _ in range(5)}
    assert len(successors) == 1
    assert maya.tokens["refresh_token"] not in successors


def test_id5_every_generation_brings_its_answer_again_and_ends_nothing(api: Api) -> None:
    maya = api.someone()
    answers = [maya.tokens]
    for _ in range(4):
        answers.append(done(api.refreshes(answers[-1])))
    for used, answer in itertools.pairwise(answers):
        assert done(api.refreshes(used)) == answer
    newest = done(api.refreshes(answers[-1]))
    assert newest["refresh_token"] not in {each["refresh_token"] for each in answers}
    maya.tokens = newest
    done(maya.get("/api/v1/me"))


def test_id1_with_a_taken_name_nothing_is_said_about_an_address(api: Api) -> None:
    maya = api.someone()
    problems = [
        refused(api.registers(maya.username, address), 409, "username_taken")
        for address in (maya.email, f"{fresh_name()}@example.org")
    ]
    for problem in problems:
        del problem["request_id"]
    assert problems[0] == problems[1]


def test_the_end_of_a_session_leaves_the_others_alone(api: Api) -> None:
    maya = api.someone()
    elsewhere = api.logs_in(maya.username)
    done(maya.post("/api/v1/auth/logout"), 204)
    refused(maya.get("/api/v1/me"), 401, "invalid_token")
    done(elsewhere.get("/api/v1/me"))
    done(api.refreshes(elsewhere.tokens))


def test_id7_logging_out_refuses_all_tokens_of_the_session_at_once(api: Api) -> None:
    maya = api.someone()
    first = dict(maya.tokens)
    maya.tokens = done(api.refreshes(maya.tokens))
    done(maya.post("/api/v1/auth/logout"), 204)
    for tokens in (first, maya.tokens):
        maya.tokens = tokens
        refused(maya.get("/api/v1/me"), 401, "invalid_token")
        refused(maya.post("/api/v1/auth/logout"), 401, "invalid_token")
        refused(api.refreshes(tokens), 401, "session_ended")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "wgr",
        "wgr_1_0_",
        "wgr_1_0_" + "0" * 64,
        "wgr_\u0667_0_aa",
        "wgr_9223372036854775808_0_aa",
        "🐝",
        "\ud800",
        "\x00",
    ],
)
def test_what_is_no_refresh_token_is_refused(api: Api, token: str) -> None:
    body = b'{"refresh_token": "%s"}' % token.encode("unicode_escape").replace(b"\\x00", b"\\u0000")
    response = api.nobody.request(
        "POST", "/api/v1/auth/refresh", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code in {400, 401, 422}


def test_ones_own_account_has_the_address_and_nobody_elses_has(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    mine = done(maya.get("/api/v1/me"))
    assert mine == maya.user | {"email": maya.email}
    for somebody in (willy, maya, api.nobody):
        assert "email" not in done(somebody.get(f"/api/v1/users/{maya.id}"))


def test_the_profile_is_edited_member_by_member(api: Api) -> None:
    maya = api.someone()
    edited = done(maya.patch("/api/v1/me", {"display_name": "Maya", "bio": "Line one\nLine two"}))
    assert (edited["display_name"], edited["bio"]) == ("Maya", "Line one\nLine two")
    assert done(maya.patch("/api/v1/me", {"bio": ""}))["display_name"] == "Maya"
    assert done(maya.patch("/api/v1/me", {}))["bio"] == ""
    assert done(maya.get("/api/v1/me"))["display_name"] == "Maya"
    assert done(api.nobody.get(f"/api/v1/users/{maya.id}"))["display_name"] == "Maya"


def test_a_new_name_shows_on_old_posts(api: Api) -> None:
    maya = api.someone()
    post = maya.publishes()
    done(maya.patch("/api/v1/me", {"display_name": "Maya the Bee"}))

    def renamed() -> None:
        assert api.nobody.reads(post)["author"]["display_name"] == "Maya the Bee"

    eventually(renamed)


def test_ap7_a_stale_edit_is_refused_and_changes_nothing(api: Api) -> None:
    maya = api.someone()
    first = maya.get("/api/v1/me").headers["etag"]
    edited = maya.patch("/api/v1/me", {"bio": "first"}, headers={"If-Match": first})
    assert done(edited)["bio"] == "first"
    for tag in (first, '"nonsense"', "nonsense", '"1.0000000000000000"', f"W/{first}"):
        stale = maya.patch("/api/v1/me", {"bio": "second"}, headers={"If-Match": tag})
        refused(stale, 412, "precondition_failed")
    assert done(maya.get("/api/v1/me"))["bio"] == "first"
    for tag in (edited.headers["etag"], "*"):
        fresh = maya.patch("/api/v1/me", {"bio": f"by {tag}"}, headers={"If-Match": tag})
        assert done(fresh)["bio"] == f"by {tag}"


def test_what_the_client_has_is_not_sent_again(api: Api) -> None:
    maya = api.someone()
    post = maya.publishes()

    def settled(path: str) -> str:
        """The tag, once the count of posts has followed."""
        response = maya.get(path)
        assert response.json()["counts"].get("posts", 1) == 1
        return response.headers["etag"]

    for path in ("/api/v1/me", f"/api/v1/users/{maya.id}", f"/api/v1/posts/{post['id']}"):
        tag = eventually(partial(settled, path))
        for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            again = maya.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"].removeprefix("W/") == tag, "weak, as what is large comes compressed"
        assert maya.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_head_answers_like_get_without_the_body(api: Api) -> None:
    maya = api.someone()
    for path in ("/api/v1/me", f"/api/v1/users/{maya.id}", f"/api/v1/users/{maya.id}/posts", "/livez"):
        get, head = maya.get(path), maya.request("HEAD", path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-type", "content-length", "etag", "cache-control"):
            assert head.headers.get(name) == get.headers.get(name), (path, name)


def test_a_profile_is_found_by_id_and_by_name_in_any_case(api: Api) -> None:
    maya = api.someone()
    for somebody in (api.nobody, maya, api.someone()):
        by_id = done(somebody.get(f"/api/v1/users/{maya.id}"))
        for name in (maya.username, maya.username.upper()):
            assert done(somebody.get("/api/v1/users", params={"username": name})) == by_id


def test_who_is_not_there_is_not_found(api: Api) -> None:
    for path in (
        "1",
        "9223372036854775807",
        "9223372036854775808",
        "007",
        "-1",
        "health",
        "me",
        "%D9%A7",
        "9" * 4000,
    ):
        refused(api.nobody.get(f"/api/v1/users/{path}"), 404, "user_not_found")
        refused(api.nobody.get(f"/api/v1/users/{path}/posts"), 404, "user_not_found")
    for name in (fresh_name(), "é", "a", "admin", "\x00"):
        refused(api.nobody.get("/api/v1/users", params={"username": name}), 404, "user_not_found")
    refused(api.nobody.get("/api/v1/users"), 400, "query_invalid")


def test_the_count_of_posts_follows_and_leaves_comments_out(api: Api) -> None:
    maya = api.someone()
    posts = [maya.publishes() for _ in range(3)]
    maya.comments(posts[0])

    def counts(expected: int) -> None:
        assert done(maya.get("/api/v1/me"))["counts"]["posts"] == expected
        assert done(api.nobody.get(f"/api/v1/users/{maya.id}"))["counts"]["posts"] == expected

    eventually(lambda: counts(3))
    maya.removes(posts[1])
    eventually(lambda: counts(2))


@pytest.mark.parametrize(
    "address",
    [
        "<x@y.org>",
        "foo..bar@example.org",
        ".foo@example.org",
        "foo.@example.org",
        '"foo bar"@example.org',
        "ann@[127.0.0.1]",
        "ann@127.0.0.1",
        "ann@localhost",
        "ann@exam_ple.org",
        "x" * 65 + "@example.org",
        "a@" + "bbbbbbbb." * 28 + "org",
        "ann\x07@example.org",
        "ann b@example.org",
    ],
)
@pytest.mark.told_by("embedded")
def test_an_address_to_which_no_mail_can_go_is_refused(api: Api, address: str) -> None:
    assert field_errors(api.registers(fresh_name(), address)) == {"/email": "email_format"}


def test_domains_of_addresses_are_compared_in_idna_form_and_local_parts_by_case(api: Api) -> None:
    name = fresh_name()
    done(api.registers(name, f"{name}ß@München.example.org"), 201)
    same = f"{name.upper()}ß@xn--mnchen-3ya.example.org"
    refused(api.registers(fresh_name(), same), 409, "email_taken")
    assert api.logs_in(same).username == name
    done(api.registers(fresh_name(), f"{name}ss@München.example.org"), 201)
