"""Registration, login, refresh and logout."""

import itertools

import pytest

from .client import PASSWORD, Api, done, field_errors, fresh_name, refusal, refused


def test_registration_returns_the_account_and_logs_it_in(api: Api) -> None:
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


def test_answers_with_tokens_forbid_caching(api: Api) -> None:
    registered = api.registers(fresh_name())
    login = {"login": registered.json()["user"]["username"], "password": PASSWORD}
    for response in (
        registered,
        api.nobody.post("/api/v1/auth/login", login),
        api.refreshes(registered.json()["tokens"]),
    ):
        assert response.headers["cache-control"] == "no-store"


def test_a_taken_username_is_refused_in_any_case(api: Api) -> None:
    maya = api.someone()
    for spelling in (maya.username, maya.username.upper(), maya.username.title()):
        response = api.registers(spelling, f"other-{fresh_name()}@example.org")
        assert refusal(response) == (409, "username_taken")


def test_a_taken_address_is_refused_in_any_case(api: Api) -> None:
    maya = api.someone()
    for spelling in (maya.email, maya.email.upper(), f"  {maya.email} "):
        assert refusal(api.registers(fresh_name(), spelling)) == (409, "email_taken")


def test_a_username_is_stored_in_lower_case(api: Api) -> None:
    name = fresh_name()
    assert done(api.registers(name.upper(), f"{name}@example.org"), 201)["user"]["username"] == name


def test_all_field_errors_of_a_registration_are_reported_at_once(api: Api) -> None:
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
def test_an_invalid_username_is_refused(api: Api, name: str) -> None:
    assert list(field_errors(api.registers(name, f"{fresh_name()}@example.org"))) == ["/username"]


@pytest.mark.parametrize(
    "password",
    ["🐝" * 64, "x" * 256, "  blanks stay  ", "\ufb01" * 8, "nul\x00inside"],
    ids=["bees", "long", "blanks", "ligatures", "nul"],
)
def test_a_password_of_any_characters_is_accepted(api: Api, password: str) -> None:
    """ID-3."""
    name = fresh_name()
    done(api.registers(name, password=password), 201)
    api.logs_in(name, password)
    wrong = {"login": name, "password": password[:-1] + "!"}
    assert refusal(api.nobody.post("/api/v1/auth/login", wrong)) == (401, "wrong_credentials")


def test_login_works_with_username_and_address_in_any_case(api: Api) -> None:
    maya = api.someone()
    for login in (maya.username, maya.username.upper(), maya.email, maya.email.upper()):
        assert api.logs_in(login).user == maya.user


def test_a_wrong_password_and_an_unknown_username_are_refused_alike(api: Api) -> None:
    """ID-1."""
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


def test_a_refresh_returns_new_valid_tokens(api: Api) -> None:
    maya = api.someone()
    tokens = done(api.refreshes(maya.tokens))
    assert tokens["refresh_token"] != maya.tokens["refresh_token"]
    maya.tokens = tokens
    assert done(maya.get("/api/v1/me"))["id"] == maya.id


def test_a_refresh_repeated_at_once_returns_the_same_tokens(api: Api) -> None:
    """ID-5."""
    maya = api.someone()
    successors = {done(api.refreshes(maya.tokens))["refresh_token"] for _ in range(5)}
    assert len(successors) == 1
    assert maya.tokens["refresh_token"] not in successors


def test_recent_refresh_tokens_of_all_generations_return_the_same_answer(api: Api) -> None:
    """ID-5."""
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


def test_a_taken_username_hides_whether_the_address_is_taken(api: Api) -> None:
    """ID-1."""
    maya = api.someone()
    problems = [
        refused(api.registers(maya.username, address), 409, "username_taken")
        for address in (maya.email, f"{fresh_name()}@example.org")
    ]
    for problem in problems:
        del problem["request_id"]
    assert problems[0] == problems[1]


def test_a_logout_does_not_end_other_sessions(api: Api) -> None:
    maya = api.someone()
    elsewhere = api.logs_in(maya.username)
    done(maya.post("/api/v1/auth/logout"), 204)
    assert refusal(maya.get("/api/v1/me")) == (401, "invalid_token")
    done(elsewhere.get("/api/v1/me"))
    done(api.refreshes(elsewhere.tokens))


def test_a_logout_invalidates_all_tokens_of_the_session_at_once(api: Api) -> None:
    """ID-7."""
    maya = api.someone()
    first = dict(maya.tokens)
    maya.tokens = done(api.refreshes(maya.tokens))
    done(maya.post("/api/v1/auth/logout"), 204)
    for tokens in (first, maya.tokens):
        maya.tokens = tokens
        assert refusal(maya.get("/api/v1/me")) == (401, "invalid_token")
        assert refusal(maya.post("/api/v1/auth/logout")) == (401, "invalid_token")
        assert refusal(api.refreshes(tokens)) == (401, "session_ended")


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
def test_an_invalid_refresh_token_is_refused(api: Api, token: str) -> None:
    body = b'{"refresh_token": "%s"}' % token.encode("unicode_escape").replace(b"\\x00", b"\\u0000")
    response = api.nobody.request(
        "POST", "/api/v1/auth/refresh", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code in {400, 401, 422}


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
@pytest.mark.short_run_shapes("embedded")
def test_an_invalid_address_is_refused(api: Api, address: str) -> None:
    assert field_errors(api.registers(fresh_name(), address)) == {"/email": "email_format"}


def test_equivalent_spellings_of_an_address_are_taken(api: Api) -> None:
    name = fresh_name()
    done(api.registers(name, f"{name}ß@München.example.org"), 201)
    same = f"{name.upper()}ß@xn--mnchen-3ya.example.org"
    assert refusal(api.registers(fresh_name(), same)) == (409, "email_taken")
    assert api.logs_in(same).username == name
    done(api.registers(fresh_name(), f"{name}ss@München.example.org"), 201)
