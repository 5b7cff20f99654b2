"""The HTTP requests that the stream needs: the list of notifications, and tickets.

If your program has an HTTP client already, pass a function of yours to `Stream` instead of `request_json`.
"""

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any, Protocol

TIMEOUT = 10.0
"""Seconds."""
MAX_BYTES = 4_000_000
"""The largest answer that is read. A page of a hundred long posts has less than half of it."""


class RequestFailed(Exception):
    """The server answered, but not with a success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the server answered {status}")
        self.status = status


class JsonRequest(Protocol):
    async def __call__(self, method: str, url: str, token: str) -> Any:
        """Return the JSON of the answer, within ten seconds. Raises RequestFailed, or OSError if there is no answer."""
        ...


async def request_json(method: str, url: str, token: str) -> Any:
    """A JsonRequest that uses the standard library in a thread."""
    return await asyncio.to_thread(_request, method, url, token)


def _request(method: str, url: str, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310 - Stream checks the scheme
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            return json.loads(answer.read(MAX_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            raise RequestFailed(error.code) from error
    except ValueError as error:
        raise OSError(f"no JSON from {url}") from error
