"""A small client for Waggle's HTTP API that behaves as a good client should.

It sends an ``Idempotency-Key`` with every POST that creates something, waits for the time in ``Retry-After`` when the
server is busy, logs in again when a token has expired, and reports failures with a sentence that says what to do.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import httpx
import msgspec

from demo.community import Person

ATTEMPTS = 8
LONGEST_WAIT = 60.0
"""Seconds. A server that asks for longer pauses is not configured for a demo."""
BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
TIMEOUT = httpx.Timeout(20, connect=5)

PICTURE_CHECKS = 240
PICTURE_PAUSE = 0.5
"""Seconds between two checks of an upload's state; two minutes in total."""

Body = Mapping[str, str | list[str]]
Sleep = Callable[[float], Awaitable[None]]


class DemoError(Exception):
    """The demo cannot continue; the message says why, and what to do."""


class RefusedError(DemoError):
    """The server answered with a problem that a retry does not solve."""

    def __init__(self, response: httpx.Response) -> None:
        """Describe the request and the problem document."""
        problem = read_problem(response)
        self.status = response.status_code
        self.code = problem.code
        asked = f"{response.request.method} {response.request.url.path}"
        super().__init__(
            f"{asked} was answered {self.status} {problem.code}: {problem.detail or problem.title}"
        )


class Problem(msgspec.Struct, frozen=True):
    """The members of ``application/problem+json`` that an error message needs."""

    title: str = ""
    detail: str = ""
    code: str = ""


class _Tokens(msgspec.Struct, frozen=True):
    access_token: str


class _Created(msgspec.Struct, frozen=True):
    id: str


class _Media(msgspec.Struct, frozen=True):
    state: str
    reason_text: str | None = None


class _SignedIn(msgspec.Struct, frozen=True):
    user: _Created
    tokens: _Tokens


def read_problem(response: httpx.Response) -> Problem:
    """Read a problem document, or use the status line if the answer is not one."""
    try:
        return msgspec.json.decode(response.content, type=Problem)
    except msgspec.DecodeError:
        return Problem(title=response.reason_phrase)


def pause(response: httpx.Response, attempt: int) -> float:
    """Return the seconds to wait before the next attempt: what the server says, otherwise twice as long each time.

    Raises DemoError if the server asks for more than LONGEST_WAIT.
    """
    try:
        seconds = float(response.headers.get("Retry-After", ""))
    except ValueError:
        seconds = 0.25 * 2**attempt
    if seconds > LONGEST_WAIT:
        message = (
            f"The server asks for a pause of {seconds:.0f} s. For a demo on your own machine, start it with "
            "WAGGLE_RATE_LIMITS=off."
        )
        raise DemoError(message)
    return seconds


class Api:
    """Sends requests, and repeats them until the answer is final."""

    def __init__(self, http: httpx.AsyncClient, *, sleep: Sleep = asyncio.sleep) -> None:
        """Use a client whose base URL is the server. Tests pass in ``sleep`` so that they need not wait."""
        self._http = http
        self._sleep = sleep

    async def greet(self) -> None:
        """Check that a server answers at all, whatever it answers. Raises DemoError."""
        try:
            await self._http.get("/readyz")
        except httpx.TransportError as error:
            message = (
                f"No server answers at {self._http.base_url} ({error}). Start it, or name it with --url."
            )
            raise DemoError(message) from error

    async def send(
        self,
        method: str,
        path: str,
        *,
        body: Body | None = None,
        token: str | None = None,
        key: str | None = None,
        picture: bytes | None = None,
    ) -> httpx.Response:
        """Send a request, as a form if there is a picture. Repeat it while the server is busy; return any other answer.

        Repeating is safe: PUT and PATCH are idempotent, and POST has a key.
        """
        headers = {}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if key is not None:
            headers["Idempotency-Key"] = key
        for attempt in range(ATTEMPTS):
            try:
                if picture is None:
                    response = await self._http.request(method, path, json=body, headers=headers)
                else:
                    file = {"file": ("picture.png", picture, "image/png")}
                    response = await self._http.request(method, path, data=body, files=file, headers=headers)
            except httpx.TransportError as error:
                if attempt == ATTEMPTS - 1:
                    message = f"The server stopped answering: {method} {path}, {error!r}."
                    raise DemoError(message) from error
                await self._sleep(0.25 * 2**attempt)
                continue
            running = response.status_code == HTTPStatus.CONFLICT and "Retry-After" in response.headers
            if response.status_code not in BUSY and not running:
                return response
            await self._sleep(pause(response, attempt))
        raise RefusedError(response)

    async def rest(self, seconds: float) -> None:
        """Wait."""
        await self._sleep(seconds)


class Session:
    """One person who is logged in."""

    def __init__(self, api: Api, person: Person, password: str, signed_in: _SignedIn) -> None:
        """Store what a new login needs."""
        self._api = api
        self._person = person
        self._password = password
        self._token = signed_in.tokens.access_token
        self.user_id = signed_in.user.id

    @classmethod
    async def join(cls, api: Api, person: Person, password: str, *, seed: int) -> "Session":
        """Register a person, or log in if an earlier run registered them."""
        body = {
            "username": person.username,
            "email": f"{person.username}@example.org",
            "password": password,
            "display_name": person.display_name,
        }
        response = await api.send(
            "POST", "/api/v1/auth/register", body=body, key=idempotency_key(seed, person, "register", body)
        )
        if response.status_code == HTTPStatus.ACCEPTED:
            message = "The server wants addresses to be confirmed: start it without WAGGLE_CONFIRM_EMAIL."
            raise DemoError(message)
        if response.status_code == HTTPStatus.CONFLICT:
            return cls(api, person, password, await _log_in(api, person, password))
        return cls(api, person, password, msgspec.json.decode(_accepted(response).content, type=_SignedIn))

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Body | None = None,
        key: str | None = None,
        picture: bytes | None = None,
    ) -> httpx.Response:
        """Send a request as this person. Log in again once if the token has expired."""
        token = self._token
        response = await self._api.send(method, path, body=body, token=token, key=key, picture=picture)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            if token == self._token:
                self._token = (await _log_in(self._api, self._person, self._password)).tokens.access_token
            response = await self._api.send(
                method, path, body=body, token=self._token, key=key, picture=picture
            )
        return response

    async def create(self, path: str, body: Body, *, seed: int, name: str) -> str:
        """Create something and return its id. ``name`` is the same in every run, so that it is created once."""
        key = idempotency_key(seed, self._person, name, body)
        return msgspec.json.decode(
            _accepted(await self.call("POST", path, body=body, key=key)).content, type=_Created
        ).id

    async def upload(self, picture: bytes, alt: str, *, seed: int, name: str) -> str:
        """Upload a picture, wait until it is ready, and return its id. Others see a post only when its media are ready."""
        body = {"alt_text": alt}
        content = body | {"picture": hashlib.sha256(picture).hexdigest()}
        key = idempotency_key(seed, self._person, name, content)
        response = await self.call("POST", "/api/v1/media", body=body, key=key, picture=picture)
        media_id = msgspec.json.decode(_accepted(response).content, type=_Created).id
        for _ in range(PICTURE_CHECKS):
            asked = await self.call("GET", f"/api/v1/media/{media_id}")
            media = msgspec.json.decode(_accepted(asked).content, type=_Media)
            if media.state == "ready":
                return media_id
            if media.state == "failed":
                raise DemoError(f"The server could not use a picture: {media.reason_text}")
            await self._api.rest(PICTURE_PAUSE)
        raise DemoError("The server does not finish a picture. Is its media worker running?")

    async def change(self, method: str, path: str, body: Body | None = None) -> None:
        """Send a change that may be repeated."""
        _accepted(await self.call(method, path, body=body))


def idempotency_key(seed: int, person: Person, name: str, body: Body) -> str:
    """Derive the key from the content, so that a changed plan gets other keys instead of a 422."""
    content = msgspec.json.encode([seed, person.username, name, sorted(body.items())])
    return f"demo-{hashlib.sha256(content).hexdigest()[:40]}"


async def _log_in(api: Api, person: Person, password: str) -> _SignedIn:
    # No Idempotency-Key: a repeated answer would contain the token that has just expired.
    body = {"login": person.username, "password": password}
    response = await api.send("POST", "/api/v1/auth/login", body=body)
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        message = f"{person.username} exists with another password than the demo's. Name it with --password."
        raise DemoError(message)
    return msgspec.json.decode(_accepted(response).content, type=_SignedIn)


def _accepted(response: httpx.Response) -> httpx.Response:
    if not response.is_success:
        raise RefusedError(response)
    return response
