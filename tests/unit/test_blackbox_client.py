"""The client of the black-box tests, where a server that is killed and starts again would mislead it."""

import httpx
import pytest

from tests.blackbox.client import PROBLEM, Codes, Json


def answer(status: int, body: object) -> httpx.Response:
    return httpx.Response(
        status,
        json=body,
        headers={"content-type": PROBLEM},
        request=httpx.Request("POST", "http://waggle.test/api/v1/posts"),
    )


def test_the_refusal_of_a_server_that_starts_is_not_taken_for_its_openapi_document(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    examples: Json = {"examples": {"media_in_use": {}}}
    document = {
        "paths": {"/api/v1/posts": {"post": {"responses": {"409": {"content": {PROBLEM: examples}}}}}}
    }
    answers = [answer(503, {"code": "overloaded"}), answer(200, document)]
    monkeypatch.setattr(httpx, "get", lambda *_arguments, **_options: answers.pop(0))
    codes = Codes("http://waggle.test")

    with pytest.raises(AssertionError, match="overloaded"):
        codes.check(answer(409, {"code": "media_in_use"}))
    codes.check(answer(409, {"code": "media_in_use"}))
    with pytest.raises(AssertionError, match="name the error"):
        codes.check(answer(409, {"code": "another"}))

    assert answers == []
