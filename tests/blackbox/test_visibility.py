"""Whatever people do, every read path shows each viewer all that they may see, and nothing else.

People follow, block and mute each other, become private, write, edit, delete, repost and delete their accounts at
random. After every few steps each path is compared with `visibility_model.py`. Quick: one walk of 80 steps in each shape.
`WAGGLE_TEST_LONG=1`: 20 walks of 400. The seeds are fixed; `WAGGLE_TEST_SEED` chooses others.
"""

import os
import random
from collections.abc import Iterator

import pytest

from .client import Api, eventually
from .conftest import LONG, SEVERAL, SHAPES
from .random_walk import RandomWalk
from .read_checks import ExpectedRead, ExpectedReads, Mismatch
from .visibility_model import ModelPost, Person

STEPS = 400 if LONG else 80
WALKS = 20 if LONG else 1
READ_EVERY = 16
"""Steps after which everything is compared, for the people that the last step concerned and without a token."""
pytestmark = pytest.mark.scaled
SEED = os.environ.get("WAGGLE_TEST_SEED", "bees")


def everything(walk: RandomWalk, viewer: Person | None) -> list[ExpectedRead]:
    """Every read path, for the last posts and some others, since relationships may hide any."""
    expected, posts = ExpectedReads(walk.model, viewer), list(walk.model.posts.values())
    some: list[ModelPost] = posts[-8:] + walk.chance.sample(posts[:-8], min(6, len(posts[:-8])))
    return [
        *expected.feeds(),
        *expected.notifications(),
        *expected.finds(),
        *expected.people(),
        *expected.posts(some),
    ]


def watch(walk: RandomWalk, reads: list[ExpectedRead]) -> None:
    for read in reads:
        try:
            walk.checker.check(read)
        except Mismatch as difference:
            pytest.fail(f"{difference}\nafter these steps:\n{walk.recent_steps()}")


def live(walk: RandomWalk) -> None:
    for step in range(1, STEPS + 1):
        walk.step()
        for one in walk.concerned if walk.chance.random() < 0.4 else ():
            watch(walk, list(ExpectedReads(walk.model, one).feeds()))
        if step % READ_EVERY == 0:
            viewers: list[Person | None] = [*walk.concerned]
            for viewer in [*viewers, None] if step % (3 * READ_EVERY) == 0 else viewers:
                watch(walk, everything(walk, viewer))


def trending_was_seen(walk: RandomWalk) -> None:
    """The ranking is computed now and then: a fast walk would end before it has any posts."""
    watch(walk, everything(walk, None))
    assert walk.checker.shown["/api/v1/trending/posts"]


@pytest.mark.short_run_shapes("embedded", "postgres")
@pytest.mark.parametrize("number", range(WALKS))
@pytest.mark.timeout(300)
def test_az3_az4_az6_every_path_shows_what_the_viewer_may_see(api: Api, number: int) -> None:
    print(f"WAGGLE_TEST_SEED={SEED!r}, walk {number}")  # noqa: T201 - shown with a failure
    walk = RandomWalk([api], random.Random(f"{SEED} {number}"))  # noqa: S311 - it must be reproducible
    eventually(lambda: trending_was_seen(walk))
    live(walk)
    assert walk.checker.reads > 5 * STEPS
    for path in ("feeds/home", "feeds/public", "trending/posts", "me/likes", "notifications"):
        assert walk.checker.shown[f"/api/v1/{path}"], f"nothing was seen at {path}"


@pytest.mark.parametrize("servers", [one for one in SHAPES if one in SEVERAL] or ["none"], indirect=True)
@pytest.mark.parametrize("number", range(WALKS))
@pytest.mark.timeout(300)
def test_az3_az4_a_change_in_one_process_shows_in_the_others_within_a_second(
    apis: list[Api], number: int
) -> None:
    print(f"WAGGLE_TEST_SEED={SEED!r}, walk {number} of several processes")  # noqa: T201 - as above
    walk = RandomWalk(apis, random.Random(f"{SEED} {number} several"))  # noqa: S311 - as above
    live(walk)
    assert walk.checker.reads > 5 * STEPS
    for path in ("feeds/home", "feeds/public", "me/likes", "notifications"):
        assert walk.checker.shown[f"/api/v1/{path}"], f"nothing was seen at {path}"


def lies(walk: RandomWalk) -> Iterator[str]:
    """Changes of the model only, after which the server shows too much or too little."""
    model, (one, other, *_) = walk.model, walk.model.people.values()
    post = next(post for post in model.posts.values() if post.author is other)
    yield f"{one} blocks {other}"
    model.block(one, other, 0)
    yield f"{one} mutes {other}, and blocks nobody"
    del model.blocks[one, other]
    model.mutes[one, other] = 0
    yield f"{other} is private, and nobody mutes"
    del model.mutes[one, other]
    other.private = True
    yield f"{other} is not private, and {post.label} is deleted"
    other.private, post.deleted = False, True
    yield f"{post.label} is there and says something else"
    post.deleted = False
    post.texts[-1] += "!"


@pytest.mark.short_run_shapes("memory")
def test_a_difference_is_reported(api: Api) -> None:
    walk = RandomWalk([api], random.Random("any"))  # noqa: S311 - it must be reproducible
    viewer, *_ = walk.model.people.values()
    reports = lies(walk)
    next(reports)
    for lie in reports:
        reads = [one for one in everything(walk, viewer) if not one.soft]
        with pytest.raises(Mismatch):  # noqa: PT012 - whichever of them
            for read in reads:
                walk.checker.check(read)
            pytest.fail(f"no read noticed this difference: {lie}")
