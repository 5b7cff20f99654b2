"""The login of Schemathesis; loaded by its command line, which runs in a process of its own.

Logging out ends the session for good, so it gets a session of its own each time, and everything
else another that lasts.
"""

import os
import re
import secrets
from typing import Any

import httpx
import schemathesis


def _token() -> str:
    name = f"s{secrets.token_hex(8)}"
    body = {"username": name, "email": f"{name}@example.org", "password": "correct horse battery"}
    response = httpx.post(f"{os.environ['WAGGLE_TEST_TARGET']}/api/v1/auth/register", json=body, timeout=60)
    response.raise_for_status()
    token: str = response.json()["tokens"]["access_token"]
    return token


@schemathesis.auth(refresh_interval=300).apply_to(path_regex="^(?!.*/(logout|logout-all|sessions/.*)$)")
class Lasting:
    """For all that leaves the session as it is."""

    def get(self, case: schemathesis.Case[Any], context: schemathesis.AuthContext) -> str:
        return _token()

    def set(self, case: schemathesis.Case[Any], data: str, context: schemathesis.AuthContext) -> None:
        _put(case, data)


@schemathesis.auth(refresh_interval=None).apply_to(path_regex="/(logout|logout-all|sessions/.*)$")
class Passing:
    """For logging out, here and elsewhere."""

    def get(self, case: schemathesis.Case[Any], context: schemathesis.AuthContext) -> str:
        return _token()

    def set(self, case: schemathesis.Case[Any], data: str, context: schemathesis.AuthContext) -> None:
        _put(case, data)


def _put(case: Any, token: str) -> None:
    case.headers = dict(case.headers or {}) | {"Authorization": f"Bearer {token}"}


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: Any, _options: dict[str, Any]) -> None:
    """Generated keys repeat, and a key with another request is rightly refused: a good one is made fresh."""
    headers = case.headers or {}
    for name in headers:
        if name.lower() == "idempotency-key" and re.fullmatch(r"[\x21-\x7e]{1,255}", str(headers[name])):
            headers[name] = secrets.token_hex(8)
