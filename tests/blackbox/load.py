"""Load: many clients at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx

from .client import PASSWORD, Api, Json, Member, check_answer, check_problem, fresh_name

T = TypeVar("T")


def should_retry(response: httpx.Response) -> bool:
    """Whether the server is overloaded (the only 5xx that a client must expect), or the first request with the key still
    runs."""
    if response.status_code == 503:
        return True
    return response.status_code == 409 and response.json()["code"] == "idempotency_key_in_flight"


@asynccontextmanager
async def client_pool(base_url: str, connections: int = 100) -> Any:
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx.AsyncClient(base_url=base_url, timeout=30, limits=limits) as http:
        yield http


async def ask(
    http: httpx.AsyncClient,
    method: str,
    path: str,
    *,
    by: Member | None = None,
    patient: bool = True,
    **options: Any,
) -> httpx.Response:
    """One request, repeated while the answer asks for that."""
    headers = (by.headers() if by else {}) | options.pop("headers", {})
    async with asyncio.timeout(60):
        while True:
            response = await http.request(method, path, headers=headers, **options)
            if not (patient and should_retry(response)):
                check_answer(response)
                return response
            check_problem(response)
            assert "retry-after" in response.headers
            await asyncio.sleep(0.02)


async def gather(work: Iterable[Awaitable[T]]) -> list[T]:
    return list(await asyncio.gather(*work))


def register_members(api: Api, number: int) -> list[Member]:
    async def register() -> list[Member]:
        async with client_pool(api.base_url, 16) as http:

            async def one() -> Member:
                name = fresh_name()
                body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
                response = await ask(http, "POST", "/api/v1/auth/register", json=body)
                assert response.status_code == 201, response.text
                found: Json = response.json()
                return Member(api.http, found["user"], found["tokens"], body["email"])

            return await gather(one() for _ in range(number))

    return asyncio.run(register())


def at_once(
    base_url: str, make: Callable[[httpx.AsyncClient], Iterable[Awaitable[T]]], connections: int = 100
) -> list[T]:
    """Runs all of them at once. Returns their results in order."""

    async def run() -> list[T]:
        async with client_pool(base_url, connections) as http:
            return await gather(make(http))

    return asyncio.run(run())
