"""A run of the demo on a server that is in memory, overloaded or unreachable."""

import asyncio
import itertools
import json
import re
import sys
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from demo import seed
from demo.client import Api, DemoError, RefusedError, Session, idempotency_key
from demo.community import Community, load
from demo.plan import Action, Bookmark, Follow, Like, Repost, Write, plan
from demo.run import Run

COMMUNITY = load()
PERSON = COMMUNITY.people[0]
FREE = re.compile(r"BSD-3-Clause|MIT|public domain")
PASSWORD = "correct horse battery"


def draw(
    community: Community = COMMUNITY, *, people: int = 34, posts: int = 600, number: int = 1
) -> list[Action]:
    """Return a plan of the usual size."""
    return plan(community, people=people, posts=posts, seed=number)


class Server:
    """The parts of Waggle that the demo uses, in memory: idempotent, and with failures on demand."""

    def __init__(self, *, follow: bool = True) -> None:
        """Start empty."""
        self.follow = follow
        self.users: dict[str, str] = {}
        self.posts: dict[str, dict[str, str]] = {}
        self.relations: set[tuple[str, str]] = set()
        self.stored: dict[str, httpx.Response] = {}
        self.tokens: dict[str, str] = {}
        self.media: list[str] = []
        self.made = "ready"
        self.failures: list[httpx.Response | Exception] = []
        self.asked: list[str] = []
        self.waited: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.asked.append(f"{request.method} {request.url.path}")
        if request.url.path == "/livez":
            return httpx.Response(200)
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return failure
        key = request.headers.get("Idempotency-Key")
        if key in self.stored:
            return self.stored[key]
        response = self.answer(request)
        if key is not None and response.is_success:
            self.stored[key] = response
        return response

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Register and log in people, and execute the requests of authenticated ones."""
        path = request.url.path.removeprefix("/api/v1")
        form = request.headers.get("Content-Type", "").startswith("multipart/")
        body = {} if form else json.loads(request.content or b"{}")
        if path == "/auth/register":
            if body["username"] in self.users:
                return problem(409, "username_taken")
            self.users[body["username"]] = str(1000 + len(self.users))
            return self.signed_in(201, body["username"])
        if path == "/auth/login":
            return self.signed_in(200, body["login"])
        who = self.tokens.get(request.headers.get("Authorization", ""))
        if who is None:
            return problem(401, "token_invalid")
        return self.do(who, request.method, path.split("/")[1:], body)

    def do(self, who: str, method: str, path: list[str], body: dict[str, str]) -> httpx.Response:
        """Execute a request of a person."""
        match method, path:
            case "POST", ["media"]:
                self.media.append("processing")
                return httpx.Response(202, json={"id": str(len(self.media))})
            case "GET", ["media", media]:
                state, self.media[int(media) - 1] = self.media[int(media) - 1], self.made
                return httpx.Response(200, json={"state": state, "reason_text": "It is no picture."})
            case "POST", ["posts"]:
                return self.created(body, who, "")
            case "POST", ["posts", parent, "comments"] if parent in self.posts:
                return self.created(body, who, parent)
            case "PATCH", ["me"]:
                pass
            case "PUT", ["posts", post, "like" | "repost" | "bookmark" as mark] if post in self.posts:
                self.relations.add((who, f"{mark} {post}"))
            case "PUT", ["users", user, "follow"] if self.follow and user in self.users.values():
                self.relations.add((who, user))
            case _:
                return problem(404, "not_found")
        return httpx.Response(200, json={})

    def created(self, body: dict[str, str], who: str, parent: str) -> httpx.Response:
        """Store a post."""
        number = str(5000 + len(self.posts))
        self.posts[number] = body | {"author": who, "parent": parent}
        return httpx.Response(201, json={"id": number})

    def signed_in(self, status: int, username: str) -> httpx.Response:
        """Return a token that is valid until ``tokens`` is cleared."""
        token = f"token-{len(self.tokens)}-{username}"
        self.tokens[f"Bearer {token}"] = username
        user = {"id": self.users[username], "username": username}
        return httpx.Response(
            status, json={"user": user, "tokens": {"access_token": token, "token_type": "Bearer"}}
        )

    async def sleep(self, seconds: float) -> None:
        """Record the waiting time of the client."""
        self.waited.append(seconds)

    def api(self) -> Api:
        """Return a client of this server."""
        http = httpx.AsyncClient(base_url="http://demo.test", transport=httpx.MockTransport(self))
        return Api(http, sleep=self.sleep)

    def run(self, actions: list[Action], *, at_once: int = 4) -> Run:
        """Execute a plan on this server."""
        run = Run(self.api(), COMMUNITY.people, password=PASSWORD, seed=1)
        asyncio.run(run.carry_out(actions, at_once=at_once, done=lambda: None))
        return run


def problem(status: int, code: str, headers: dict[str, str] | None = None) -> httpx.Response:
    """Return a problem document."""
    return httpx.Response(status, json={"title": "No", "code": code, "detail": "Because."}, headers=headers)


def join(server: Server) -> Session:
    """Register the first person."""
    return asyncio.run(Session.join(server.api(), PERSON, PASSWORD, seed=1))


class TestClient:
    """Requests that the server refuses or does not answer."""

    @pytest.mark.parametrize(
        "failure",
        [
            problem(429, "rate_limited", {"Retry-After": "3"}),
            problem(503, "overloaded", {"Retry-After": "3"}),
            problem(504, "deadline_exceeded", {"Retry-After": "3"}),
            problem(409, "idempotency_running", {"Retry-After": "3"}),
        ],
    )
    def test_it_waits_for_the_retry_after_of_the_server(self, failure: httpx.Response) -> None:
        """And then repeats the request."""
        server = Server()
        server.failures = [failure, failure]
        join(server)
        assert server.asked == ["POST /api/v1/auth/register"] * 3
        assert server.waited == [3, 3]

    def test_it_backs_off_exponentially_without_a_retry_after(self) -> None:
        """Also when the connection breaks."""
        server = Server()
        server.failures = [
            problem(503, "overloaded"),
            httpx.ReadTimeout("slow"),
            problem(503, "overloaded"),
        ]
        join(server)
        assert server.waited == [0.25, 0.5, 1]

    def test_it_fails_if_the_server_stays_overloaded(self) -> None:
        """A demo must not hang for ever."""
        server = Server()
        server.failures = [problem(503, "overloaded", {"Retry-After": "1"}) for _ in range(100)]
        with pytest.raises(RefusedError, match="503 overloaded"):
            join(server)

    def test_it_refuses_to_wait_for_an_hour(self) -> None:
        """The message names the setting that disables rate limits."""
        server = Server()
        server.failures = [problem(429, "rate_limited", {"Retry-After": "3600"})]
        with pytest.raises(DemoError, match="WAGGLE_RATE_LIMITS=off"):
            join(server)
        assert server.waited == []

    def test_a_registered_person_logs_in(self) -> None:
        """The idempotency key of the first run may have expired."""
        server = Server()
        join(server)
        server.stored.clear()
        session = join(server)
        assert server.asked[-2:] == ["POST /api/v1/auth/register", "POST /api/v1/auth/login"]
        assert session.user_id == server.users[PERSON.username]

    def test_an_expired_token_is_replaced(self) -> None:
        """A replayed registration returns the old token."""
        server = Server()
        join(server)
        server.tokens.clear()
        session = join(server)
        asyncio.run(session.change("PATCH", "/api/v1/me", {"bio": "x"}))
        assert server.asked[-3:] == ["PATCH /api/v1/me", "POST /api/v1/auth/login", "PATCH /api/v1/me"]

    def test_a_refusal_contains_the_problem(self) -> None:
        """Also if the answer does not come from Waggle."""
        server = Server()
        server.failures = [problem(422, "invalid"), httpx.Response(502, text="<html>")]
        with pytest.raises(RefusedError, match="register was answered 422 invalid: Because"):
            join(server)
        with pytest.raises(RefusedError, match="502 : Bad Gateway"):
            join(server)

    def test_keys_differ_by_seed_person_action_and_body(self) -> None:
        """The server would answer 422 to one key with two bodies."""
        keys = {
            idempotency_key(number, person, name, {"text": text})
            for number, person, name, text in itertools.product(
                (1, 2), COMMUNITY.people[:2], ("post-1", "post-2"), ("a", "b")
            )
        }
        assert len(keys) == 16
        assert all(key.isascii() and len(key) <= 255 for key in keys)


class TestRun:
    """A complete plan on a server in memory."""

    def test_it_executes_the_plan(self) -> None:
        """And counts the actions."""
        server = Server()
        actions = draw(people=9, posts=80)
        run = server.run(actions)
        wanted = [action for action in actions if isinstance(action, Write)]
        posts = sum(write.parent is None for write in wanted)
        relations = sum(isinstance(action, Like | Repost | Bookmark | Follow) for action in actions)
        assert (run.counts["people"], run.counts["posts"]) == (9, posts)
        assert run.counts["comments"] == len(wanted) - posts
        kinds = ("likes", "reposts", "bookmarks", "follows")
        assert len(server.relations) == relations == sum(run.counts[kind] for kind in kinds)
        assert sorted(post["text"] for post in server.posts.values()) == sorted(
            write.text for write in wanted
        )

    def test_a_second_run_creates_nothing_twice(self) -> None:
        """Not even if the first run was interrupted."""
        server = Server()
        actions = draw(people=9, posts=80)
        server.run(actions[: len(actions) // 2])
        server.run(actions)
        server.run(actions, at_once=1)
        assert len(server.posts) == sum(isinstance(action, Write) for action in actions)

    def test_a_server_without_follows_gets_at_most_one_request_per_worker(self) -> None:
        """So the demo works with servers that lack the endpoint."""
        server = Server(follow=False)
        run = server.run(draw(people=9, posts=10))
        assert run.counts["follows"] == 0
        assert sum(asked.endswith("/follow") for asked in server.asked) <= 4

    def test_images_are_attached_when_they_are_ready(self) -> None:
        """Otherwise only the author would see the post."""
        server = Server()
        actions = draw(people=34, posts=60)
        run = server.run(actions)
        wanted = sum(len(action.pictures) for action in actions if isinstance(action, Write))
        assert wanted == run.counts["pictures"] == len(server.media) > 0
        attached = [media for post in server.posts.values() for media in post.get("media_ids", [])]
        assert sorted(attached, key=int) == [str(number + 1) for number in range(wanted)]
        server.run(actions)
        assert len(server.media) == wanted, "a second run uploads nothing again"

    def test_a_rejected_image_ends_the_run(self) -> None:
        """The message has the reason."""
        server = Server()
        server.made = "failed"
        with pytest.raises(ExceptionGroup) as caught:
            server.run(draw(people=34, posts=60), at_once=1)
        assert caught.group_contains(DemoError, match="It is no picture")

    def test_a_failure_ends_the_run(self) -> None:
        """Dependent actions must not wait for ever."""
        server = Server()
        server.failures = [problem(500, "internal")]
        with pytest.raises(ExceptionGroup) as caught:
            server.run(draw(people=9, posts=10))
        assert caught.group_contains(RefusedError)

    def test_the_script_fills_a_server(self) -> None:
        """From its arguments to its summary."""
        server = Server()
        options = seed.arguments(["--people", "5", "--posts", "20", "--url", "http://demo.test"])
        filled = asyncio.run(seed.fill(options, httpx.MockTransport(server)))
        assert (filled.counts["people"], filled.counts["posts"]) == (5, 20)
        assert filled.user_id == server.users[PERSON.username]
        parents = [post["parent"] for post in server.posts.values() if post["parent"]]
        assert parents.count(filled.post_id) == max(map(parents.count, parents))
        shown = seed.farewell(options.url, options.password, filled)
        assert "5 people, 20 posts" in shown
        assert f"/posts/{filled.post_id}/comments" in shown

    def test_a_missing_server_is_reported_in_one_line(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Without a traceback."""

        def refuse(request: httpx.Request) -> httpx.Response:
            message = "refused"
            raise httpx.ConnectError(message, request=request)

        real = seed.fill
        transport = httpx.MockTransport(refuse)
        monkeypatch.setattr(seed, "fill", lambda options: real(options, transport))
        assert seed.main(["--url", "http://demo.test"]) == 1
        shown = capsys.readouterr()
        assert "No server answers at http://demo.test" in shown.err
        assert "Traceback" not in shown.err
