"""Who may see what, on paper: people, whom they follow, block and mute, and their posts, in sets and dictionaries.

Everything is worked out by looking at all there is and asking the one rule, so that it can be checked by
reading it. It knows no ids and no server: `watching.py` puts the same questions to one. What happens is
numbered, and what has the greater number came later.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from .client import Json

OPEN = {"public", "unlisted"}
WIDTH = {"public": 3, "unlisted": 2, "followers": 1, "direct": 0}
MARKS = ("like", "repost", "bookmark")


@dataclass(eq=False)
class Person:
    label: str
    private: bool = False
    gone: bool = False

    def __repr__(self) -> str:
        return self.label


@dataclass(eq=False)
class Note:
    """A post or, with `above`, a comment."""

    number: int
    label: str
    author: Person
    visibility: str
    above: "Note | None"
    words: set[str]
    tags: set[str]
    mentioned: set[Person]
    texts: list[str]
    """Every version."""
    deleted: bool = False
    was_withheld: bool = False
    marks: dict[str, dict[Person, int]] = field(default_factory=lambda: {mark: {} for mark in MARKS})

    @property
    def text(self) -> str:
        return self.texts[-1]

    @property
    def withheld(self) -> bool:
        """Whether it is an open comment by a private account, or was one when it was deleted."""
        if self.deleted:
            return self.was_withheld
        return self.above is not None and self.visibility in OPEN and self.author.private

    def delete(self) -> None:
        self.was_withheld = self.withheld
        self.deleted = True


Pair = tuple[Person, Person]
"""Who acts, and on whom."""
Place = tuple[int, Note, Person | None]
"""Where a post stands in a feed, and who brought it there by a repost."""


@dataclass
class Sights:
    people: dict[str, Person] = field(default_factory=dict)
    notes: dict[str, Note] = field(default_factory=dict)
    follows: dict[Pair, float] = field(default_factory=dict)
    requests: dict[Pair, int] = field(default_factory=dict)
    blocks: dict[Pair, int] = field(default_factory=dict)
    mutes: dict[Pair, int] = field(default_factory=dict)

    # --- The rule -----------------------------------------------------------------------------------

    def apart(self, one: Person | None, other: Person) -> bool:
        """Whether one of the two blocks the other: they see nothing of each other."""
        return one is not None and ((one, other) in self.blocks or (other, one) in self.blocks)

    def sees(self, viewer: Person | None, note: Note) -> bool:
        if note.deleted:
            return False
        if viewer is note.author:
            return True
        if self.apart(viewer, note.author):
            return False
        if note.visibility in OPEN and not note.author.private:
            return True
        if viewer is None:
            return False
        follower = (viewer, note.author) in self.follows and note.visibility != "direct"
        return viewer in note.mentioned or follower

    def is_muted(self, viewer: Person | None, other: Person) -> bool:
        return viewer is not None and (viewer, other) in self.mutes

    def meets(self, viewer: Person | None, note: Note) -> bool:
        """Whether it may come the viewer's way, in a list of several people's posts."""
        return self.sees(viewer, note) and not self.is_muted(viewer, note.author)

    # --- What happens to people ---------------------------------------------------------------------

    def follow(self, who: Person, whom: Person, number: int) -> None:
        if (who, whom) not in self.follows:
            (self.requests if whom.private else self.follows).setdefault((who, whom), number)

    def unfollow(self, who: Person, whom: Person) -> None:
        self.follows.pop((who, whom), None)
        self.requests.pop((who, whom), None)

    def accept(self, whom: Person, who: Person, number: float) -> None:
        del self.requests[who, whom]
        self.follows[who, whom] = number

    def block(self, who: Person, whom: Person, number: int) -> None:
        self.blocks.setdefault((who, whom), number)
        self.unfollow(who, whom)
        self.unfollow(whom, who)

    def open(self, person: Person, number: int) -> None:
        """Not private any more: who asked to follow follows."""
        asking = [pair[0] for pair in self.requests if pair[1] is person]
        for place, who in enumerate(asking):
            self.accept(person, who, number + place / len(asking))

    def leave(self, person: Person) -> None:
        """For good, and with all that was one's own."""
        person.gone = True
        for relation in (self.follows, self.requests, self.blocks, self.mutes):
            for pair in [pair for pair in relation if person in pair]:
                del relation[pair]
        for note in self.notes.values():
            if note.author is person:
                note.delete()
            note.mentioned.discard(person)
            for mark in MARKS:
                note.marks[mark].pop(person, None)

    # --- What happens to posts ----------------------------------------------------------------------

    def named(self, author: Person, names: Iterable[Person]) -> set[Person]:
        """Whom a text mentions, of those whom it names: nobody who has to do with a block."""
        return {one for one in names if not one.gone and not self.apart(author, one)}

    def audience(
        self, author: Person, named: set[Person], visibility: str, above: Note | None
    ) -> set[Person]:
        """In a direct thread the people stay the same; any other answer that is not for everybody reaches
        the one who is answered."""
        if above is None or (visibility in OPEN and not author.private):
            return named
        if above.visibility == "direct":
            return (above.mentioned | {above.author}) - {author}
        return named | ({above.author} - {author})

    def reached(self, author: Person, audience: set[Person]) -> set[Person]:
        """Who can read a direct post besides its author."""
        return {one for one in audience - {author} if not one.gone and not self.apart(author, one)}

    def reword(self, note: Note, text: str, words: set[str], tags: set[str], named: set[Person]) -> None:
        note.texts.append(text)
        note.words, note.tags = words, tags
        reached = note.mentioned - {note.author} or (note.above and note.above.visibility == "direct")
        if note.visibility != "direct" or not reached:
            answered = (note.mentioned & {note.above.author}) - {note.author} if note.above else set[Person]()
            note.mentioned = named | (answered if note.visibility not in OPEN or note.withheld else set())

    def may_repost(self, note: Note) -> bool:
        return note.visibility in OPEN and not note.author.private

    # --- Feeds, newest first ------------------------------------------------------------------------

    def once(self, sources: set[Person], notes: Iterable[Note]) -> list[Place]:
        """Each post once: where its author put it, if that is one of the sources and it is no comment, and
        else where the first of the sources brought it."""
        places: list[Place] = []
        for note in notes:
            brought = sorted((number, who) for who, number in note.marks["repost"].items() if who in sources)
            if note.author in sources and note.above is None:
                places.append((note.number, note, None))
            elif brought:
                places.append((brought[0][0], note, brought[0][1]))
        return sorted(places, key=lambda place: -place[0])

    def home(self, viewer: Person) -> list[Place]:
        sources = {whom for who, whom in self.follows if who is viewer and not self.is_muted(viewer, whom)}
        return self.once(sources | {viewer}, [one for one in self.notes.values() if self.meets(viewer, one)])

    def for_all(self, viewer: Person | None) -> list[Note]:
        """What comes before everybody, newest first; not what a private account wrote, whoever asks."""
        return [
            note
            for note in reversed(self.notes.values())
            if note.visibility == "public" and not note.author.private and self.meets(viewer, note)
        ]

    def public(self, viewer: Person | None) -> list[Note]:
        return [note for note in self.for_all(viewer) if note.above is None]

    def may_trend(self, viewer: Person | None) -> list[Note]:
        """Until the list is made anew, also what an account wrote that is private since, for who may see it."""
        return [
            note
            for note in self.notes.values()
            if note.visibility == "public" and note.above is None and self.meets(viewer, note)
        ]

    def tagged(self, viewer: Person | None, tag: str) -> list[Note]:
        return [note for note in self.for_all(viewer) if tag in note.tags]

    def found(
        self, viewer: Person | None, word: str = "", tag: str = "", by: Person | None = None
    ) -> list[Note]:
        """What comes before everybody, and every post of one's own."""
        every = self.for_all(viewer)
        return [
            note
            for note in reversed(self.notes.values())
            if (note in every or (note.author is viewer and not note.deleted))
            and (not word or word in note.words)
            and (not tag or tag in note.tags)
            and (by is None or note.author is by)
        ]

    def tags(self, viewer: Person | None) -> dict[str, int]:
        """Those of what comes before everybody, and how many posts have each."""
        every = [tag for note in self.for_all(viewer) for tag in note.tags]
        return {tag: every.count(tag) for tag in sorted(every)}

    def posts_of(self, viewer: Person | None, author: Person) -> list[Note]:
        mine = [note for note in self.notes.values() if note.author is author and note.above is None]
        return [note for note in reversed(mine) if self.sees(viewer, note)]

    def page_of(self, viewer: Person | None, author: Person) -> list[Place]:
        """With reposts; what a private account reposts is for those who see what it posts."""
        places = self.once({author}, [one for one in self.notes.values() if self.sees(viewer, one)])
        known = self.may_list(viewer, author) and not self.apart(viewer, author)
        return [place for place in places if known or place[2] is None]

    # --- Threads ------------------------------------------------------------------------------------

    def answers(self, note: Note) -> list[Note]:
        return [one for one in self.notes.values() if one.above is note]

    def stands(self, note: Note) -> bool:
        """Whether it keeps its place in a thread when it is deleted."""
        answers = self.answers(note)
        return (
            note.above is not None
            and note.visibility in OPEN
            and not note.withheld
            and any(
                one.visibility in OPEN and not one.withheld and (not one.deleted or self.stands(one))
                for one in answers
            )
        )

    def comments(self, viewer: Person | None, note: Note) -> list[Note]:
        """Oldest first, the places of deleted ones among them."""
        return [
            one for one in self.answers(note) if self.meets(viewer, one) or (one.deleted and self.stands(one))
        ]

    def descendants(self, viewer: Person | None, note: Note) -> list[Note]:
        found: list[Note] = []
        level = [note]
        while level:
            level = [one for above in level for one in self.comments(viewer, above)]
            found += level
        return found

    def ancestors(self, note: Note) -> list[Note]:
        return [*self.ancestors(note.above), note.above] if note.above else []

    def counts(self, note: Note) -> Json:
        """Each number tells of nothing but what all know who see the place where it stands."""
        counted = {"direct"} if note.visibility == "direct" else OPEN
        answers = [
            one
            for one in self.answers(note)
            if one.visibility in counted and not one.deleted and not one.withheld
        ]
        return {
            "comments": len(answers),
            "likes": len(note.marks["like"]),
            "reposts": len(note.marks["repost"]),
        }

    # --- People -------------------------------------------------------------------------------------

    def who_marked(self, viewer: Person | None, note: Note, mark: str) -> list[Person]:
        """The last one first."""
        who = sorted(note.marks[mark], key=lambda one: -note.marks[mark][one])
        return [one for one in who if not self.apart(viewer, one) and not self.is_muted(viewer, one)]

    def marked(self, viewer: Person, mark: str) -> list[Note]:
        mine = [note for note in self.notes.values() if viewer in note.marks[mark]]
        mine.sort(key=lambda note: -note.marks[mark][viewer])
        return [note for note in mine if self.sees(viewer, note)]

    def followers(self, viewer: Person | None, of: Person) -> list[Person]:
        return self._listed(
            viewer, [(number, who) for (who, whom), number in self.follows.items() if whom is of]
        )

    def following(self, viewer: Person | None, of: Person) -> list[Person]:
        return self._listed(
            viewer, [(number, whom) for (who, whom), number in self.follows.items() if who is of]
        )

    def _listed(self, viewer: Person | None, dated: list[tuple[float, Person]]) -> list[Person]:
        dated.sort(key=lambda pair: -pair[0])
        return [one for _, one in dated if not self.apart(viewer, one)]

    def may_list(self, viewer: Person | None, of: Person) -> bool:
        """A private account shows its lists to those who see its posts."""
        return not of.private or viewer is of or (viewer is not None and (viewer, of) in self.follows)

    def people_found(self, viewer: Person | None) -> list[Person]:
        """Who came last comes first."""
        here = [one for one in self.people.values() if not one.gone and not self.apart(viewer, one)]
        return here[::-1]

    def profile(self, person: Person) -> Json:
        posts = [one for one in self.notes.values() if one.author is person and one.above is None]
        return {
            "id": person.label,
            "private": person.private,
            "counts": {
                "posts": len([one for one in posts if one.visibility in OPEN and not one.deleted]),
                "followers": len([one for one in self.follows if one[1] is person]),
                "following": len([one for one in self.follows if one[0] is person]),
            },
        }

    def relationship(self, viewer: Person, other: Person) -> Json:
        return {
            "following": (viewer, other) in self.follows,
            "requested": (viewer, other) in self.requests,
            "followed_by": (other, viewer) in self.follows,
            "blocking": (viewer, other) in self.blocks,
            "blocked_by": (other, viewer) in self.blocks,
            "muting": (viewer, other) in self.mutes,
        }
