"""Rate limits: how many requests a client may send, what counts as one client, and how many password attempts are allowed."""

import json
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import httpx
import pytest

from .client import PASSWORD, Api, Json, Member, check_problem, done, fresh_key, fresh_name, refusal
from .conftest import LONG, OWN_SERVER, RUNNING, SHAPES, a_waggle
from .contract import Operation, operations
from .wire import Answer, check, exchange

pytestmark = pytest.mark.skipif(bool(RUNNING), reason=OWN_SERVER)

BEHIND_PROXY = {"WAGGLE_TRUSTED_PROXIES": "127.0.0.1/32"}
FEW = ",".join(f"{name}=3/3600" for name in ("read", "write", "expensive", "auth", "anonymous", "probe"))


def random_network() -> str:
    return str(IPv4Address(secrets.randbelow(2**24) + 0x0B000000))


def forwarded_for(network: str) -> dict[str, str]:
    return {"X-Forwarded-For": network}


@dataclass
class NetworkClient:
    """A client in one network, behind the proxy."""

    api: Api
    network: str

    def posts(self, path: str, body: Json, **headers: str) -> httpx.Response:
        return self.api.nobody.post(path, body, headers={**forwarded_for(self.network), **headers})

    def logs_in(self, login: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
        return self.posts("/api/v1/auth/login", {"login": login, "password": password}, **headers)

    def register_member(self, **headers: str) -> Member:
        name = fresh_name()
        body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        joined = done(self.posts("/api/v1/auth/register", body, **headers), 201)
        return Member(self.api.http, joined["user"], joined["tokens"], body["email"])


@pytest.fixture(
    scope="module", params=SHAPES if LONG else ["embedded"] if "embedded" in SHAPES else SHAPES[:1]
)
def limited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server with the default limits."""
    folder = tmp_path_factory.mktemp("limited")
    with a_waggle(request, request.param, folder, WAGGLE_RATE_LIMITS="on", **BEHIND_PROXY) as waggle:
        api = Api(waggle.base_url)
        yield api
        api.close()


@pytest.fixture(scope="module", params=SHAPES[:1])
def strict(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server with a limit of three for everything."""
    folder = tmp_path_factory.mktemp("strict")
    with a_waggle(request, request.param, folder, WAGGLE_RATE_LIMITS=FEW, **BEHIND_PROXY) as waggle:
        api = Api(waggle.base_url)
        yield api
        api.close()


# --- Requests -------------------------------------------------------------------------------------


def test_answers_have_the_limit_and_the_remaining_budget(limited: Api) -> None:
    maya = NetworkClient(limited, random_network()).register_member()

    read = maya.get("/api/v1/me")
    lane = maya.get("/api/v1/posts/1")
    wrote = maya.post("/api/v1/posts", {"text": "hello"})

    assert read.headers["ratelimit-policy"] == '"read";q=1200;w=60'
    assert read.headers["ratelimit"] == '"read";r=1199;t=1'
    # One request is refilled every 50 ms, so on a busy machine one may be available again.
    assert lane.headers["ratelimit"] in {'"read";r=1198;t=1', '"read";r=1199;t=1'}
    assert wrote.headers["ratelimit-policy"] == '"write";q=300;w=60'
    assert wrote.headers["ratelimit"] == '"write";r=299;t=1'


def test_cheap_probes_are_not_counted(strict: Api) -> None:
    for _ in range(5):
        for path in ("/livez", "/.well-known/jwks.json"):
            answer = strict.nobody.get(path, headers=forwarded_for("11.0.0.1"))
            assert answer.status_code == 200
            assert "ratelimit" not in answer.headers


def test_readiness_has_its_own_budget(strict: Api) -> None:
    one, other = random_network(), random_network()
    statuses = [strict.nobody.get("/readyz", headers=forwarded_for(one)).status_code for _ in range(4)]

    assert statuses == [200, 200, 200, 429]
    assert strict.nobody.get("/readyz", headers=forwarded_for(other)).status_code == 200
    assert strict.nobody.get("/api/v1/feeds/public", headers=forwarded_for(one)).status_code == 200


def test_too_many_requests_are_refused_with_retry_after(strict: Api) -> None:
    maya, willy = (NetworkClient(strict, random_network()).register_member() for _ in range(2))

    answers = [maya.get("/api/v1/me") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert refusal(answers[-1]) == (429, "rate_limited")
    check_problem(answers[-1])
    assert 1100 <= int(answers[-1].headers["retry-after"]) <= 1200
    assert answers[-1].headers["ratelimit"].startswith('"read";r=0;t=')
    assert maya.post("/api/v1/posts", {"text": "hello"}).status_code == 201  # another class
    assert willy.get("/api/v1/me").status_code == 200  # another user


def test_requests_without_a_token_are_counted_by_network(strict: Api) -> None:
    block = f"2001:db8:{secrets.randbelow(9999)}:1"

    first = [
        strict.nobody.get("/api/v1/posts/1", headers=forwarded_for(f"{block}::{n}")) for n in range(1, 5)
    ]
    other = strict.nobody.get("/api/v1/posts/1", headers=forwarded_for("2001:db8:aaaa::1"))

    assert [answer.status_code for answer in first] == [404, 404, 404, 429]
    assert other.status_code == 404


@pytest.mark.parametrize("path", ["/api/v1/posts/1", "/api/v1/me"])
def test_requests_with_invalid_tokens_are_counted(strict: Api, path: str) -> None:
    network = random_network()
    headers = {"Authorization": "Bearer nonsense", **forwarded_for(network)}

    answers = [strict.nobody.get(path, headers=headers).status_code for _ in range(4)]

    assert answers == [401, 401, 401, 429]


def test_requests_for_unknown_paths_are_counted(strict: Api) -> None:
    network = random_network()

    answers = [strict.nobody.get("/api/v1/nothing", headers=forwarded_for(network)) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [404, 404, 404, 429]
    assert refusal(answers[-1]) == (429, "rate_limited")


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP"],
)
def test_an_address_forged_by_the_client_has_no_effect(strict: Api, header: str) -> None:
    """Whatever the client writes before the address that the proxy appends."""
    network = random_network()
    statuses = []
    for _ in range(4):
        made_up = random_network()
        headers = {header: f"for={made_up}" if header == "Forwarded" else made_up}
        headers["X-Forwarded-For"] = f"{made_up}, {network}"
        statuses.append(strict.nobody.get("/api/v1/posts/1", headers=headers).status_code)

    assert statuses == [404, 404, 404, 429]


def test_only_configured_proxies_are_trusted(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with (
        a_waggle(request, SHAPES[0], tmp_path, WAGGLE_RATE_LIMITS=FEW) as waggle,
        httpx.Client(base_url=waggle.base_url) as http,
    ):
        answers = [
            http.get(
                "/api/v1/posts/1",
                headers={
                    "X-Forwarded-For": random_network(),
                    "Forwarded": f"for={random_network()}",
                    "X-Real-IP": random_network(),
                },
            )
            for _ in range(4)
        ]

    assert [answer.status_code for answer in answers] == [404, 404, 404, 429]


def _spellings(path: str) -> list[str]:
    return [
        path + "/",
        path + "//",
        path + "?x=1",
        path.replace("/api/", "//api/"),
        path.replace("/v1/", "/v1//"),
        path.replace("/v1/", "/./v1/"),
        path.replace("/v1/", "/v1/x/../"),
        path.replace("/api/v1/", "/%61pi/v%31/"),
        path[:-1] + f"%{ord(path[-1]):02x}",
        path.upper(),
    ]


def test_every_operation_is_limited_in_all_spellings_of_its_path(strict: Api) -> None:
    for operation in operations(strict):
        if "429" not in operation.described["responses"]:
            continue
        network = random_network()
        headers = [("X-Forwarded-For", network), ("Content-Type", "application/json")]
        if operation.access != "public":
            maya = NetworkClient(strict, random_network()).register_member()
            headers.append(("Authorization", f"Bearer {maya.tokens['access_token']}"))
        path = operation.at()

        statuses: list[int] = []
        while len(statuses) < 8 and 429 not in statuses:  # more than 4 if the first one logs out
            statuses.append(_send(strict, operation, path, headers).status)
        assert statuses[-1] == 429, (operation.name, statuses)
        assert 429 not in statuses[:3], (operation.name, statuses)
        for spelling in _spellings(path):
            answer = _send(strict, operation, spelling, headers)
            assert answer.status in {404, 429}, (operation.name, spelling, answer)
            if answer.status == 404:  # no route matches this spelling
                assert answer.json["code"] == "not_found", (operation.name, spelling, answer)


def _send(api: Api, operation: Operation, target: str, headers: list[tuple[str, str]]) -> Answer:
    # Beyond the limit the body is not read; below it an invalid body serves as well.
    body = b"{}" if "requestBody" in operation.described else None
    return check(exchange(api.base_url, operation.method, target, headers, body), target)


# --- Passwords ------------------------------------------------------------------------------------


def test_a_thousand_guesses_from_fifty_networks_neither_succeed_nor_lock_out_the_owner(limited: Api) -> None:
    home = NetworkClient(limited, random_network())
    maya = home.register_member()
    attackers = [NetworkClient(limited, random_network()) for _ in range(50)]

    seen: Counter[int] = Counter()
    for number in range(1000):
        login = maya.email if number % 2 else maya.username  # one budget for both logins
        seen[attackers[number % 50].logs_in(login, f"wrong password {number}").status_code] += 1
    right_from_afar = attackers[0].logs_in(maya.username)
    wrong_from_afar = attackers[0].logs_in(maya.username, "another wrong one")
    from_home = home.logs_in(maya.username)

    assert set(seen) == {401, 429}
    assert 1 <= seen[401] <= 100
    assert refusal(right_from_afar) == (429, "too_many_attempts")
    assert _without_id(right_from_afar) == _without_id(wrong_from_afar)
    assert int(right_from_afar.headers["retry-after"]) >= 1
    assert from_home.status_code == 200


def test_guesses_at_an_unknown_username_are_counted_like_an_account(limited: Api) -> None:
    maya = NetworkClient(limited, random_network()).register_member()

    def guesses(login: str) -> list[tuple[int, str]]:
        network = NetworkClient(limited, random_network())
        answers = [network.logs_in(login, "wrong password") for _ in range(14)]
        return [(answer.status_code, _without_id(answer)) for answer in answers]

    known, unknown = guesses(maya.username), guesses(fresh_name())

    assert known == unknown
    assert [status for status, _ in known] == [401] * 10 + [429] * 4


def test_a_successful_login_resets_the_count_of_failures(limited: Api) -> None:
    home = NetworkClient(limited, random_network())
    maya = home.register_member()

    for _ in range(5):  # five times nine is below the budget of all known networks together
        assert [home.logs_in(maya.username, "mistyped!").status_code for _ in range(9)] == [401] * 9
        assert home.logs_in(maya.username).status_code == 200


def test_a_stolen_token_does_not_help_to_guess_the_password(limited: Api) -> None:
    maya = NetworkClient(limited, random_network()).register_member()

    answers = [maya.post("/api/v1/auth/confirm", {"password": "wrong password"}) for _ in range(11)]
    change = {"current_password": PASSWORD, "new_password": "quite another password"}
    changed = maya.post("/api/v1/auth/password", change)

    assert 429 not in [answer.status_code for answer in answers[:10]]
    assert refusal(answers[10]) == (429, "too_many_attempts")
    assert refusal(changed) == (429, "too_many_attempts")
    assert (
        NetworkClient(limited, random_network()).logs_in(maya.username).status_code == 200
    )  # in another session


def test_a_network_can_register_sixty_accounts_and_repeat_requests(limited: Api) -> None:
    school = NetworkClient(limited, random_network())
    key = fresh_key()
    name = fresh_name()
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}

    for _ in range(5):  # replays make one account
        done(school.posts("/api/v1/auth/register", body, **{"Idempotency-Key": key}), 201)
    for _ in range(59):
        school.register_member()
    one_more = school.posts("/api/v1/auth/register", {**body, "username": fresh_name()})

    assert refusal(one_more) == (429, "too_many_attempts")
    NetworkClient(limited, random_network()).register_member()


def test_an_ipv6_site_can_register_as_much_as_two_networks(limited: Api) -> None:
    site = f"2001:db8:{secrets.randbelow(0x10000):x}"
    for number in range(120):
        NetworkClient(limited, f"{site}:{number:x}::1").register_member()
    name = fresh_name()
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}

    response = NetworkClient(limited, f"{site}:ffff::1").posts("/api/v1/auth/register", body)
    assert refusal(response) == (429, "too_many_attempts")
    NetworkClient(limited, "2001:db7:1::1").register_member()


def _without_id(answer: httpx.Response) -> str:
    return json.dumps({name: value for name, value in answer.json().items() if name != "request_id"})
