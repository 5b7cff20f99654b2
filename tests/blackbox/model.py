"""What Waggle promises, on paper: people, sessions and posts in dictionaries.

An `Act` says who does what to which thing, all of them by labels; the model gives the verdict that any
server in any shape must give. It knows no ids, no clock and no store. `world.py` does the same over HTTP.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .client import Json

Verdict = tuple[int, Any]
"""The status; with it the code of a refusal, or what the body has to say (it may say more)."""

OPEN = {"public", "unlisted"}
MARKS = ("like", "repost", "bookmark")
MAX_PINS = 5
WIDTH = {"public": 3, "unlisted": 2, "followers": 1, "direct": 0}


@dataclass(frozen=True)
class Act:
    """A step. What it makes is labelled with its number: `p7` a person, `s7` a session, `post7` a post."""

    number: int
    kind: str
    by: str | None
    """A session; None is somebody without a token."""
    on: str | None = None
    how: Mapping[str, Any] = field(default_factory=dict)
    patient: bool = False
    """A read of what follows a moment later, by the relay: it is repeated until it is as it should be."""

    def __str__(self) -> str:
        how = "".join(f" {name}={value!r}" for name, value in self.how.items())
        return f"#{self.number} {self.by or 'nobody'}: {self.kind} {self.on or ''}{how}"


class Refusal(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(status, code)
        self.verdict: Verdict = (status, code)


@dataclass
class Person:
    label: str
    display_name: str = ""
    bio: str = ""
    version: int = 1


@dataclass
class Session:
    label: str
    person: Person
    alive: bool = True
    generation: int = 0


@dataclass
class Post:
    label: str
    author: Person
    text: str
    visibility: str
    content_warning: str
    language: str | None
    mentioned: set[str]
    above: "Post | None"
    deleted: bool = False
    pin: int | None = None
    """When it was pinned."""
    marks: dict[str, dict[str, int]] = field(default_factory=lambda: {mark: {} for mark in MARKS})
    """Each mark by those who left it, and when they did."""
    first: Json = field(default_factory=dict)
    """As it was answered when it was published."""


class Model:
    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.sessions: dict[str, Session] = {}
        self.posts: dict[str, Post] = {}

    def expect(self, act: Act) -> Verdict | None:
        """The verdict, and what the act changes. None for an act on what was never made, as happens
        when a failure is made shorter."""
        known = {None, *self.people, *self.sessions, *self.posts}
        named = {act.by, act.on, *act.how.get("mentions", ())}
        if not named <= known:
            return None
        try:
            verdict: Verdict = getattr(self, act.kind)(act)
        except Refusal as refusal:
            return refusal.verdict
        return verdict

    # --- Who may see, and what they see -----------------------------------------------------------

    def sees(self, viewer: Person | None, post: Post) -> bool:
        """Its author does; else everybody if it is open, and otherwise only whom it mentions.
        Nobody follows anybody yet, so what is for followers is for no one else."""
        if post.deleted:
            return False
        if viewer is post.author or post.visibility in OPEN:
            return True
        return viewer is not None and viewer.label in post.mentioned

    def counts_in(self, post: Post, above: Post | None) -> bool:
        """A number is read by whoever sees the place where it stands: it tells of nothing else."""
        if post.deleted:
            return False
        if above is not None and above.visibility == "direct":
            return post.visibility == "direct"
        return post.visibility in OPEN

    def answers(self, above: Post) -> Iterator[Post]:
        return (post for post in self.posts.values() if post.above is above)

    def stands(self, post: Post) -> bool:
        """Whether it keeps its place in a thread when it is deleted: a comment that was for everybody does,
        as long as there is one below it, or another such place."""
        return (
            post.above is not None
            and post.visibility in OPEN
            and any(
                one.visibility in OPEN and (not one.deleted or self.stands(one)) for one in self.answers(post)
            )
        )

    def shown(self, post: Post, viewer: Person | None) -> Json:
        comments = sum(self.counts_in(answer, post) for answer in self.answers(post))
        shown = {
            "id": post.label,
            "author": {"id": post.author.label, "username": post.author.label},
            "text": post.text,
            "visibility": post.visibility,
            "content_warning": post.content_warning,
            "language": post.language,
            "reply_to": post.above.label if post.above else None,
            "edited_at": None,
            "mentions": [{"id": one, "username": one} for one in self.people if one in post.mentioned],
            "counts": {
                "comments": comments,
                "likes": len(post.marks["like"]),
                "reposts": len(post.marks["repost"]),
            },
            "pinned": post.pin is not None,
        }
        return shown | ({"viewer": self.stance(post, viewer)} if viewer else {})

    def stance(self, post: Post, viewer: Person) -> Json:
        """What the viewer has left on the post. Of a bookmark nobody else learns."""
        liked, reposted, bookmarked = (viewer.label in post.marks[mark] for mark in MARKS)
        return {"liked": liked, "reposted": reposted, "bookmarked": bookmarked}

    def received(self, post: Post, viewer: Person) -> Verdict:
        shown = self.shown(post, viewer)
        return 200, {name: shown[name] for name in ("counts", "viewer", "pinned")}

    def profiled(self, person: Person) -> Json:
        posts = sum(
            self.counts_in(post, None)
            for post in self.posts.values()
            if post.author is person and post.above is None
        )
        return {
            "id": person.label,
            "username": person.label,
            "display_name": person.display_name,
            "bio": person.bio,
            "counts": {"posts": posts},
        }

    def viewer(self, act: Act) -> Person | None:
        """Who asks. A token is not needed, but a bad one is refused also where none is needed."""
        return self.member(act) if act.by else None

    def member(self, act: Act) -> Person:
        if act.by is None:
            raise Refusal(401, "token_missing")
        session = self.sessions[act.by]
        if not session.alive:
            raise Refusal(401, "invalid_token")
        return session.person

    def seen(self, act: Act, viewer: Person | None) -> Post:
        """What one may not see is not there."""
        post = self.posts[str(act.on)]
        if not self.sees(viewer, post):
            raise Refusal(404, "post_not_found")
        return post

    # --- Accounts and sessions --------------------------------------------------------------------

    def register(self, act: Act) -> Verdict:
        """Names are unique without regard to case."""
        if act.on is not None:  # the name of somebody who is here
            raise Refusal(409, "username_taken")
        person = Person(f"p{act.number}", display_name=act.how.get("display_name", ""))
        self.people[person.label] = person
        self.sessions[f"s{act.number}"] = Session(f"s{act.number}", person)
        return 201, {"user": self.profiled(person), "tokens": {"token_type": "Bearer"}}

    def log_in(self, act: Act) -> Verdict:
        person = self.people[str(act.on)]
        if not act.how["right"]:
            raise Refusal(401, "wrong_credentials")
        self.sessions[f"s{act.number}"] = Session(f"s{act.number}", person)
        return 200, {"user": {"id": person.label}}

    def log_out(self, act: Act) -> Verdict:
        self.member(act)
        self.sessions[str(act.by)].alive = False
        return 204, {}

    def log_out_everywhere(self, act: Act) -> Verdict:
        person = self.member(act)
        for session in self.sessions.values():
            if session.person is person and not (act.how["but_here"] and session.label == act.by):
                session.alive = False
        return 204, {}

    def read_sessions(self, act: Act) -> Verdict:
        """Those that live, the newest first."""
        person = self.member(act)
        mine = [one for one in self.sessions.values() if one.person is person and one.alive]
        return 200, [{"current": one.label == act.by} for one in reversed(mine)]

    def refresh(self, act: Act) -> Verdict:
        session = self.sessions[str(act.on)]
        if not session.alive:
            raise Refusal(401, "session_ended")
        session.generation += 1
        return 200, {"token_type": "Bearer"}

    def refresh_with_an_old_one(self, act: Act) -> Verdict:
        """A refresh token whose successor was used was copied: that ends the session."""
        session = self.sessions[str(act.on)]
        if session.generation >= 2:
            session.alive = False
            raise Refusal(401, "session_ended")
        return self.refresh(act)

    def read_me(self, act: Act) -> Verdict:
        return 200, self.profiled(self.member(act))

    def edit_me(self, act: Act) -> Verdict:
        person = self.member(act)
        if act.how["tag"] == "first" and person.version > 1:
            raise Refusal(412, "precondition_failed")
        bio = act.how["bio"]
        if bio != person.bio:  # an edit that changes nothing changes nothing
            person.bio, person.version = bio, person.version + 1
        return 200, {"id": person.label, "bio": bio}

    def profile(self, act: Act) -> Verdict:
        self.viewer(act)
        return 200, self.profiled(self.people[str(act.on)])

    # --- Posts ------------------------------------------------------------------------------------

    def publish(self, act: Act) -> Verdict:
        """Answers are for those who see what they answer, or for fewer. In a direct thread the people
        stay the same; any other answer that is not for everybody reaches the one who is answered."""
        author = self.member(act)
        above = self.seen(act, author) if act.on else None
        named = set(act.how["mentions"])
        visibility = act.how["visibility"] or (above.visibility if above else "public")
        if above is not None:
            if WIDTH[visibility] > WIDTH[above.visibility]:
                raise Refusal(409, "wider_than_thread")
            if above.visibility == "direct":
                named = (above.mentioned | {above.author.label}) - {author.label}
            elif visibility not in OPEN:
                named |= {above.author.label} - {author.label}
        post = Post(
            label=f"post{act.number}",
            author=author,
            text=" ".join([f"number {act.number}", *(f"@{name}" for name in act.how["mentions"])]),
            visibility=visibility,
            content_warning=act.how.get("content_warning", ""),
            language=act.how.get("language"),
            mentioned=named,
            above=above,
        )
        self.posts[post.label] = post
        post.first = self.shown(post, author)
        return 201, post.first

    comment = publish

    def publish_again(self, act: Act) -> Verdict:
        """The same request with the same key: the first answer, once more, while the post is there."""
        post = self.posts[str(act.on)]
        if self.member(act) is not post.author:
            raise Refusal(0, "not for this one to send")
        if post.deleted:
            raise Refusal(404, "post_not_found")
        return 201, post.first

    def remove(self, act: Act) -> Verdict:
        """For good. To repeat it is harmless."""
        person, post = self.member(act), self.posts[str(act.on)]
        if not (post.deleted and post.author is person):
            self.seen(act, person)
        if post.author is not person:
            raise Refusal(403, "not_the_author")
        post.deleted = True
        return 204, {}

    def mark(self, act: Act) -> Verdict:
        """Once each. To do it again changes nothing, not even its place in the lists."""
        person = self.member(act)
        post, mark = self.seen(act, person), act.how["what"]
        if mark == "repost" and post.visibility not in OPEN:
            raise Refusal(409, "cannot_repost")
        post.marks[mark].setdefault(person.label, act.number)
        return self.received(post, person)

    def take_back(self, act: Act) -> Verdict:
        person = self.member(act)
        post = self.seen(act, person)
        post.marks[act.how["what"]].pop(person.label, None)
        return self.received(post, person)

    def pin(self, act: Act) -> Verdict:
        """One's own posts, if they are open and no comments, a few of them."""
        person = self.member(act)
        post = self.seen(act, person)
        if post.author is not person:
            raise Refusal(403, "not_the_author")
        if post.above is not None or post.visibility not in OPEN:
            raise Refusal(409, "cannot_pin")
        if post.pin is None:
            if len(self.pinned(person)) >= MAX_PINS:
                raise Refusal(409, "too_many_pins")
            post.pin = act.number
        return self.received(post, person)

    def unpin(self, act: Act) -> Verdict:
        person = self.member(act)
        post = self.seen(act, person)
        if post.author is not person:
            raise Refusal(403, "not_the_author")
        post.pin = None
        return self.received(post, person)

    def pinned(self, author: Person) -> list[Post]:
        return [
            post
            for post in self.posts.values()
            if post.author is author and post.pin is not None and not post.deleted
        ]

    def read(self, act: Act) -> Verdict:
        viewer = self.viewer(act)
        return 200, self.shown(self.seen(act, viewer), viewer)

    def comments(self, act: Act) -> Verdict:
        """Direct answers, oldest first."""
        viewer, post = self.viewer(act), self.posts[str(act.on)]
        if not (post.deleted and self.stands(post)):
            self.seen(act, viewer)
        listed: list[Json] = []
        for one in self.answers(post):
            if one.deleted and self.stands(one):
                listed.append({"id": one.label, "reply_to": post.label, "tombstone": True})
            elif self.sees(viewer, one):
                listed.append(self.shown(one, viewer))
        return 200, listed

    def posts_of(self, act: Act) -> Verdict:
        """Newest first, without comments."""
        viewer = self.viewer(act)
        mine = [post for post in self.posts.values() if post.author.label == act.on and post.above is None]
        return 200, [self.shown(post, viewer) for post in reversed(mine) if self.sees(viewer, post)]

    def pinned_posts_of(self, act: Act) -> Verdict:
        """The last pinned first."""
        viewer = self.viewer(act)
        pinned = sorted(self.pinned(self.people[str(act.on)]), key=lambda post: -(post.pin or 0))
        return 200, [self.shown(post, viewer) for post in pinned if self.sees(viewer, post)]

    def who_marked(self, act: Act) -> Verdict:
        """Who likes, or who reposts, the last one first."""
        marks = self.seen(act, self.viewer(act)).marks[act.how["what"]]
        return 200, [{"id": who, "username": who} for who in sorted(marks, key=lambda who: -marks[who])]

    def what_i_marked(self, act: Act) -> Verdict:
        """One's own likes, or bookmarks, the last one first; what one no longer sees is left out."""
        person, mark = self.member(act), act.how["what"]
        mine = [post for post in self.posts.values() if person.label in post.marks[mark]]
        mine.sort(key=lambda post: -post.marks[mark][person.label])
        return 200, [self.shown(post, person) for post in mine if self.sees(person, post)]
