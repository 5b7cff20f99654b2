"""The visibility of a post and its comments. A hidden post answers like one that does not exist."""

import pytest

from .client import Api, eventually, refusal

VISIBILITIES = ("public", "unlisted", "followers", "direct")


@pytest.mark.parametrize(
    ("visibility", "stranger", "mentioned"),
    [("public", True, True), ("unlisted", True, True), ("followers", False, True), ("direct", False, True)],
)
def test_az2_a_post_is_visible_to_its_audience(
    api: Api, visibility: str, stranger: bool, mentioned: bool
) -> None:
    maya, willy, flip = api.someone(), api.someone(), api.someone()
    post = maya.publishes(f"for you, @{willy.username}", visibility=visibility)
    audience = [(maya, True), (willy, mentioned), (flip, stranger), (api.nobody, stranger)]
    for somebody, expected in audience:
        assert somebody.sees(post) is expected
        listed = [item["id"] for item in somebody.all_items(f"/api/v1/users/{maya.id}/posts")]
        assert (post["id"] in listed) is expected
        thread = somebody.get(f"/api/v1/posts/{post['id']}/comments")
        assert thread.status_code == (200 if expected else 404)
    for member, expected in audience[:3]:
        path = f"/api/v1/posts/{post['id']}"
        for response in (member.put(f"{path}/like"), member.delete(f"{path}/like")):
            assert response.status_code == (200 if expected else 404)
        answered = member.post(f"{path}/comments", {"text": "hello"})
        assert answered.status_code == (201 if expected else 404)


def test_az2_a_hidden_post_answers_like_one_that_never_existed(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    hidden = maya.publishes_direct()
    gone = maya.publishes("gone")
    maya.removes(gone)
    for member in (willy, api.nobody):
        for method, tail, body in (
            ("GET", "", None),
            ("HEAD", "", None),
            ("GET", "/comments", None),
            ("DELETE", "", None),
            ("PUT", "/like", None),
            ("DELETE", "/like", None),
            ("POST", "/comments", {"text": "hello"}),
        ):
            answers = []
            for post_id in (hidden["id"], gone["id"], "1", "nonsense"):
                response = member.request(method, f"/api/v1/posts/{post_id}{tail}", json=body)
                problem = response.json() if response.content else {}
                problem.pop("request_id", None)
                headers = {
                    name: value
                    for name, value in response.headers.items()
                    if name not in {"x-request-id", "date"}
                }
                answers.append((response.status_code, problem, headers))
            assert answers[0] == answers[1] == answers[2] == answers[3]
            assert answers[0][0] in ({404} if member is willy else {404, 401})
    assert maya.reads(hidden)["counts"] == {"comments": 0, "likes": 0, "reposts": 0}


def test_a_comment_has_the_audience_of_the_post(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    for visibility in VISIBILITIES:
        post = maya.publishes(f"@{willy.username}", visibility=visibility)
        assert maya.comments(post)["visibility"] == visibility


def test_a_comment_never_has_a_wider_audience_than_the_post(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    counted = {"public": 2, "unlisted": 1, "followers": 0, "direct": 1}
    for above, width in zip(VISIBILITIES, range(4), strict=True):
        post = maya.publishes(f"@{willy.username}", visibility=above)
        for wanted in VISIBILITIES[:width]:
            response = maya.post(f"/api/v1/posts/{post['id']}/comments", {"text": "x", "visibility": wanted})
            assert refusal(response) == (409, "wider_than_thread")
        for wanted in VISIBILITIES[width:]:
            comment = maya.comments(post, f"@{willy.username}", visibility=wanted)
            assert comment["visibility"] == wanted
        assert maya.reads(post)["counts"]["comments"] == counted[above]


def test_a_direct_thread_stays_among_its_first_people(api: Api) -> None:
    maya, willy, cassandra = api.someone(), api.someone(), api.someone()
    post = maya.publishes(text=f"@{willy.username} hush", visibility="direct")
    answer = willy.comments(post, text=f"@{cassandra.username} listen")

    assert maya.get(f"/api/v1/posts/{answer['id']}").status_code == 200
    assert [mention["username"] for mention in answer["mentions"]] == [maya.username]
    assert refusal(cassandra.get(f"/api/v1/posts/{answer['id']}")) == (404, "post_not_found")


def test_az7_counts_do_not_include_hidden_posts(api: Api) -> None:
    maya, willy = api.someone(), api.someone()
    post = maya.publishes()
    willy.comments(post, visibility="direct")
    maya.publishes_direct()
    maya.publishes(visibility="followers")
    maya.publishes(visibility="unlisted")

    assert maya.reads(post)["counts"]["comments"] == 0

    def settled() -> None:
        assert maya.get("/api/v1/me").json()["counts"]["posts"] == 2

    eventually(settled)


def test_a_narrower_comment_is_hidden_in_the_thread(api: Api) -> None:
    maya, willy, flip = api.someone(), api.someone(), api.someone()
    post = maya.publishes()
    shown, hidden = maya.comments(post), maya.comments(post, f"@{flip.username}", visibility="direct")
    path = f"/api/v1/posts/{post['id']}/comments"
    assert [item["id"] for item in maya.all_items(path)] == [shown["id"], hidden["id"]]
    for somebody in (willy, api.nobody):
        assert [item["id"] for item in somebody.all_items(path, limit=1)] == [shown["id"]]
