"""The actions of the community, as a pure function of a seed.

The plan is a list in the order of time: everything that an action needs (its author, the post that it answers) is earlier
in the list. So it is safe to run it with several requests in flight, and to repeat it.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from demo.community import Community, Dialogue, Person, Picture, Pictured, Text

LONGEST_ANSWER = 90
"""Characters. Longer texts become posts: nobody answers with a whole poem."""
DEEPEST = 5
"""Levels of answers below a post."""
MIN_SPEAKERS = 2
"""A conversation needs at least this many people."""

# Shares and probabilities. They are tuned so that the feed looks realistic: as many comments as posts, twice as many likes.
OWN_LANGUAGE = 0.75
KEPT_FOR_ANSWERS = 0.4
SHORT_REACTION = 0.35
ANSWERED_BACK = 0.6
COMMENTED = 0.027
POST_LIKED = 0.07
COMMENT_LIKED = 0.02
LIKED_ENOUGH_TO_REPOST = 0.15
LIKED_ENOUGH_TO_KEEP = 0.1
TAGGED = 0.4
PICTURED = 20
"""One post in this many has pictures, until there are no more."""


@dataclass(frozen=True, slots=True)
class Register:
    """A person joins."""

    person: int


@dataclass(frozen=True, slots=True)
class Introduce:
    """A person writes their own bio."""

    person: int


@dataclass(frozen=True, slots=True)
class Follow:
    """A person follows another."""

    person: int
    other: int


@dataclass(frozen=True, slots=True)
class Write:
    """A person writes a post, perhaps with pictures, or a comment if there is a ``parent``.

    Later actions refer to it by ``key``.
    """

    key: str
    person: int
    text: str
    language: str
    parent: str | None = None
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class Like:
    """A person likes the post ``target``."""

    person: int
    target: str


@dataclass(frozen=True, slots=True)
class Repost:
    """A person reposts the post ``target``."""

    person: int
    target: str


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A person bookmarks the post ``target``."""

    person: int
    target: str


Action: TypeAlias = Register | Introduce | Follow | Write | Like | Repost | Bookmark


class Shelf:
    """Texts by language. Each is used once, because a realistic feed does not repeat itself."""

    def __init__(self, texts: Iterable[Text], rng: random.Random) -> None:
        """Shuffle the texts of each language."""
        self._left: dict[str, list[Text]] = {}
        for text in texts:
            self._left.setdefault(text.language, []).append(text)
        for left in self._left.values():
            rng.shuffle(left)

    def offers(self, languages: Iterable[str]) -> list[str]:
        """Return the languages in which texts are left."""
        return [language for language in languages if self._left.get(language)]

    def take(self, language: str) -> Text:
        """Return the next text."""
        return self._left[language].pop()


class Planner:
    """Makes the plan with random generators that are used in a fixed order."""

    def __init__(self, community: Community, people: int, seed: int) -> None:
        """Prepare the texts. Some of the short ones are kept for answers."""
        self.rng = random.Random(seed)
        self.taste = random.Random(seed)  # a generator of its own, so that it does not change what is written
        self.tagging = random.Random(f"hashtags {seed}")
        self.people: Sequence[Person] = community.people[:people]
        self.known: Mapping[int, Mapping[int, int]] = community.neighbours(len(self.people))
        self.reactions = community.reactions
        answers = [
            t
            for t in community.texts
            if len(t.text) <= LONGEST_ANSWER and self.rng.random() < KEPT_FOR_ANSWERS
        ]
        kept = set(answers)
        self.answers = Shelf(answers, self.rng)
        self.shelf = Shelf((t for t in community.texts if t not in kept), self.rng)
        self.timeline: list[tuple[float, int, Write | Like | Repost | Bookmark]] = []
        self.posts = 0
        self.comments = 0

    def joining(self) -> Iterator[Action]:
        """Register everyone, and let them follow their acquaintances: mostly in both directions, more often if they are close."""
        everyone = range(len(self.people))
        yield from (Register(person) for person in everyone)
        yield from (Introduce(person) for person in everyone)
        for person in everyone:
            for other, weight in self.known[person].items():
                if self.rng.random() < 0.6 + 0.1 * weight:
                    yield Follow(person, other)

    def posting(self, posts: int, dialogues: Sequence[Dialogue], pictured: Sequence[Pictured]) -> None:
        """Distribute the posts. People with many acquaintances write more, with a large variation."""
        for shown in pictured[: posts // PICTURED]:
            self._show(shown)
        for dialogue in dialogues:
            if self.posts < posts:
                self._converse(dialogue)
        talk = {
            person: (3 + len(known)) * self.rng.lognormvariate(0, 0.6) for person, known in self.known.items()
        }
        while self.posts < posts:
            able = [person for person in talk if self.shelf.offers(self.people[person].languages)]
            if not able:
                return
            person = self.rng.choices(able, [talk[one] for one in able])[0]
            text = self.shelf.take(self._language(self.shelf.offers(self.people[person].languages)))
            at = self.rng.random()
            post = self._write(at, person, text)
            self._echo(at, post, depth=1)

    def actions(self) -> Iterator[Action]:
        """Return the actions in the order of time. Equal times keep the order of creation."""
        yield from (action for _, _, action in sorted(self.timeline, key=lambda entry: entry[:2]))

    def _language(self, offered: Sequence[str]) -> str:
        """Choose the language to write in: mostly the first one of the person."""
        return offered[0] if self.rng.random() < OWN_LANGUAGE else self.rng.choice(offered)

    def _speakers(self, language: str) -> list[int]:
        return [number for number, person in enumerate(self.people) if language in person.languages]

    def _add(self, at: float, action: Write | Like | Repost | Bookmark) -> None:
        self.timeline.append((at, len(self.timeline), action))

    def _show(self, shown: Pictured) -> None:
        """Let a speaker of the language post pictures. If there is none, leave them out."""
        speakers = self._speakers(shown.language)
        if not speakers:
            return
        at = self.rng.random()
        text = Text(shown.language, shown.text)
        self._echo(at, self._write(at, self.rng.choice(speakers), text, pictures=shown.pictures), depth=1)

    def _write(
        self,
        at: float,
        person: int,
        text: Text,
        parent: Write | None = None,
        pictures: tuple[Picture, ...] = (),
    ) -> Write:
        if parent is None:
            self.posts += 1
            said = text.text
            if text.hashtag and self.tagging.random() < TAGGED:
                said += f"\n#{text.hashtag}"
            write = Write(f"post-{self.posts}", person, said, text.language, pictures=pictures)
        else:
            self.comments += 1
            write = Write(f"comment-{self.comments}", person, text.text, text.language, parent.key)
        self._add(at, write)
        self._like(at, write, often=POST_LIKED if parent is None else COMMENT_LIKED)
        return write

    def _like(self, at: float, write: Write, often: float) -> None:
        for neighbour, weight in self.known[write.person].items():
            if self.rng.random() < often * weight:
                moment = self._later(at)
                self._add(moment, Like(neighbour, write.key))
                if write.parent is None and self.taste.random() < LIKED_ENOUGH_TO_REPOST:
                    self._add(moment, Repost(neighbour, write.key))
                if write.parent is None and self.taste.random() < LIKED_ENOUGH_TO_KEEP:
                    self._add(moment, Bookmark(neighbour, write.key))

    def _later(self, at: float) -> float:
        """Choose a time after another one: most answers come soon, and never at exactly the same time."""
        return at + 1e-6 + self.rng.expovariate(40)

    def _converse(self, dialogue: Dialogue) -> None:
        """Add a dialogue between speakers of its language, acquaintances first.

        Each person answers in one chain only. A dialogue without two speakers is left out.
        """
        speakers = self._speakers(dialogue.language)
        if len(speakers) < MIN_SPEAKERS:
            return
        author = self.rng.choice(speakers)
        at = self.rng.random()
        post = self._write(at, author, Text(dialogue.language, dialogue.post))
        others = [one for one in speakers if one != author]
        self.rng.shuffle(others)
        others.sort(key=lambda one: one not in self.known[author])
        for partner, chain in zip(others, dialogue.answers, strict=False):
            above, moment = post, at
            for line, text in enumerate(chain):
                moment = self._later(moment)
                person = author if line % 2 else partner
                above = self._write(moment, person, Text(dialogue.language, text), above)

    def _echo(self, at: float, above: Write, depth: int) -> None:
        """Let some acquaintances of the author answer. The deeper a thread is, the fewer answer."""
        for neighbour, weight in self.known[above.person].items():
            if self.rng.random() < COMMENTED * weight / depth:
                self._reply(at, neighbour, above, depth)

    def _reply(self, at: float, person: int, above: Write, depth: int) -> None:
        """Answer, and let the answer be answered: mostly by the first author, and never after a mere "thanks"."""
        text = self._answer(person, above.language)
        if text is None:
            return
        moment = self._later(at)
        comment = self._write(moment, person, text, above)
        if depth == DEEPEST or text in self.reactions:
            return
        if self.rng.random() < ANSWERED_BACK:
            self._reply(moment, above.person, comment, depth + 1)
        else:
            self._echo(moment, comment, depth + 1)

    def _answer(self, person: int, language: str) -> Text | None:
        """Find a text: in the language of the question if the person speaks it, otherwise in one of theirs."""
        spoken = self.people[person].languages
        wanted = [language] if language in spoken else list(spoken)
        offered = self.answers.offers(wanted)
        short = [reaction for reaction in self.reactions if reaction.language in wanted]
        if short and (not offered or self.rng.random() < SHORT_REACTION):
            return self.rng.choice(short)
        return self.answers.take(offered[0]) if offered else None


def plan(community: Community, *, people: int, posts: int, seed: int) -> list[Action]:
    """Return the actions of the community. The same arguments give the same list."""
    planner = Planner(community, people, seed)
    joining = list(planner.joining())
    planner.posting(posts, community.dialogues, community.pictured)
    return [*joining, *planner.actions()]
