"""A reference model of visibility: people, their relationships and their posts, in sets and dictionaries.

Every result is computed by scanning everything and applying one rule, so that the model can be verified by reading it.
It has no ids and no server: `read_checks.py` compares it with one. Events are numbered: a greater number is later.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from .client import Json

OPEN = {"public", "unlisted"}
WIDTH = {"public": 3, "unlisted": 2, "followers": 1, "direct": 0}
ENGAGEMENTS = ("like", "repost", "bookmark")


@dataclass(eq=False)
class Person:
    label: str
    private: bool = False
    gone: bool = False

    def __repr__(self) -> str:
        return self.label


@dataclass(eq=False)
class ModelPost:
    """A post or, with `above`, a comment."""

    number: int
    label: str
    author: Person
    visibility: str
    above: "ModelPost | None"
    words: set[str]
    tags: set[str]
    mentioned: set[Person]
    texts: list[str]
    """All versions, oldest first."""
    deleted: bool = False
    was_withheld: bool = False
    engagements: dict[str, dict[Person, int]] = field(
        default_factory=lambda: {engagement: {} for engagement in ENGAGEMENTS}
    )

    @property
    def text(self) -> str:
        return self.texts[-1]

    @property
    def withheld(self) -> bool:
        """Whether it is an open comment of a private account, or was one when it was deleted."""
        if self.deleted:
            return self.was_withheld
        return self.above is not None and self.visibility in OPEN and self.author.private

    def delete(self) -> None:
        self.was_withheld = self.withheld
        self.deleted = True


Pair = tuple[Person, Person]
"""The person who acts, and the person acted on."""
Place = tuple[int, ModelPost, Person | None]
"""The position of a post in a feed, and the person whose repost brought it there."""


@dataclass
class VisibilityModel:
    people: dict[str, Person] = field(default_factory=dict)
    posts: dict[str, ModelPost] = field(default_factory=dict)
    follows: dict[Pair, float] = field(default_factory=dict)
    requests: dict[Pair, int] = field(default_factory=dict)
    blocks: dict[Pair, int] = field(default_factory=dict)
    mutes: dict[Pair, int] = field(default_factory=dict)

    # --- The rule -----------------------------------------------------------------------------------

    def blocked(self, one: Person | None, other: Person) -> bool:
        """Whether one of the two blocks the other. Then neither sees the other."""
        return one is not None and ((one, other) in self.blocks or (other, one) in self.blocks)

    def can_see(self, viewer: Person | None, post: ModelPost) -> bool:
        if post.deleted:
            return False
        if viewer is post.author:
            return True
        if self.blocked(viewer, post.author):
            return False
        if post.visibility in OPEN and not post.author.private:
            return True
        if viewer is None:
            return False
        follower = (viewer, post.author) in self.follows and post.visibility != "direct"
        return viewer in post.mentioned or follower

    def is_muted(self, viewer: Person | None, other: Person) -> bool:
        return viewer is not None and (viewer, other) in self.mutes

    def may_list_post(self, viewer: Person | None, post: ModelPost) -> bool:
        """Whether the viewer gets it in lists of posts by several people."""
        return self.can_see(viewer, post) and not self.is_muted(viewer, post.author)

    # --- Changes of people ---------------------------------------------------------------------

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
        """The account becomes open: all follow requests are accepted."""
        asking = [pair[0] for pair in self.requests if pair[1] is person]
        for place, who in enumerate(asking):
            self.accept(person, who, number + place / len(asking))

    def leave(self, person: Person) -> None:
        """Deletes the account for good, with everything that belonged to it."""
        person.gone = True
        for relation in (self.follows, self.requests, self.blocks, self.mutes):
            for pair in [pair for pair in relation if person in pair]:
                del relation[pair]
        for post in self.posts.values():
            if post.author is person:
                post.delete()
            post.mentioned.discard(person)
            for engagement in ENGAGEMENTS:
                post.engagements[engagement].pop(person, None)

    # --- Changes of posts ----------------------------------------------------------------------

    def named(self, author: Person, names: Iterable[Person]) -> set[Person]:
        """The people that a text mentions, of those that it names: without blocked ones, either way."""
        return {one for one in names if not one.gone and not self.blocked(author, one)}

    def audience(
        self, author: Person, named: set[Person], visibility: str, above: ModelPost | None
    ) -> set[Person]:
        """A direct thread keeps its people. Any other answer that not everybody may see reaches the author of the post
        above."""
        if above is None or (visibility in OPEN and not author.private):
            return named
        if above.visibility == "direct":
            return (above.mentioned | {above.author}) - {author}
        return named | ({above.author} - {author})

    def reached(self, author: Person, audience: set[Person]) -> set[Person]:
        """The people who can read a direct post besides its author."""
        return {one for one in audience - {author} if not one.gone and not self.blocked(author, one)}

    def reword(self, post: ModelPost, text: str, words: set[str], tags: set[str], named: set[Person]) -> None:
        post.texts.append(text)
        post.words, post.tags = words, tags
        reached = post.mentioned - {post.author} or (post.above and post.above.visibility == "direct")
        if post.visibility != "direct" or not reached:
            answered = (post.mentioned & {post.above.author}) - {post.author} if post.above else set[Person]()
            post.mentioned = named | (answered if post.visibility not in OPEN or post.withheld else set())

    def may_repost(self, post: ModelPost) -> bool:
        return post.visibility in OPEN and not post.author.private

    # --- Feeds, newest first ------------------------------------------------------------------------

    def once(self, sources: set[Person], posts: Iterable[ModelPost]) -> list[Place]:
        """Each post once: where its author published it, if the author is a source and it is not a comment, otherwise where
        the first source reposted it."""
        places: list[Place] = []
        for post in posts:
            brought = sorted(
                (number, who) for who, number in post.engagements["repost"].items() if who in sources
            )
            if post.author in sources and post.above is None:
                places.append((post.number, post, None))
            elif brought:
                places.append((brought[0][0], post, brought[0][1]))
        return sorted(places, key=lambda place: -place[0])

    def home(self, viewer: Person) -> list[Place]:
        sources = {whom for who, whom in self.follows if who is viewer and not self.is_muted(viewer, whom)}
        return self.once(
            sources | {viewer}, [one for one in self.posts.values() if self.may_list_post(viewer, one)]
        )

    def for_all(self, viewer: Person | None) -> list[ModelPost]:
        """The posts in public lists, newest first; never those of private accounts, whoever asks."""
        return [
            post
            for post in reversed(self.posts.values())
            if post.visibility == "public" and not post.author.private and self.may_list_post(viewer, post)
        ]

    def public(self, viewer: Person | None) -> list[ModelPost]:
        return [post for post in self.for_all(viewer) if post.above is None]

    def may_trend(self, viewer: Person | None) -> list[ModelPost]:
        """Until the ranking is computed again, it includes posts of accounts that became private, for those who may see them."""
        return [
            post
            for post in self.posts.values()
            if post.visibility == "public" and post.above is None and self.may_list_post(viewer, post)
        ]

    def tagged(self, viewer: Person | None, tag: str) -> list[ModelPost]:
        return [post for post in self.for_all(viewer) if tag in post.tags]

    def found(
        self, viewer: Person | None, word: str = "", tag: str = "", by: Person | None = None
    ) -> list[ModelPost]:
        """The posts in public lists, and all of one's own."""
        every = self.for_all(viewer)
        return [
            post
            for post in reversed(self.posts.values())
            if (post in every or (post.author is viewer and not post.deleted))
            and (not word or word in post.words)
            and (not tag or tag in post.tags)
            and (by is None or post.author is by)
        ]

    def tags(self, viewer: Person | None) -> dict[str, int]:
        """The tags of posts in public lists, and the number of posts with each."""
        every = [tag for post in self.for_all(viewer) for tag in post.tags]
        return {tag: every.count(tag) for tag in sorted(every)}

    def posts_of(self, viewer: Person | None, author: Person) -> list[ModelPost]:
        mine = [post for post in self.posts.values() if post.author is author and post.above is None]
        return [post for post in reversed(mine) if self.can_see(viewer, post)]

    def page_of(self, viewer: Person | None, author: Person) -> list[Place]:
        """With reposts. Reposts of a private account are visible to those who may see its posts."""
        places = self.once({author}, [one for one in self.posts.values() if self.can_see(viewer, one)])
        known = self.may_list(viewer, author) and not self.blocked(viewer, author)
        return [place for place in places if known or place[2] is None]

    def answers(self, post: ModelPost) -> list[ModelPost]:
        return [one for one in self.posts.values() if one.above is post]

    def keeps_place(self, post: ModelPost) -> bool:
        """Whether the post keeps its place in a thread when it is deleted."""
        answers = self.answers(post)
        return (
            post.above is not None
            and post.visibility in OPEN
            and not post.withheld
            and any(
                one.visibility in OPEN and not one.withheld and (not one.deleted or self.keeps_place(one))
                for one in answers
            )
        )

    def comments(self, viewer: Person | None, post: ModelPost) -> list[ModelPost]:
        """Oldest first, with tombstones."""
        return [
            one
            for one in self.answers(post)
            if self.may_list_post(viewer, one) or (one.deleted and self.keeps_place(one))
        ]

    def descendants(self, viewer: Person | None, post: ModelPost) -> list[ModelPost]:
        found: list[ModelPost] = []
        level = [post]
        while level:
            level = [one for above in level for one in self.comments(viewer, above)]
            found += level
        return found

    def ancestors(self, post: ModelPost) -> list[ModelPost]:
        return [*self.ancestors(post.above), post.above] if post.above else []

    def counts(self, post: ModelPost) -> Json:
        """A count includes only posts that everyone who sees the count may see."""
        counted = {"direct"} if post.visibility == "direct" else OPEN
        answers = [
            one
            for one in self.answers(post)
            if one.visibility in counted and not one.deleted and not one.withheld
        ]
        return {
            "comments": len(answers),
            "likes": len(post.engagements["like"]),
            "reposts": len(post.engagements["repost"]),
        }

    def engaged_users(self, viewer: Person | None, post: ModelPost, engagement: str) -> list[Person]:
        """The last one first."""
        who = sorted(post.engagements[engagement], key=lambda one: -post.engagements[engagement][one])
        return [one for one in who if not self.blocked(viewer, one) and not self.is_muted(viewer, one)]

    def engaged_posts(self, viewer: Person, engagement: str) -> list[ModelPost]:
        mine = [post for post in self.posts.values() if viewer in post.engagements[engagement]]
        mine.sort(key=lambda post: -post.engagements[engagement][viewer])
        return [post for post in mine if self.can_see(viewer, post)]

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
        return [one for _, one in dated if not self.blocked(viewer, one)]

    def may_list(self, viewer: Person | None, of: Person) -> bool:
        """A private account shows its lists to those who may see its posts."""
        return not of.private or viewer is of or (viewer is not None and (viewer, of) in self.follows)

    def people_found(self, viewer: Person | None) -> list[Person]:
        """The newest account first."""
        here = [one for one in self.people.values() if not one.gone and not self.blocked(viewer, one)]
        return here[::-1]

    def profile(self, person: Person) -> Json:
        posts = [one for one in self.posts.values() if one.author is person and one.above is None]
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
