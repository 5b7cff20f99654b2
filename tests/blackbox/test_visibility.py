"""Whatever people do to one another, every read path shows each viewer what they may see, and all of it.

People follow, block and mute each other, go private, write, edit, delete, repost and leave, as chance has it;
after every few steps each path is compared with `sights.py`. Quick: one life of 100 steps in each shape.
`WAGGLE_TEST_LONG=1`: 20 lives of 400. The seeds are always the same; `WAGGLE_TEST_SEED` is another place
to begin.
"""

import os
import random
from collections.abc import Iterator

import pytest

from .client import Api, eventually
from .conftest import LONG, SEVERAL, SHAPES
from .living import Life
from .sights import Note, Person
from .watching import Differs, Look, Views

STEPS = 400 if LONG else 100
LIVES = 20 if LONG else 1
LOOK_EVERY = 16
"""Steps after which everything is compared, for those whom the last step concerned and for nobody."""
pytestmark = pytest.mark.scaled
SEED = os.environ.get("WAGGLE_TEST_SEED", "bees")


def everything(life: Life, viewer: Person | None) -> list[Look]:
    """Every read path; of posts the last ones and some others, of which the graph may hide any."""
    views, notes = Views(life.sights, viewer), list(life.sights.notes.values())
    some: list[Note] = notes[-8:] + life.chance.sample(notes[:-8], min(6, len(notes[:-8])))
    return [*views.feeds(), *views.told(), *views.finds(), *views.people(), *views.notes(some)]


def watch(life: Life, looks: list[Look]) -> None:
    for look in looks:
        try:
            life.watcher.check(look)
        except Differs as difference:
            pytest.fail(f"{difference}\nafter these steps:\n{life.told()}")


def live(life: Life) -> None:
    for step in range(1, STEPS + 1):
        life.step()
        for one in life.concerned if life.chance.random() < 0.4 else ():
            watch(life, list(Views(life.sights, one).feeds()))
        if step % LOOK_EVERY == 0:
            viewers: list[Person | None] = [*life.concerned]
            for viewer in [*viewers, None] if step % (3 * LOOK_EVERY) == 0 else viewers:
                watch(life, everything(life, viewer))


def trending_was_seen(life: Life) -> None:
    """The list is made now and then: a fast life would end before it has anything."""
    watch(life, everything(life, None))
    assert life.watcher.shown["/api/v1/trending/posts"]


@pytest.mark.told_by("embedded", "postgres")
@pytest.mark.parametrize("number", range(LIVES))
@pytest.mark.timeout(300)
def test_az3_az4_az6_every_path_shows_what_the_viewer_may_see(api: Api, number: int) -> None:
    print(f"WAGGLE_TEST_SEED={SEED!r}, life {number}")  # noqa: T201 - shown with a failure
    life = Life([api], random.Random(f"{SEED} {number}"))  # noqa: S311 - it must be repeatable
    eventually(lambda: trending_was_seen(life))
    live(life)
    assert life.watcher.looks > 5 * STEPS
    for path in ("feeds/home", "feeds/public", "trending/posts", "me/likes", "notifications"):
        assert life.watcher.shown[f"/api/v1/{path}"], f"nothing was seen at {path}"


@pytest.mark.parametrize("servers", [one for one in SHAPES if one in SEVERAL] or ["none"], indirect=True)
@pytest.mark.parametrize("number", range(LIVES))
@pytest.mark.timeout(300)
def test_az3_az4_what_one_process_is_told_the_others_show_within_a_second(
    apis: list[Api], number: int
) -> None:
    print(f"WAGGLE_TEST_SEED={SEED!r}, life {number} of several processes")  # noqa: T201 - as above
    life = Life(apis, random.Random(f"{SEED} {number} several"))  # noqa: S311 - as above
    live(life)


def lies(life: Life) -> Iterator[str]:
    """What has happened on paper only, so that the server shows too much or too little."""
    sights, (one, other, *_) = life.sights, life.sights.people.values()
    note = next(note for note in sights.notes.values() if note.author is other)
    yield f"{one} blocks {other}"
    sights.block(one, other, 0)
    yield f"{one} mutes {other}, and blocks nobody"
    del sights.blocks[one, other]
    sights.mutes[one, other] = 0
    yield f"{other} is private, and nobody mutes"
    del sights.mutes[one, other]
    other.private = True
    yield f"{other} is not private, and {note.label} is deleted"
    other.private, note.deleted = False, True
    yield f"{note.label} is there and says something else"
    note.deleted = False
    note.texts[-1] += "!"


@pytest.mark.told_by("memory")
def test_a_difference_is_told(api: Api) -> None:
    life = Life([api], random.Random("any"))  # noqa: S311 - it must be repeatable
    viewer, *_ = life.sights.people.values()
    told = lies(life)
    next(told)
    for lie in told:
        looks = [one for one in everything(life, viewer) if not one.soft]
        with pytest.raises(Differs):  # noqa: PT012 - whichever of them
            for look in looks:
                life.watcher.check(look)
            pytest.fail(f"nobody noticed before it was that {lie}")
