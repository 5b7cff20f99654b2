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
    private: bool = False
    gone: bool = False


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
    was_withheld: bool = False
    versions: list[Json] = field(default_factory=list)
    pin: int | None = None
    """When it was pinned."""
    marks: dict[str, dict[str, int]] = field(default_factory=lambda: {mark: {} for mark in MARKS})
    """Each mark by those who left it, and when they did."""
    first: Json = field(default_factory=dict)
    """As it was answered when it was published."""
    taken_back: set[tuple[str, str]] = field(default_factory=set)
    """Marks, and those who took them back while they did not see the post."""


def written(act: Act) -> str:
    words = act.how.get("words", f"number {act.number}")
    return " ".join([words, *(f"@{name}" for name in act.how["mentions"])])


class Model:
    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.sessions: dict[str, Session] = {}
        self.posts: dict[str, Post] = {}

    def expect(self, act: Act) -> Verdict | None:
        """The verdict, and what the act changes. None for an act on what was never made, as happens
        when a failure is made shorter."""
        known = {None, *self.people, *self.sessions, *self.posts}
        named = {
            act.by,
            act.on,
            act.how.get("probe"),
            *act.how.get("mentions", ()),
            *act.how.get("posts", ()),
        }
        if not named <= known:
            return None
        try:
            verdict: Verdict = getattr(self, act.kind)(act)
        except Refusal as refusal:
            return refusal.verdict
        return verdict

    # --- Who may see, and what they see -----------------------------------------------------------

    def sees(self, viewer: Person | None, post: Post) -> bool:
        """Its author does; else everybody if it is open and its author is, and otherwise only whom it
        mentions. Nobody follows anybody yet, so what is for followers is for no one else."""
        if post.deleted:
            return False
        if viewer is post.author or (post.visibility in OPEN and not post.author.private):
            return True
        return viewer is not None and viewer.label in post.mentioned

    def withheld(self, post: Post) -> bool:
        """Whether it is an open comment by a private account, or was one when it was deleted."""
        if post.deleted:
            return post.was_withheld
        return post.above is not None and post.visibility in OPEN and post.author.private

    def counts_in(self, post: Post, above: Post | None) -> bool:
        """A number is read by whoever sees the place where it stands: it tells of nothing else."""
        if post.deleted or self.withheld(post):
            return False
        if above is not None and above.visibility == "direct":
            return post.visibility == "direct"
        return post.visibility in OPEN

    def answers(self, above: Post) -> Iterator[Post]:
        return (post for post in self.posts.values() if post.above is above)

    def tombstone(self, post: Post) -> Json:
        """The place of a post in a thread. Nothing tells whether it was deleted or is for others."""
        return {
            "id": post.label,
            "reply_to": post.above and post.above.label,
            "type": "tombstone",
            "tombstone": True,
        }

    def stands(self, post: Post) -> bool:
        """Whether it keeps its place in a thread when it is deleted: a comment that was for everybody does,
        as long as there is one below it, or another such place."""
        return (
            post.above is not None
            and post.visibility in OPEN
            and not self.withheld(post)
            and any(
                one.visibility in OPEN and not self.withheld(one) and (not one.deleted or self.stands(one))
                for one in self.answers(post)
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
            "edited_at": "then" if len(post.versions) > 1 else None,
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
            "private": person.private,
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
        if person.gone or not act.how["right"]:
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

    def make_private(self, act: Act) -> Verdict:
        """What one posted is hidden, or shown again."""
        person = self.member(act)
        if act.how["private"] != person.private:
            person.private, person.version = act.how["private"], person.version + 1
        return 200, {"id": person.label, "private": person.private}

    def leave(self, act: Act) -> Verdict:
        """For good, and with all that was one's own; the name rests."""
        person = self.member(act)
        if not act.how["sure"]:
            raise Refusal(409, "confirmation_needed")
        person.gone = True
        for session in self.sessions.values():
            session.alive = session.alive and session.person is not person
        for post in self.posts.values():
            if post.author is person:
                self.delete(post)
            post.mentioned.discard(person.label)
            mentions = [one for one in post.first["mentions"] if one["id"] != person.label]
            post.first = post.first | {"mentions": mentions}
            for mark in MARKS:
                post.marks[mark].pop(person.label, None)
        return 204, {}

    def profile(self, act: Act) -> Verdict:
        self.viewer(act)
        return 200, self.profiled(self.present(act))

    def present(self, act: Act) -> Person:
        person = self.people[str(act.on)]
        if person.gone:
            raise Refusal(404, "user_not_found")
        return person

    # --- Posts ------------------------------------------------------------------------------------

    def publish(self, act: Act) -> Verdict:
        """Answers are for those who see what they answer, or for fewer. In a direct thread the people
        stay the same; any other answer that is not for everybody reaches the one who is answered."""
        author = self.member(act)
        above = self.seen(act, author) if act.on else None
        named = self.named(act)
        visibility = act.how["visibility"] or (above.visibility if above else "public")
        if above is not None:
            if WIDTH[visibility] > WIDTH[above.visibility]:
                raise Refusal(409, "wider_than_thread")
            if above.visibility == "direct":
                named = (above.mentioned | {above.author.label}) - {author.label}
            elif visibility not in OPEN or author.private:
                named |= {above.author.label} - {author.label}
        if visibility == "direct" and named <= {author.label}:
            raise Refusal(422, "nobody_reached")
        post = Post(
            label=f"post{act.number}",
            author=author,
            text=written(act),
            visibility=visibility,
            content_warning=act.how.get("content_warning", ""),
            language=act.how.get("language"),
            mentioned=named,
            above=above,
        )
        self.posts[post.label] = post
        self.keep(post)
        post.first = self.shown(post, author)
        return 201, post.first

    comment = publish

    def named(self, act: Act) -> set[str]:
        """Whom a text names, of those who are here."""
        return {name for name in act.how["mentions"] if not self.people[name].gone}

    def keep(self, post: Post) -> None:
        words = {"text": post.text, "content_warning": post.content_warning, "language": post.language}
        post.versions.append({"version": len(post.versions) + 1, **words})

    def edit(self, act: Act) -> Verdict:
        """Other words; whom a direct post has reached stays, else they are whom the new words name."""
        person = self.member(act)
        post = self.seen(act, person)
        if post.author is not person:
            raise Refusal(403, "not_the_author")
        if act.how["tag"] == "first" and len(post.versions) > 1:
            raise Refusal(412, "precondition_failed")
        if (text := written(act)) != post.text:  # an edit that changes nothing changes nothing
            post.text = text
            reached = post.mentioned - {person.label} or (post.above and post.above.visibility == "direct")
            if post.visibility != "direct" or not reached:
                # whoever left meanwhile is not mentioned anew
                answered = (
                    (post.mentioned & {post.above.author.label}) - {person.label} if post.above else set()
                )
                narrow = post.visibility not in OPEN or self.withheld(post)
                post.mentioned = self.named(act) | (answered if narrow else set())
            self.keep(post)
        return 200, self.shown(post, person)

    def history(self, act: Act) -> Verdict:
        """Every version, the oldest first, for whoever sees the post."""
        return 200, list(self.seen(act, self.viewer(act)).versions)

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
        self.delete(post)
        return 204, {}

    def delete(self, post: Post) -> None:
        post.was_withheld = self.withheld(post)
        post.deleted = True

    def mark(self, act: Act) -> Verdict:
        """Once each. To do it again changes nothing, not even its place in the lists."""
        person = self.member(act)
        post, mark = self.seen(act, person), act.how["what"]
        if mark == "repost" and (post.visibility not in OPEN or post.author.private):
            raise Refusal(409, "cannot_repost")
        post.marks[mark].setdefault(person.label, act.number)
        return self.received(post, person)

    def take_back(self, act: Act) -> Verdict:
        """One's own can be taken back from a post that one does not see any more; then the counts are told only if
        everybody may see them."""
        person = self.member(act)
        post, mark = self.posts[str(act.on)], act.how["what"]
        if not self.sees(person, post):
            if person.label in post.marks[mark]:
                post.taken_back.add((mark, person.label))
            if (mark, person.label) not in post.taken_back:
                raise Refusal(404, "post_not_found")
        post.marks[mark].pop(person.label, None)
        status, reception = self.received(post, person)
        if not (self.sees(person, post) or self.sees(None, post)):
            reception |= {"counts": {"comments": 0, "likes": 0, "reposts": 0}, "pinned": False}
        return status, reception

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

    def batch(self, act: Act) -> Verdict:
        """In the order asked for, each once; what one does not see is left out."""
        viewer = self.viewer(act)
        asked = [self.posts[label] for label in dict.fromkeys(act.how["posts"])]
        return 200, {"items": [self.shown(post, viewer) for post in asked if self.sees(viewer, post)]}

    def context(self, act: Act) -> Verdict:
        """What stands above, the first post first."""
        viewer = self.viewer(act)
        above, ancestors = self.seen(act, viewer).above, list[Json]()
        while above is not None:
            shown = self.shown(above, viewer) if self.sees(viewer, above) else self.tombstone(above)
            ancestors.insert(0, shown)
            above = above.above
        return 200, {"ancestors": ancestors}

    def comments(self, act: Act) -> Verdict:
        """Direct answers, oldest first."""
        viewer, post = self.viewer(act), self.posts[str(act.on)]
        if not (post.deleted and self.stands(post)):
            self.seen(act, viewer)
        listed: list[Json] = []
        for one in self.answers(post):
            if one.deleted and self.stands(one):
                listed.append(self.tombstone(one))
            elif self.sees(viewer, one):
                listed.append(self.shown(one, viewer))
        return 200, listed

    def posts_of(self, act: Act) -> Verdict:
        """Newest first, without comments."""
        viewer = self.viewer(act)
        author = self.present(act)
        mine = [post for post in self.posts.values() if post.author is author and post.above is None]
        return 200, [self.shown(post, viewer) for post in reversed(mine) if self.sees(viewer, post)]

    def pinned_posts_of(self, act: Act) -> Verdict:
        """The last pinned first."""
        viewer = self.viewer(act)
        pinned = sorted(self.pinned(self.present(act)), key=lambda post: -(post.pin or 0))
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
