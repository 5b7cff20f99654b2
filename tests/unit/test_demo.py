"""The data of the demo and its plan."""

import io
import itertools
import re
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from demo.community import DATA, Community, Dialogues, Network, Source, load, read_texts
from demo.pictures import SCENES
from demo.pictures import draw as draw_picture
from demo.plan import DEEPEST, Action, Bookmark, Follow, Introduce, Like, Register, Repost, Write, plan

COMMUNITY = load()
PERSON = COMMUNITY.people[0]
FREE = re.compile(r"BSD-3-Clause|MIT|public domain")
PASSWORD = "correct horse battery"


def sources() -> dict[str, Source]:
    """Return the source that each data file names."""
    found = {f"texts/{path.name}": read_texts(path).source for path in (DATA / "texts").glob("*.json")}
    found["dialogues.json"] = msgspec.json.decode(
        (DATA / "dialogues.json").read_bytes(), type=Dialogues
    ).source
    found["network.json"] = msgspec.json.decode((DATA / "network.json").read_bytes(), type=Network).source
    return found


def all_texts() -> list[str]:
    """Return every text of the demo."""
    texts = [text.text for text in (*COMMUNITY.texts, *COMMUNITY.reactions)]
    for dialogue in COMMUNITY.dialogues:
        texts += [dialogue.post, *itertools.chain.from_iterable(dialogue.answers)]
    return texts


def draw(
    community: Community = COMMUNITY, *, people: int = 34, posts: int = 600, number: int = 1
) -> list[Action]:
    """Return a plan of the usual size."""
    return plan(community, people=people, posts=posts, seed=number)


class TestData:
    """The committed data is valid, within the limits, and free to share."""

    def test_every_text_is_within_the_limits_of_a_post(self) -> None:
        """A longer text would be refused in the middle of a demo."""
        for text in all_texts():
            assert 0 < len(text) <= 400
            assert len(text.encode()) <= 8_000
            assert text == unicodedata.normalize("NFC", text).strip()
            assert all(char == "\n" or unicodedata.category(char) != "Cc" for char in text)

    def test_there_are_many_texts_in_many_languages(self) -> None:
        """At least six languages, among them one from right to left and one without spaces."""
        languages = {text.language for text in COMMUNITY.texts}
        assert len(COMMUNITY.texts) >= 600
        assert len({text.text for text in COMMUNITY.texts}) == len(COMMUNITY.texts)
        assert {"en", "es", "fa", "ar", "he", "zh", "ja"} <= languages
        assert all(re.fullmatch(r"[a-z]{2}", language) for language in languages)

    def test_usernames_are_valid_and_unique(self) -> None:
        """Usernames, names and bios follow the rules of the API."""
        names = [person.username for person in COMMUNITY.people]
        assert len(set(names)) == len(names) == COMMUNITY.network.members
        for person in COMMUNITY.people:
            assert re.fullmatch(r"[a-z0-9_]{3,30}", person.username)
            assert 0 < len(person.display_name) <= 50
            assert 0 < len(person.bio) <= 160
            assert person.languages

    def test_every_source_has_a_free_licence_and_is_credited_in_the_readme(self) -> None:
        readme = (DATA / "README.md").read_text(encoding="utf-8")
        for name, source in sources().items():
            assert FREE.search(source.licence), name
            assert source.author
            assert f"`{name}`" in readme
            assert f"`{source.package}`" in readme
            assert source.version in readme

    def test_pictures_are_drawn_and_described(self) -> None:
        """Drawing is deterministic, because a repeated upload must have the same bytes."""
        pictures = [picture for post in COMMUNITY.pictured for picture in post.pictures]
        assert {picture.scene for picture in pictures} == set(SCENES)
        assert len(pictures) <= 24, "processing them takes the server seconds"
        for post in COMMUNITY.pictured:
            assert "#" in post.text
            assert 1 <= len(post.pictures) <= 4
            assert any(post.language in person.languages for person in COMMUNITY.people)
        assert all(8 < len(picture.alt) <= 200 for picture in pictures)
        for scene in SCENES:
            assert draw_picture(scene, "1") == draw_picture(scene, "1") != draw_picture(scene, "2")
            with Image.open(io.BytesIO(draw_picture(scene, "1"))) as image:
                assert (image.format, image.size) == ("PNG", (960, 640))

    def test_the_network_has_each_pair_once_and_no_isolated_person(self) -> None:
        """A person without connections would never get an answer."""
        pairs = [(one, other) for one, other, _ in COMMUNITY.network.edges]
        assert len(set(pairs)) == len(pairs)
        assert all(0 <= one < other < COMMUNITY.network.members for one, other in pairs)
        assert all(COMMUNITY.neighbours(COMMUNITY.network.members).values())

    def test_the_data_is_small(self) -> None:
        """The demo must not make the repository large."""
        assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 600_000


class TestPlan:
    """A plan is a pure function of its seed, in chronological order."""

    def test_the_same_seed_gives_the_same_plan(self) -> None:
        """So a second run repeats the idempotency keys of the first."""
        assert draw() == draw()
        assert draw() != draw(number=2)

    @pytest.mark.parametrize("people", [2, 7, 34])
    def test_every_action_follows_its_prerequisites(self, people: int) -> None:
        """Authors have registered, and posts that are answered or liked were written earlier."""
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

    def test_the_activity_is_realistic(self) -> None:
        """Few people write much, all of them post, threads have depth, and no text repeats."""
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
        """Many posts have hashtags, and every image is used once."""
        writes = [action for action in draw() if isinstance(action, Write)]
        tags = Counter(tag for write in writes for tag in re.findall(r"#(\w+)", write.text))
        assert sum(tags.values()) >= 100
        assert len([tag for tag, times in tags.items() if times >= 5]) >= 5
        assert all(len(write.text) <= 500 for write in writes)
        shown = [write.pictures for write in writes if write.pictures]
        assert sorted(map(repr, shown)) == sorted(repr(post.pictures) for post in COMMUNITY.pictured)

    def test_likes_are_unique_and_not_of_own_posts(self) -> None:
        """Idempotent likes would hide a duplicate, but the final counts would be wrong."""
        actions = draw()
        author = {action.key: action.person for action in actions if isinstance(action, Write)}
        likes = [action for action in actions if isinstance(action, Like)]
        assert len(set(likes)) == len(likes)
        assert all(author[like.target] != like.person for like in likes)
