"""The demo's data, its plan, and how its client behaves towards a server that is busy or not there."""

import asyncio
import io
import itertools
import json
import re
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import httpx
import msgspec
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from demo import seed
from demo.client import Api, DemoError, RefusedError, Session, idempotency_key
from demo.community import DATA, Community, Dialogues, Network, Source, load, read_texts
from demo.pictures import SCENES
from demo.pictures import draw as draw_picture
from demo.plan import DEEPEST, Action, Bookmark, Follow, Introduce, Like, Register, Repost, Write, plan
from demo.run import Run

COMMUNITY = load()
PERSON = COMMUNITY.people[0]
FREE = re.compile(r"BSD-3-Clause|MIT|public domain")
PASSWORD = "correct horse battery"


def sources() -> dict[str, Source]:
    """Give the source that each data file names."""
    found = {f"texts/{path.name}": read_texts(path).source for path in (DATA / "texts").glob("*.json")}
    found["dialogues.json"] = msgspec.json.decode(
        (DATA / "dialogues.json").read_bytes(), type=Dialogues
    ).source
    found["network.json"] = msgspec.json.decode((DATA / "network.json").read_bytes(), type=Network).source
    return found


def all_texts() -> list[str]:
    """Give everything that may be said."""
    texts = [text.text for text in (*COMMUNITY.texts, *COMMUNITY.reactions)]
    for dialogue in COMMUNITY.dialogues:
        texts += [dialogue.post, *itertools.chain.from_iterable(dialogue.answers)]
    return texts


def draw(
    community: Community = COMMUNITY, *, people: int = 34, posts: int = 600, number: int = 1
) -> list[Action]:
    """Draw a plan of the usual size."""
    return plan(community, people=people, posts=posts, seed=number)


class TestData:
    """What is committed is well formed, within the limits, and may be shared."""

    def test_every_text_is_within_the_limits_of_a_post(self) -> None:
        """Longer ones would be refused half way through a demo."""
        for text in all_texts():
            assert 0 < len(text) <= 400
            assert len(text.encode()) <= 8_000
            assert text == unicodedata.normalize("NFC", text).strip()
            assert all(char == "\n" or unicodedata.category(char) != "Cc" for char in text)

    def test_there_are_many_texts_in_many_languages(self) -> None:
        """Six languages at least, one of them from right to left and one without spaces."""
        languages = {text.language for text in COMMUNITY.texts}
        assert len(COMMUNITY.texts) >= 600
        assert len({text.text for text in COMMUNITY.texts}) == len(COMMUNITY.texts)
        assert {"en", "es", "fa", "ar", "he", "zh", "ja"} <= languages
        assert all(re.fullmatch(r"[a-z]{2}", language) for language in languages)

    def test_usernames_are_valid_and_unique(self) -> None:
        """They follow api.md, and so does what people write about themselves."""
        names = [person.username for person in COMMUNITY.people]
        assert len(set(names)) == len(names) == COMMUNITY.network.members
        for person in COMMUNITY.people:
            assert re.fullmatch(r"[a-z0-9_]{3,30}", person.username)
            assert 0 < len(person.display_name) <= 50
            assert 0 < len(person.bio) <= 160
            assert person.languages

    def test_every_source_names_a_free_licence_and_stands_in_the_readme(self) -> None:
        """Nothing is shared without its credits."""
        readme = (DATA / "README.md").read_text(encoding="utf-8")
        for name, source in sources().items():
            assert FREE.search(source.licence), name
            assert source.author
            assert f"`{name}`" in readme
            assert f"`{source.package}`" in readme
            assert source.version in readme

    def test_pictures_are_drawn_and_described(self) -> None:
        """The same one each time, since an upload is repeated by its key and its bytes."""
        pictures = [picture for post in COMMUNITY.pictured for picture in post.pictures]
        assert {picture.scene for picture in pictures} == set(SCENES)
        assert len(pictures) <= 24, "making them takes the server seconds"
        for post in COMMUNITY.pictured:
            assert "#" in post.text
            assert 1 <= len(post.pictures) <= 4
            assert any(post.language in person.languages for person in COMMUNITY.people)
        assert all(8 < len(picture.alt) <= 200 for picture in pictures)
        for scene in SCENES:
            assert draw_picture(scene, "1") == draw_picture(scene, "1") != draw_picture(scene, "2")
            with Image.open(io.BytesIO(draw_picture(scene, "1"))) as image:
                assert (image.format, image.size) == ("PNG", (960, 640))

    def test_the_network_ties_each_pair_once_and_leaves_no_one_alone(self) -> None:
        """Somebody without neighbours would never be answered."""
        pairs = [(one, other) for one, other, _ in COMMUNITY.network.edges]
        assert len(set(pairs)) == len(pairs)
        assert all(0 <= one < other < COMMUNITY.network.members for one, other in pairs)
        assert all(COMMUNITY.neighbours(COMMUNITY.network.members).values())

    def test_it_all_stays_small(self) -> None:
        """A demo isn't worth a big repository."""
        assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 600_000


class TestPlan:
    """A pure function of the seed, in the order of time."""

    def test_the_same_seed_gives_the_same_plan(self) -> None:
        """That is what makes a second run repeat the first, key by key."""
        assert draw() == draw()
        assert draw() != draw(number=2)

    @pytest.mark.parametrize("people", [2, 7, 34])
    def test_nothing_comes_before_what_it_needs(self, people: int) -> None:
        """Authors have joined, and what is answered or liked was written earlier."""
        joined: set[int] = set()
        written: set[str] = set()
        for action in draw(people=people):
            if isinstance(action, Register):
                assert action.person not in joined
                joined.add(action.person)
                continue
            assert action.person in joined
            match action:
                case Write():
                    assert action.parent is None or action.parent in written
                    assert action.key not in written
                    written.add(action.key)
                case Like() | Repost() | Bookmark():
                    assert action.target in written
                case Follow():
                    assert action.other in joined - {action.person}
                case Introduce():
                    pass
        assert joined == set(range(people))

    def test_the_community_is_believable(self) -> None:
        """Few talk much, all of them post, threads have depth, and hardly any post says what another said."""
        actions = draw()
        writes = {action.key: action for action in actions if isinstance(action, Write)}
        posts = [write for write in writes.values() if write.parent is None]
        comments = len(writes) - len(posts)
        per_person = sorted(sum(post.person == number for post in posts) for number in range(34))
        assert len(posts) == 600
        assert 300 <= comments <= 900
        assert sum(isinstance(action, Like) for action in actions) >= 600
        assert 40 <= sum(isinstance(action, Repost) for action in actions) <= 200
        assert 20 <= sum(isinstance(action, Bookmark) for action in actions) <= 150
        assert 0 < per_person[0] < per_person[17] < per_person[-1] / 3
        assert len({post.text for post in posts}) == len(posts)
        depths = []
        for write in writes.values():
            above, depth = write.parent, 0
            while above is not None:
                above, depth = writes[above].parent, depth + 1
            depths.append(depth)
        assert 3 <= max(depths) <= DEEPEST

    def test_posts_have_hashtags_and_pictures(self) -> None:
        """Many are tagged, and every picture is shown once."""
        writes = [action for action in draw() if isinstance(action, Write)]
        tags = Counter(tag for write in writes for tag in re.findall(r"#(\w+)", write.text))
        assert sum(tags.values()) >= 100
        assert len([tag for tag, times in tags.items() if times >= 5]) >= 5
        assert all(len(write.text) <= 500 for write in writes)
        shown = [write.pictures for write in writes if write.pictures]
        assert sorted(map(repr, shown)) == sorted(repr(post.pictures) for post in COMMUNITY.pictured)

    def test_nobody_likes_the_same_twice_or_their_own(self) -> None:
        """A toggle would hide it, the counts at the end would not."""
        actions = draw()
        author = {action.key: action.person for action in actions if isinstance(action, Write)}
        likes = [action for action in actions if isinstance(action, Like)]
        assert len(set(likes)) == len(likes)
        assert all(author[like.target] != like.person for like in likes)


class Server:
    """As much of Waggle as the demo sees, in memory: idempotent, and with faults on demand."""

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
        self.field_errors: list[httpx.Response | Exception] = []
        self.asked: list[str] = []
        self.waited: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.asked.append(f"{request.method} {request.url.path}")
        if request.url.path == "/livez":
            return httpx.Response(200)
        if self.field_errors:
            fault = self.field_errors.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        key = request.headers.get("Idempotency-Key")
        if key in self.stored:
            return self.stored[key]
        response = self.answer(request)
        if key is not None and response.is_success:
            self.stored[key] = response
        return response

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Let people in, and let those who are in do what they ask for."""
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
        """Do what a person asks for."""
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
        """Keep a post."""
        number = str(5000 + len(self.posts))
        self.posts[number] = body | {"author": who, "parent": parent}
        return httpx.Response(201, json={"id": number})

    def signed_in(self, status: int, username: str) -> httpx.Response:
        """Give a token that works until ``tokens`` is cleared."""
        token = f"token-{len(self.tokens)}-{username}"
        self.tokens[f"Bearer {token}"] = username
        user = {"id": self.users[username], "username": username}
        return httpx.Response(
            status, json={"user": user, "tokens": {"access_token": token, "token_type": "Bearer"}}
        )

    async def sleep(self, seconds: float) -> None:
        """Note how long the client would wait."""
        self.waited.append(seconds)

    def api(self) -> Api:
        """Give a client of this server."""
        http = httpx.AsyncClient(base_url="http://demo.test", transport=httpx.MockTransport(self))
        return Api(http, sleep=self.sleep)

    def run(self, actions: list[Action], *, at_once: int = 4) -> Run:
        """Carry out a plan against this server."""
        run = Run(self.api(), COMMUNITY.people, password=PASSWORD, seed=1)
        asyncio.run(run.carry_out(actions, at_once=at_once, done=lambda: None))
        return run


def problem(status: int, code: str, headers: dict[str, str] | None = None) -> httpx.Response:
    """Give a problem document."""
    return httpx.Response(status, json={"title": "No", "code": code, "detail": "Because."}, headers=headers)


def join(server: Server) -> Session:
    """Let the first person in."""
    return asyncio.run(Session.join(server.api(), PERSON, PASSWORD, seed=1))


class TestClient:
    """What one request does when the server doesn't simply say yes."""

    @pytest.mark.parametrize(
        "fault",
        [
            problem(429, "rate_limited", {"Retry-After": "3"}),
            problem(503, "overloaded", {"Retry-After": "3"}),
            problem(504, "deadline_exceeded", {"Retry-After": "3"}),
            problem(409, "idempotency_running", {"Retry-After": "3"}),
        ],
    )
    def test_it_waits_as_long_as_the_server_says(self, fault: httpx.Response) -> None:
        """And then asks the same again."""
        server = Server()
        server.field_errors = [fault, fault]
        join(server)
        assert server.asked == ["POST /api/v1/auth/register"] * 3
        assert server.waited == [3, 3]

    def test_it_waits_longer_each_time_when_the_server_does_not_say(self) -> None:
        """Also when the connection breaks."""
        server = Server()
        server.field_errors = [
            problem(503, "overloaded"),
            httpx.ReadTimeout("slow"),
            problem(503, "overloaded"),
        ]
        join(server)
        assert server.waited == [0.25, 0.5, 1]

    def test_it_gives_up_on_a_server_that_stays_busy(self) -> None:
        """A demo that hangs for ever tells nobody anything."""
        server = Server()
        server.field_errors = [problem(503, "overloaded", {"Retry-After": "1"}) for _ in range(100)]
        with pytest.raises(RefusedError, match="503 overloaded"):
            join(server)

    def test_it_refuses_to_wait_for_an_hour(self) -> None:
        """The message names the setting that helps."""
        server = Server()
        server.field_errors = [problem(429, "rate_limited", {"Retry-After": "3600"})]
        with pytest.raises(DemoError, match="WAGGLE_RATE_LIMITS=off"):
            join(server)
        assert server.waited == []

    def test_who_is_registered_already_logs_in(self) -> None:
        """The key of the first run may be forgotten by then."""
        server = Server()
        join(server)
        server.stored.clear()
        session = join(server)
        assert server.asked[-2:] == ["POST /api/v1/auth/register", "POST /api/v1/auth/login"]
        assert session.user_id == server.users[PERSON.username]

    def test_a_token_that_expired_is_replaced(self) -> None:
        """A replayed registration hands out the old one."""
        server = Server()
        join(server)
        server.tokens.clear()
        session = join(server)
        asyncio.run(session.change("PATCH", "/api/v1/me", {"bio": "x"}))
        assert server.asked[-3:] == ["PATCH /api/v1/me", "POST /api/v1/auth/login", "PATCH /api/v1/me"]

    def test_a_refusal_says_what_the_problem_was(self) -> None:
        """Also when it comes from something that isn't Waggle."""
        server = Server()
        server.field_errors = [problem(422, "invalid"), httpx.Response(502, text="<html>")]
        with pytest.raises(RefusedError, match="register was answered 422 invalid: Because"):
            join(server)
        with pytest.raises(RefusedError, match="502 : Bad Gateway"):
            join(server)

    def test_keys_differ_by_seed_person_action_and_body(self) -> None:
        """One key for two bodies would be answered 422."""
        keys = {
            idempotency_key(number, person, name, {"text": text})
            for number, person, name, text in itertools.product(
                (1, 2), COMMUNITY.people[:2], ("post-1", "post-2"), ("a", "b")
            )
        }
        assert len(keys) == 16
        assert all(key.isascii() and len(key) <= 255 for key in keys)


class TestRun:
    """A whole plan against a server in memory."""

    def test_it_does_what_was_planned(self) -> None:
        """And counts it."""
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
        """Not even when the first one was interrupted in the middle."""
        server = Server()
        actions = draw(people=9, posts=80)
        server.run(actions[: len(actions) // 2])
        server.run(actions)
        server.run(actions, at_once=1)
        assert len(server.posts) == sum(isinstance(action, Write) for action in actions)

    def test_a_server_without_follows_is_asked_once_per_worker_at_most(self) -> None:
        """The demo is older than the endpoint."""
        server = Server(follow=False)
        run = server.run(draw(people=9, posts=10))
        assert run.counts["follows"] == 0
        assert sum(asked.endswith("/follow") for asked in server.asked) <= 4

    def test_pictures_are_attached_when_they_are_ready(self) -> None:
        """Until then nobody but their author would see the post."""
        server = Server()
        actions = draw(people=34, posts=60)
        run = server.run(actions)
        wanted = sum(len(action.pictures) for action in actions if isinstance(action, Write))
        assert wanted == run.counts["pictures"] == len(server.media) > 0
        attached = [media for post in server.posts.values() for media in post.get("media_ids", [])]
        assert sorted(attached, key=int) == [str(number + 1) for number in range(wanted)]
        server.run(actions)
        assert len(server.media) == wanted, "a second run uploads nothing again"

    def test_a_picture_that_is_refused_ends_the_run(self) -> None:
        """The message says why."""
        server = Server()
        server.made = "failed"
        with pytest.raises(ExceptionGroup) as caught:
            server.run(draw(people=34, posts=60), at_once=1)
        assert caught.group_contains(DemoError, match="It is no picture")

    def test_a_failure_ends_the_run(self) -> None:
        """What depends on it must not wait for ever."""
        server = Server()
        server.field_errors = [problem(500, "internal")]
        with pytest.raises(ExceptionGroup) as caught:
            server.run(draw(people=9, posts=10))
        assert caught.group_contains(RefusedError)

    def test_the_script_fills_a_server(self) -> None:
        """From its arguments to its counts."""
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

    def test_without_a_server_it_says_so_in_one_line(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A traceback would say the same in eighty."""

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
