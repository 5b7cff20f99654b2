"""HTTP, as far as the stream needs it: the list, and tickets. Give `Stream` your own if you have a client already."""

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any, Protocol

TIMEOUT = 10.0
LARGEST = 4_000_000
"""Bytes of an answer: a page of a hundred long posts is less than half of it."""


class Refused(Exception):
    """The server answered, but not with a success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the server answered {status}")
        self.status = status


class Ask(Protocol):
    async def __call__(self, method: str, url: str, token: str) -> Any:
        """The JSON of the answer, within ten seconds. Raises Refused, or OSError if there is none."""
        ...


async def ask(method: str, url: str, token: str) -> Any:
    """By the standard library, in a thread."""
    return await asyncio.to_thread(_ask, method, url, token)


def _ask(method: str, url: str, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310 - Stream sees to it
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            return json.loads(answer.read(LARGEST))
    except urllib.error.HTTPError as error:
        with error:
            raise Refused(error.code) from error
    except ValueError as error:
        raise OSError(f"no JSON from {url}") from error
