"""How much a client may ask, who is counted as one client, and how often a password may be tried."""

import json
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import httpx
import pytest

from .client import PASSWORD, Api, Json, Member, check_problem, done, fresh_key, fresh_name, refused
from .conftest import LONG, RUNNING, SHAPES, a_waggle
from .contract import Operation, operations
from .wire import Answer, check, exchange

pytestmark = pytest.mark.skipif(bool(RUNNING), reason="needs a server of its own")

BEHIND_PROXY = {"WAGGLE_TRUSTED_PROXIES": "127.0.0.1/32"}
FEW = ",".join(f"{name}=3/3600" for name in ("read", "write", "expensive", "auth", "anonymous", "probe"))


def a_network() -> str:
    return str(IPv4Address(secrets.randbelow(2**24) + 0x0B000000))


def via(network: str) -> dict[str, str]:
    return {"X-Forwarded-For": network}


@dataclass
class Behind:
    """People of one network, seen through the proxy."""

    api: Api
    network: str

    def posts(self, path: str, body: Json, **headers: str) -> httpx.Response:
        return self.api.nobody.post(path, body, headers={**via(self.network), **headers})

    def logs_in(self, login: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
        return self.posts("/api/v1/auth/login", {"login": login, "password": password}, **headers)

    def joins(self, **headers: str) -> Member:
        name = fresh_name()
        body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        joined = done(self.posts("/api/v1/auth/register", body, **headers), 201)
        return Member(self.api.http, joined["user"], joined["tokens"], body["email"])


@pytest.fixture(
    scope="module", params=SHAPES if LONG else ["embedded"] if "embedded" in SHAPES else SHAPES[:1]
)
def limited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server with the limits that it has when nobody sets any."""
    folder = tmp_path_factory.mktemp("limited")
    with a_waggle(request, request.param, folder, WAGGLE_RATE_LIMITS="on", **BEHIND_PROXY) as waggle:
        api = Api(waggle.base_url)
        yield api
        api.close()


@pytest.fixture(scope="module", params=SHAPES[:1])
def strict(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server that allows three of everything."""
    folder = tmp_path_factory.mktemp("strict")
    with a_waggle(request, request.param, folder, WAGGLE_RATE_LIMITS=FEW, **BEHIND_PROXY) as waggle:
        api = Api(waggle.base_url)
        yield api
        api.close()


# --- Requests -------------------------------------------------------------------------------------


def test_ap3_an_answer_tells_the_limit_and_what_is_left(limited: Api) -> None:
    maya = Behind(limited, a_network()).joins()

    read = maya.get("/api/v1/me")
    lane = maya.get("/api/v1/posts/1")
    wrote = maya.post("/api/v1/posts", {"text": "hello"})

    assert read.headers["ratelimit-policy"] == '"read";q=1200;w=60'
    assert read.headers["ratelimit"] == '"read";r=1199;t=1'
    # The budget gets one back every 50 ms: on a busy machine one may be there again.
    assert lane.headers["ratelimit"] in {'"read";r=1198;t=1', '"read";r=1199;t=1'}
    assert wrote.headers["ratelimit-policy"] == '"write";q=300;w=60'
    assert wrote.headers["ratelimit"] == '"write";r=299;t=1'


def test_probes_that_cost_nothing_are_not_counted(strict: Api) -> None:
    for _ in range(5):
        for path in ("/livez", "/.well-known/jwks.json"):
            answer = strict.nobody.get(path, headers=via("11.0.0.1"))
            assert answer.status_code == 200
            assert "ratelimit" not in answer.headers


def test_readiness_has_a_budget_of_its_own(strict: Api) -> None:
    one, other = a_network(), a_network()
    statuses = [strict.nobody.get("/readyz", headers=via(one)).status_code for _ in range(4)]

    assert statuses == [200, 200, 200, 429]
    assert strict.nobody.get("/readyz", headers=via(other)).status_code == 200
    assert strict.nobody.get("/api/v1/feeds/public", headers=via(one)).status_code == 200


def test_ap3_who_asks_too_often_is_told_when_to_come_again(strict: Api) -> None:
    maya, willy = (Behind(strict, a_network()).joins() for _ in range(2))

    answers = [maya.get("/api/v1/me") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    refused(answers[-1], 429, "rate_limited")
    check_problem(answers[-1])
    assert 1100 <= int(answers[-1].headers["retry-after"]) <= 1200
    assert answers[-1].headers["ratelimit"].startswith('"read";r=0;t=')
    assert maya.post("/api/v1/posts", {"text": "hello"}).status_code == 201  # another class
    assert willy.get("/api/v1/me").status_code == 200  # another user


def test_ap3_without_a_token_the_network_is_counted(strict: Api) -> None:
    block = f"2001:db8:{secrets.randbelow(9999)}:1"

    first = [strict.nobody.get("/api/v1/posts/1", headers=via(f"{block}::{n}")) for n in range(1, 5)]
    other = strict.nobody.get("/api/v1/posts/1", headers=via("2001:db8:aaaa::1"))

    assert [answer.status_code for answer in first] == [404, 404, 404, 429]
    assert other.status_code == 404


@pytest.mark.parametrize("path", ["/api/v1/posts/1", "/api/v1/me"])
def test_ap3_guessing_tokens_is_not_free(strict: Api, path: str) -> None:
    network = a_network()
    headers = {"Authorization": "Bearer nonsense", **via(network)}

    answers = [strict.nobody.get(path, headers=headers).status_code for _ in range(4)]

    assert answers == [401, 401, 401, 429]


def test_ap3_addresses_that_are_none_are_not_free(strict: Api) -> None:
    network = a_network()

    answers = [strict.nobody.get("/api/v1/nothing", headers=via(network)) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [404, 404, 404, 429]
    refused(answers[-1], 429, "rate_limited")


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP"],
)
def test_ap3_an_address_that_a_client_makes_up_has_no_effect(strict: Api, header: str) -> None:
    """Whatever it writes before the proxy adds the address that it sees."""
    network = a_network()
    statuses = []
    for _ in range(4):
        made_up = a_network()
        headers = {header: f"for={made_up}" if header == "Forwarded" else made_up}
        headers["X-Forwarded-For"] = f"{made_up}, {network}"
        statuses.append(strict.nobody.get("/api/v1/posts/1", headers=headers).status_code)

    assert statuses == [404, 404, 404, 429]


def test_ap3_no_proxy_is_believed_that_is_not_named(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with (
        a_waggle(request, SHAPES[0], tmp_path, WAGGLE_RATE_LIMITS=FEW) as waggle,
        httpx.Client(base_url=waggle.base_url) as http,
    ):
        answers = [
            http.get(
                "/api/v1/posts/1",
                headers={
                    "X-Forwarded-For": a_network(),
                    "Forwarded": f"for={a_network()}",
                    "X-Real-IP": a_network(),
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


def test_ap3_every_operation_has_its_limit_in_all_spellings_of_its_path(strict: Api) -> None:
    for operation in operations(strict):
        if "429" not in operation.described["responses"]:
            continue
        network = a_network()
        headers = [("X-Forwarded-For", network), ("Content-Type", "application/json")]
        if operation.access != "public":
            maya = Behind(strict, a_network()).joins()
            headers.append(("Authorization", f"Bearer {maya.tokens['access_token']}"))
        path = operation.at()

        statuses: list[int] = []
        while len(statuses) < 8 and 429 not in statuses:  # more than 4 where the first one logs out
            statuses.append(_ask(strict, operation, path, headers).status)
        assert statuses[-1] == 429, (operation.name, statuses)
        assert 429 not in statuses[:3], (operation.name, statuses)
        for spelling in _spellings(path):
            answer = _ask(strict, operation, spelling, headers)
            assert answer.status in {404, 429}, (operation.name, spelling, answer)
            if answer.status == 404:  # no route takes this spelling
                assert answer.json["code"] == "not_found", (operation.name, spelling, answer)


def _ask(api: Api, operation: Operation, target: str, headers: list[tuple[str, str]]) -> Answer:
    # Over the limit nobody looks at the body; until then a bad one is as good.
    body = b"{}" if "requestBody" in operation.described else None
    return check(exchange(api.base_url, operation.method, target, headers, body), target)


# --- Passwords ------------------------------------------------------------------------------------


def test_id2_a_thousand_guesses_from_fifty_networks_neither_hit_nor_lock_out(limited: Api) -> None:
    home = Behind(limited, a_network())
    maya = home.joins()
    attackers = [Behind(limited, a_network()) for _ in range(50)]

    seen: Counter[int] = Counter()
    for number in range(1000):
        login = maya.email if number % 2 else maya.username  # one budget, by whichever name
        seen[attackers[number % 50].logs_in(login, f"wrong password {number}").status_code] += 1
    right_from_afar = attackers[0].logs_in(maya.username)
    wrong_from_afar = attackers[0].logs_in(maya.username, "another wrong one")
    from_home = home.logs_in(maya.username)

    assert set(seen) == {401, 429}
    assert 1 <= seen[401] <= 100
    refused(right_from_afar, 429, "too_many_attempts")
    assert _without_id(right_from_afar) == _without_id(wrong_from_afar)
    assert int(right_from_afar.headers["retry-after"]) >= 1
    assert from_home.status_code == 200


def test_id2_a_name_that_nobody_has_is_counted_like_an_account(limited: Api) -> None:
    maya = Behind(limited, a_network()).joins()

    def guesses(login: str) -> list[tuple[int, str]]:
        network = Behind(limited, a_network())
        answers = [network.logs_in(login, "wrong password") for _ in range(14)]
        return [(answer.status_code, _without_id(answer)) for answer in answers]

    known, unknown = guesses(maya.username), guesses(fresh_name())

    assert known == unknown
    assert [status for status, _ in known] == [401] * 10 + [429] * 4


def test_id2_who_mistypes_and_then_gets_it_right_begins_anew(limited: Api) -> None:
    home = Behind(limited, a_network())
    maya = home.joins()

    for _ in range(5):  # five times nine are less than what all known networks have together
        assert [home.logs_in(maya.username, "mistyped!").status_code for _ in range(9)] == [401] * 9
        assert home.logs_in(maya.username).status_code == 200


def test_id2_a_stolen_token_does_not_help_to_guess_the_password(limited: Api) -> None:
    maya = Behind(limited, a_network()).joins()

    answers = [maya.post("/api/v1/auth/confirm", {"password": "wrong password"}) for _ in range(11)]
    change = {"current_password": PASSWORD, "new_password": "quite another password"}
    changed = maya.post("/api/v1/auth/password", change)

    assert 429 not in [answer.status_code for answer in answers[:10]]
    refused(answers[10], 429, "too_many_attempts")
    refused(changed, 429, "too_many_attempts")
    assert Behind(limited, a_network()).logs_in(maya.username).status_code == 200  # a session of its own


def test_id2_a_network_registers_sixty_accounts_and_may_repeat_itself(limited: Api) -> None:
    school = Behind(limited, a_network())
    key = fresh_key()
    name = fresh_name()
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}

    for _ in range(5):  # one account
        done(school.posts("/api/v1/auth/register", body, **{"Idempotency-Key": key}), 201)
    for _ in range(59):
        school.joins()
    one_more = school.posts("/api/v1/auth/register", {**body, "username": fresh_name()})

    refused(one_more, 429, "too_many_attempts")
    Behind(limited, a_network()).joins()


def test_id2_a_customer_with_65536_networks_registers_no_more_than_two_of_them(limited: Api) -> None:
    site = f"2001:db8:{secrets.randbelow(0x10000):x}"
    for number in range(120):
        Behind(limited, f"{site}:{number:x}::1").joins()
    name = fresh_name()
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}

    refused(Behind(limited, f"{site}:ffff::1").posts("/api/v1/auth/register", body), 429, "too_many_attempts")
    Behind(limited, "2001:db7:1::1").joins()


def _without_id(answer: httpx.Response) -> str:
    return json.dumps({name: value for name, value in answer.json().items() if name != "request_id"})
