"""Rules that hold for every operation of the OpenAPI document: a new route is tested as soon as it exists."""

from dataclasses import dataclass, field

import httpx
import pytest

from .client import (
    Api,
    Json,
    Member,
    Visitor,
    check_problem,
    done,
    eventually,
    fresh_name,
    refusal,
)
from .contract import Operation
from .pictures import uploaded

NEVER = "1"
"""An id of nothing."""


def ends_the_session(operation: Operation) -> bool:
    return operation.path.startswith("/api/v1/auth/logout")


# --- AZ-1: ended sessions ---------------------------------------------------------------------


def test_az1_the_token_of_an_ended_session_is_refused_everywhere(api: Api, every: list[Operation]) -> None:
    maya = api.someone()
    post = maya.publishes()
    done(maya.post("/api/v1/auth/logout"), 204)
    for operation in every:
        if operation.access != "public":
            path = operation.at(post_id=post["id"], user_id=maya.id)
            response = maya.request(operation.method, path, json=operation.body)
            assert refusal(response) == (401, "invalid_token")


# --- AZ-2: hidden things ----------------------------------------------------------------


@dataclass
class Household:
    """A user, and one thing of each kind with an id that other users may not see."""

    owner: Member
    mentioned: Member
    hidden: dict[str, dict[str, str]] = field(default_factory=dict)
    """By parameter and by kind of thing."""
    seen_by_mentioned: set[str] = field(default_factory=set)


@pytest.fixture
def household(api: Api) -> Household:
    owner, mentioned = api.someone(), api.someone()
    direct = owner.publishes(f"for @{mentioned.username}", visibility="direct")
    gone = owner.publishes()
    owner.removes(gone)
    open_post = owner.publishes()
    gone_comment = owner.comments(open_post)
    owner.removes(gone_comment)
    leaver = api.someone()
    leaver_post = leaver.publishes()
    leaves(api, leaver, leaver_post)
    posts = {
        "for somebody else": owner.publishes_direct(),
        "for followers": owner.publishes(visibility="followers"),
        "direct": direct,
        "a comment in a direct thread": owner.comments(direct),
        "a narrower comment": owner.comments(open_post, f"@{api.someone().username}", visibility="direct"),
        "deleted": gone,
        "a deleted comment": gone_comment,
        "of a private account": post_of_a_private_account(api),
        "of a deleted account": leaver_post,
    }
    another = api.logs_in(owner.username)
    sessions = done(another.get("/api/v1/auth/sessions"))["items"]
    return Household(
        owner,
        mentioned,
        {
            "post_id": {what: post["id"] for what, post in posts.items()},
            "session_id": {f"session {number}": one["id"] for number, one in enumerate(sessions)},
            "user_id": {"a deleted account": leaver.id},
            "media_id": {
                "announced": done(
                    owner.post("/api/v1/media/uploads", {"type": "image/png", "bytes": 9}), 201
                )["media"]["id"],
                "uploaded": uploaded(owner)["id"],
            },
            "version": {},  # counts those of a post: the test by the post's id covers it
            "seq": {},  # counts one's own notifications: it names nothing of others
            "tag": {},  # a word and not an id: test_az2_a_tag_of_hidden_posts_looks_like_one_that_nobody_uses covers it
        },
        {posts["direct"]["id"], posts["a comment in a direct thread"]["id"]},
    )


def post_of_a_private_account(api: Api) -> Json:
    private = api.someone()
    post = private.publishes()
    done(private.patch("/api/v1/me", {"private": True}))

    def hidden() -> None:
        assert not api.nobody.sees(post)

    eventually(hidden)
    return post


def leaves(api: Api, member: Member, post: Json) -> None:
    done(member.delete("/api/v1/me", params={"confirm": member.username}), 204)

    def hidden() -> None:
        assert not api.nobody.sees(post)

    eventually(hidden)


def ids_of(operation: Operation) -> list[str]:
    return [one["name"] for one in operation.described.get("parameters", []) if one["in"] == "path"]


def bare(response: httpx.Response) -> tuple[int, Json, dict[str, str]]:
    """An answer without the members that differ each time."""
    body = response.json() if response.content else {}
    body.pop("request_id", None)
    body.pop("prev", None)  # of a feed: the cursor for new items depends on the time
    each_time = {"x-request-id", "date", "ratelimit", "content-length"}
    return (
        response.status_code,
        body,
        {name: value for name, value in response.headers.items() if name not in each_time},
    )


def test_az2_every_kind_of_id_is_covered(household: Household, every: list[Operation]) -> None:
    named = {name for operation in every for name in ids_of(operation)}
    assert named <= set(household.hidden), "decide who may see it, and add one that is hidden"


def test_az2_every_operation_answers_hidden_things_like_ones_that_never_existed(
    api: Api, household: Household, every: list[Operation]
) -> None:
    viewers: list[Visitor] = [api.someone(), household.mentioned, api.nobody]
    before = household_as_its_owner_sees_it(household)
    compared = 0
    for operation in every:
        for name in ids_of(operation):
            for viewer in viewers:
                body = operation.body
                never = bare(viewer.request(operation.method, operation.at(**{name: NEVER}), json=body))
                for what, id_ in household.hidden[name].items():
                    if viewer is household.mentioned and id_ in household.seen_by_mentioned:
                        continue
                    found = bare(viewer.request(operation.method, operation.at(**{name: id_}), json=body))
                    assert found == never, (operation.name, what)
                    assert found[0] == (
                        404 if isinstance(viewer, Member) or operation.access != "token" else 401
                    )
                    compared += 1
    assert compared > 100
    assert household_as_its_owner_sees_it(household) == before


def test_az2_a_tag_of_hidden_posts_looks_like_one_that_nobody_uses(api: Api) -> None:
    maya, stranger = api.someone(), api.someone()
    hidden, never = fresh_name(), fresh_name()
    for visibility in ("unlisted", "followers"):
        maya.publishes(f"#{hidden}", visibility=visibility)
    maya.publishes_direct(f"#{hidden}")
    for viewer in (stranger, api.nobody):
        for path in ("/api/v1/feeds/hashtags/{}", "/api/v1/search?type=hashtags&q={}"):
            found = [done(viewer.get(path.format(tag))) for tag in (hidden, never)]
            assert [(page["items"], page["next"]) for page in found] == [([], None), ([], None)], path


def household_as_its_owner_sees_it(household: Household) -> list[Json]:
    owner = household.owner
    posts = [owner.get(f"/api/v1/posts/{id_}") for id_ in household.hidden["post_id"].values()]
    return [post.json() for post in posts if post.status_code == 200] + [
        done(owner.get("/api/v1/me")),
        done(owner.get("/api/v1/auth/sessions")),
    ]


def test_az2_hidden_things_in_a_body_answer_like_ones_that_never_existed(
    api: Api, household: Household
) -> None:
    stranger = api.someone()
    never = bare(stranger.post("/api/v1/posts", {"text": "x", "reply_to": NEVER}))
    assert never[0] == 404
    for what, id_ in household.hidden["post_id"].items():
        assert bare(stranger.post("/api/v1/posts", {"text": "x", "reply_to": id_})) == never, what


# --- AP-2: refusals -----------------------------------------------------------------------------------


def test_ap2_every_refusal_is_a_problem_document_with_a_request_id(api: Api) -> None:
    """Each is checked like every answer: problem form, request id, and no internal details."""
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    path = f"/api/v1/posts/{post['id']}"
    responses = [
        maya.get("/api/v1/me/likes", params={"limit": "0"}),
        api.nobody.get("/api/v1/me"),
        willy.delete(path),
        api.nobody.get("/api/v1/nothing"),
        maya.patch("/api/v1/posts", {}),
        api.registers(maya.username),
        maya.patch("/api/v1/me", {"bio": "x"}, headers={"If-Match": '"999.0123456789abcdef"'}),
        maya.request(
            "POST", "/api/v1/posts", content=b"x" * 70_000, headers={"Content-Type": "application/json"}
        ),
        maya.request("POST", "/api/v1/posts", content=b"<a/>", headers={"Content-Type": "text/xml"}),
        maya.post("/api/v1/posts", {}),
    ]
    assert [response.status_code for response in responses] == [
        400,
        401,
        403,
        404,
        405,
        409,
        412,
        413,
        415,
        422,
    ]
    for response in responses:
        check_problem(response)
    assert len({response.json()["request_id"] for response in responses}) == len(responses)


# --- AP-6: caches -------------------------------------------------------------------------------------


@dataclass
class NaiveCache:
    """A shared cache that obeys the headers, and stores nothing else."""

    http: httpx.Client
    kept: dict[str, list[tuple[dict[str, str | None], httpx.Response]]] = field(default_factory=dict)

    def get(self, who: Visitor, path: str) -> httpx.Response:
        asked = httpx.Headers(who.headers())
        for vary, response in self.kept.get(path, []):
            if all(asked.get(name) == value for name, value in vary.items()):
                return response
        response = who.get(path)
        control = response.headers.get("cache-control", "")
        names = [name.strip() for name in response.headers.get("vary", "").split(",") if name.strip()]
        if not any(word in control for word in ("no-store", "private", "no-cache")) and "*" not in names:
            self.kept.setdefault(path, []).append(({name: asked.get(name) for name in names}, response))
        return response


def test_ap6_a_shared_cache_never_serves_the_answer_of_another_user(api: Api, every: list[Operation]) -> None:
    alice, bob = api.someone(), api.someone()
    post = alice.publishes()
    bob.comments(post, f"for @{alice.username}", visibility="direct")
    alice.likes(post)
    cache = NaiveCache(api.http)
    compared = 0
    for operation in every:
        if operation.method == "GET":
            path = operation.at(post_id=post["id"], user_id=alice.id)
            for who in (alice, bob, api.nobody, alice):
                direct, cached = who.get(path), cache.get(who, path)
                assert bare(cached)[:2] == bare(direct)[:2], (operation.name, who)
                if operation.access != "public":
                    assert {"no-store", "private"} & {
                        word.strip() for word in direct.headers["cache-control"].split(",")
                    }, operation.name
                    compared += 1
    assert compared > 20


def test_ap6_the_test_notices_a_cache_that_stores_too_much(api: Api) -> None:
    """The cache above does store what the headers allow."""
    cache = NaiveCache(api.http)
    first = cache.get(api.nobody, "/.well-known/jwks.json")
    assert cache.get(api.someone(), "/.well-known/jwks.json") is first
