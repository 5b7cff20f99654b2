"""Registration on a server that confirms e-mail addresses, with a mail server of the test."""

import json
import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256
from typing import NamedTuple

import httpx
import pytest

from tests.integration.smtp import Mailbox, mail_server

from .client import PASSWORD, Api, done, eventually, fresh_key, fresh_name, refusal, refused
from .conftest import RUNNING, SHAPES, a_waggle
from .process import Waggle

SITE = "https://hive.example"
TOKEN = re.compile(r"wgc_[0-9a-f]{64}")
VARYING = {"x-request-id", "date", "ratelimit"}
"""Headers that may differ between equal answers."""


class ConfirmingServer(NamedTuple):
    api: Api
    box: Mailbox
    waggle: Waggle

    def registers(self, name: str, address: str, **headers: str) -> httpx.Response:
        body = {"username": name, "email": address, "password": PASSWORD}
        return self.api.nobody.post("/api/v1/auth/register", body, headers=headers)

    def confirm(self, token: str) -> httpx.Response:
        return self.api.nobody.post("/api/v1/auth/register/confirm", {"token": token})

    def mail_to(self, address: str) -> str:
        def text() -> str:
            texts = [str(mail.mail.get_content()) for mail in self.box.received if mail.recipient == address]
            assert texts
            return texts[-1]

        return eventually(text)

    def token_for(self, address: str) -> str:
        found = TOKEN.search(self.mail_to(address))
        assert found
        return found[0]

    def register_confirmed(self) -> tuple[str, str]:
        """Register and confirm an account. Returns its username and address."""
        name = fresh_name()
        address = f"{name}@example.org"
        done(self.registers(name, address), 202)
        done(self.confirm(self.token_for(address)), 201)
        return name, address


@pytest.fixture(
    scope="module",
    params=[] if RUNNING else [one for one in SHAPES if one in {"embedded", "postgres"}],
)
def confirming(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ConfirmingServer]:
    with mail_server() as box:
        settings = {
            "WAGGLE_CONFIRM_EMAIL": "true",
            "WAGGLE_PUBLIC_URL": SITE,
            "WAGGLE_MAIL_URL": f"smtp://127.0.0.1:{box.port}?from=bees@hive.example",
            "WAGGLE_ACCESS_LOG": "all",
        }
        folder = tmp_path_factory.mktemp("confirming")
        with (
            a_waggle(request, request.param, folder, **settings) as waggle,
            closing(Api(waggle.base_url)) as api,
        ):
            yield ConfirmingServer(api, box, waggle)


def masked(response: httpx.Response) -> tuple[object, ...]:
    headers = sorted((name, value) for name, value in response.headers.items() if name not in VARYING)
    names = sorted(response.headers)
    return response.status_code, response.content, headers, names


def test_taken_and_unused_addresses_get_the_same_answer(confirming: ConfirmingServer) -> None:
    """ID-1."""
    name, taken = confirming.register_confirmed()
    addresses = [taken, f"{fresh_name()}@example.org", taken.upper(), f"{fresh_name()}@example.org"]
    asked = [(fresh_name(), address) for address in addresses]

    answers = [confirming.registers(*one) for one in asked]
    replays = [
        confirming.registers(fresh_name(), one, **{"Idempotency-Key": fresh_key()}) for one in addresses
    ]

    assert {answer.status_code for answer in (*answers, *replays)} == {202}
    assert len({repr(masked(answer)) for answer in (*answers, *replays)}) == 1
    # Both usernames are reserved, whether or not the address has an account.
    again = [refused(confirming.registers(one, "x@example.org"), 409, "username_taken") for one, _ in asked]
    assert len({(problem["title"], problem["detail"]) for problem in again}) == 1
    for address in addresses:
        assert refusal(confirming.registers(name, address)) == (409, "username_taken")
    for one, _ in asked:
        assert confirming.api.nobody.get("/api/v1/users", params={"username": one}).status_code == 404


def test_a_repeated_request_gets_the_same_answer_and_no_second_mail(confirming: ConfirmingServer) -> None:
    name, key = fresh_name(), fresh_key()
    address = f"{name}@example.org"

    first, second = (confirming.registers(name, address, **{"Idempotency-Key": key}) for _ in range(2))

    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert second.headers["idempotency-replayed"] == "true"
    confirming.register_confirmed()  # a mail that was requested later has arrived
    assert len([mail for mail in confirming.box.received if mail.recipient == address]) == 1


def test_one_of_twenty_concurrent_confirmations_makes_the_account(confirming: ConfirmingServer) -> None:
    """ID-14."""
    name = fresh_name()
    address = f"{name}@example.org"
    forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "Host": "evil.example"}
    confirming.registers(name, address, **forged)
    token = confirming.token_for(address)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(confirming.confirm, [token] * 20))

    opened = [answer for answer in answers if answer.status_code == 201]
    assert len(opened) == 1
    assert f"{SITE}/confirm#token={token}" in confirming.mail_to(address)
    assert "evil" not in confirming.mail_to(address)
    body = opened[0].json()
    assert body["user"]["username"] == name
    bearer = {"Authorization": f"Bearer {body['tokens']['access_token']}"}
    assert done(confirming.api.nobody.get("/api/v1/me", headers=bearer))["email"] == address
    done(confirming.api.nobody.post("/api/v1/auth/login", {"login": address, "password": PASSWORD}))
    problems = {
        json.dumps(refused(answer, 403, "registration_token_invalid") | {"request_id": ""})
        for answer in (
            *(answer for answer in answers if answer is not opened[0]),
            *map(confirming.confirm, ("", "x", "wgc_" + "0" * 64, token.upper())),
        )
    }
    assert len(problems) == 1


def test_the_owner_of_a_taken_address_is_warned_without_a_token(confirming: ConfirmingServer) -> None:
    _, address = confirming.register_confirmed()
    done(confirming.registers(fresh_name(), address), 202)

    def warned() -> str:
        text = confirming.mail_to(address)
        assert "has an account already" in text
        return text

    text = eventually(warned)
    assert not TOKEN.search(text)
    done(confirming.registers(fresh_name(), address), 202)
    confirming.register_confirmed()  # a mail that was requested later has arrived
    mails = [mail for mail in confirming.box.received if mail.recipient == address]
    assert len(mails) == 2  # the confirmation, and one warning per hour


def test_tokens_are_neither_logged_nor_stored(confirming: ConfirmingServer) -> None:
    name = fresh_name()
    address = f"{name}@example.org"
    done(confirming.registers(name, address), 202)
    token = confirming.token_for(address)
    assert refusal(confirming.confirm(token[:-1])) == (403, "registration_token_invalid")

    log = confirming.waggle.log.read_text()
    assert token[:-1] not in log
    assert address not in log
    if confirming.waggle.shape == "embedded":
        with closing(sqlite3.connect(confirming.waggle.data_dir / "waggle.db")) as connection:
            stored = "\n".join(connection.iterdump())
        assert name in stored
        assert sha256(token.encode()).hexdigest() in stored.lower()
        secrets = (token, token.removeprefix("wgc_"), address, PASSWORD)
        for secret in secrets:
            assert secret not in stored
            assert secret.encode().hex() not in stored.lower()
    done(confirming.confirm(token), 201)
