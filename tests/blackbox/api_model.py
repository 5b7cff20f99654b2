"""A reference model of the API: people, sessions and posts in dictionaries.

An `Action` is a request whose people, sessions and posts are labels. The model returns the verdict that a server in any
shape must return. It has no ids, no clock and no store. `api_runner.py` sends the same actions over HTTP.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .client import Json

Verdict = tuple[int, Any]
"""The status, and the code of a refusal or the members that the body must have (it may have more)."""

OPEN = {"public", "unlisted"}
ENGAGEMENTS = ("like", "repost", "bookmark")
MAX_PINS = 5
WIDTH = {"public": 3, "unlisted": 2, "followers": 1, "direct": 0}


@dataclass(frozen=True)
class Action:
    """One step. The things that it makes are labelled with its number: person `p7`, session `s7`, post `post7`."""

    number: int
    kind: str
    by: str | None
    """A session; None for a client without a token."""
    on: str | None = None
    how: Mapping[str, Any] = field(default_factory=dict)
    retried: bool = False
    """A read whose result follows later, by the relay: it is repeated until it is as expected."""

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
    """The number of the action that pinned it."""
    engagements: dict[str, dict[str, int]] = field(
        default_factory=lambda: {engagement: {} for engagement in ENGAGEMENTS}
    )
    """By engagement: the people who have it, with the number of their action."""
    first: Json = field(default_factory=dict)
    """The answer to the request that published it."""
    disengaged_unseen: set[tuple[str, str]] = field(default_factory=set)
    """Engagements, and the people who removed them while they could not see the post."""


def text_of(action: Action) -> str:
    words = action.how.get("words", f"number {action.number}")
    return " ".join([words, *(f"@{name}" for name in action.how["mentions"])])


class ApiModel:
    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.sessions: dict[str, Session] = {}
        self.posts: dict[str, Post] = {}

    def expect(self, action: Action) -> Verdict | None:
        """The verdict. Applies the changes of the action. None for an action on something that was never made, which
        happens while a failure is minimised."""
        known = {None, *self.people, *self.sessions, *self.posts}
        named = {
            action.by,
            action.on,
            action.how.get("probe"),
            *action.how.get("mentions", ()),
            *action.how.get("posts", ()),
        }
        if not named <= known:
            return None
        try:
            verdict: Verdict = getattr(self, action.kind)(action)
        except Refusal as refusal:
            return refusal.verdict
        return verdict

    # --- Visibility and views -----------------------------------------------------------

    def can_see(self, viewer: Person | None, post: Post) -> bool:
        """The author can; everybody can if the post and its author are open; otherwise only the people that it mentions.
        Nobody follows anybody in this model, so posts for followers have no other audience."""
        if post.deleted:
            return False
        if viewer is post.author or (post.visibility in OPEN and not post.author.private):
            return True
        return viewer is not None and viewer.label in post.mentioned

    def withheld(self, post: Post) -> bool:
        """Whether it is an open comment of a private account, or was one when it was deleted."""
        if post.deleted:
            return post.was_withheld
        return post.above is not None and post.visibility in OPEN and post.author.private

    def counts_in(self, post: Post, above: Post | None) -> bool:
        """A count includes only posts that everyone who sees the count may see."""
        if post.deleted or self.withheld(post):
            return False
        if above is not None and above.visibility == "direct":
            return post.visibility == "direct"
        return post.visibility in OPEN

    def answers(self, above: Post) -> Iterator[Post]:
        return (post for post in self.posts.values() if post.above is above)

    def tombstone(self, post: Post) -> Json:
        """The place of a post in a thread. It is the same for a deleted post and for one that the viewer may not see."""
        return {
            "id": post.label,
            "reply_to": post.above and post.above.label,
            "type": "tombstone",
            "tombstone": True,
        }

    def keeps_place(self, post: Post) -> bool:
        """Whether it keeps its place in a thread when it is deleted: a comment that everybody could see does, as long as
        there is such a comment below it, or another such place."""
        return (
            post.above is not None
            and post.visibility in OPEN
            and not self.withheld(post)
            and any(
                one.visibility in OPEN
                and not self.withheld(one)
                and (not one.deleted or self.keeps_place(one))
                for one in self.answers(post)
            )
        )

    def view(self, post: Post, viewer: Person | None) -> Json:
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
                "likes": len(post.engagements["like"]),
                "reposts": len(post.engagements["repost"]),
            },
            "pinned": post.pin is not None,
        }
        return shown | ({"viewer": self.viewer_flags(post, viewer)} if viewer else {})

    def viewer_flags(self, post: Post, viewer: Person) -> Json:
        """The viewer's engagements with the post."""
        liked, reposted, bookmarked = (
            viewer.label in post.engagements[engagement] for engagement in ENGAGEMENTS
        )
        return {"liked": liked, "reposted": reposted, "bookmarked": bookmarked}

    def summary(self, post: Post, viewer: Person) -> Verdict:
        shown = self.view(post, viewer)
        return 200, {name: shown[name] for name in ("counts", "viewer", "pinned")}

    def profile_view(self, person: Person) -> Json:
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

    def viewer(self, action: Action) -> Person | None:
        """The person who asks; None without a token. An invalid token is refused even if none is needed."""
        return self.member(action) if action.by else None

    def member(self, action: Action) -> Person:
        if action.by is None:
            raise Refusal(401, "token_missing")
        session = self.sessions[action.by]
        if not session.alive:
            raise Refusal(401, "invalid_token")
        return session.person

    def visible_post(self, action: Action, viewer: Person | None) -> Post:
        """Refuses a post that the viewer may not see like one that does not exist."""
        post = self.posts[str(action.on)]
        if not self.can_see(viewer, post):
            raise Refusal(404, "post_not_found")
        return post

    # --- Accounts and sessions --------------------------------------------------------------------

    def register(self, action: Action) -> Verdict:
        """Usernames are unique, whatever their letter case."""
        if action.on is not None:  # the username of an existing person
            raise Refusal(409, "username_taken")
        person = Person(f"p{action.number}", display_name=action.how.get("display_name", ""))
        self.people[person.label] = person
        self.sessions[f"s{action.number}"] = Session(f"s{action.number}", person)
        return 201, {"user": self.profile_view(person), "tokens": {"token_type": "Bearer"}}

    def log_in(self, action: Action) -> Verdict:
        person = self.people[str(action.on)]
        if person.gone or not action.how["right"]:
            raise Refusal(401, "wrong_credentials")
        self.sessions[f"s{action.number}"] = Session(f"s{action.number}", person)
        return 200, {"user": {"id": person.label}}

    def log_out(self, action: Action) -> Verdict:
        self.member(action)
        self.sessions[str(action.by)].alive = False
        return 204, {}

    def log_out_everywhere(self, action: Action) -> Verdict:
        person = self.member(action)
        for session in self.sessions.values():
            if session.person is person and not (action.how["but_here"] and session.label == action.by):
                session.alive = False
        return 204, {}

    def read_sessions(self, action: Action) -> Verdict:
        """The sessions that have not ended, newest first."""
        person = self.member(action)
        mine = [one for one in self.sessions.values() if one.person is person and one.alive]
        return 200, [{"current": one.label == action.by} for one in reversed(mine)]

    def refresh(self, action: Action) -> Verdict:
        session = self.sessions[str(action.on)]
        if not session.alive:
            raise Refusal(401, "session_ended")
        session.generation += 1
        return 200, {"token_type": "Bearer"}

    def read_me(self, action: Action) -> Verdict:
        return 200, self.profile_view(self.member(action))

    def edit_me(self, action: Action) -> Verdict:
        person = self.member(action)
        if action.how["tag"] == "first" and person.version > 1:
            raise Refusal(412, "precondition_failed")
        bio = action.how["bio"]
        if bio != person.bio:  # an edit that changes nothing changes nothing
            person.bio, person.version = bio, person.version + 1
        return 200, {"id": person.label, "bio": bio}

    def make_private(self, action: Action) -> Verdict:
        """Hides the posts of the account from others, or shows them again."""
        person = self.member(action)
        if action.how["private"] != person.private:
            person.private, person.version = action.how["private"], person.version + 1
        return 200, {"id": person.label, "private": person.private}

    def leave(self, action: Action) -> Verdict:
        """Deletes the account for good, with everything that belonged to it. The username stays reserved."""
        person = self.member(action)
        if not action.how["sure"]:
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
            for engagement in ENGAGEMENTS:
                post.engagements[engagement].pop(person.label, None)
        return 204, {}

    def profile(self, action: Action) -> Verdict:
        self.viewer(action)
        return 200, self.profile_view(self.existing(action))

    def existing(self, action: Action) -> Person:
        person = self.people[str(action.on)]
        if person.gone:
            raise Refusal(404, "user_not_found")
        return person

    # --- Posts ------------------------------------------------------------------------------------

    def publish(self, action: Action) -> Verdict:
        """An answer is visible to the people who see the post above, or to fewer. A direct thread keeps its people. Any
        other answer that not everybody may see reaches the author of the post above."""
        author = self.member(action)
        above = self.visible_post(action, author) if action.on else None
        named = self.mentioned_in(action)
        visibility = action.how["visibility"] or (above.visibility if above else "public")
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
            label=f"post{action.number}",
            author=author,
            text=text_of(action),
            visibility=visibility,
            content_warning=action.how.get("content_warning", ""),
            language=action.how.get("language"),
            mentioned=named,
            above=above,
        )
        self.posts[post.label] = post
        self.add_version(post)
        post.first = self.view(post, author)
        return 201, post.first

    comment = publish

    def mentioned_in(self, action: Action) -> set[str]:
        """The people that a text names, those whose accounts exist."""
        return {name for name in action.how["mentions"] if not self.people[name].gone}

    def add_version(self, post: Post) -> None:
        words = {"text": post.text, "content_warning": post.content_warning, "language": post.language}
        post.versions.append({"version": len(post.versions) + 1, **words})

    def edit(self, action: Action) -> Verdict:
        """Changes the text. A direct post keeps the people that it has reached; otherwise the new text decides."""
        person = self.member(action)
        post = self.visible_post(action, person)
        if post.author is not person:
            raise Refusal(403, "not_the_author")
        if action.how["tag"] == "first" and len(post.versions) > 1:
            raise Refusal(412, "precondition_failed")
        if (text := text_of(action)) != post.text:  # an edit that changes nothing changes nothing
            post.text = text
            reached = post.mentioned - {person.label} or (post.above and post.above.visibility == "direct")
            if post.visibility != "direct" or not reached:
                # a deleted account is not mentioned again
                answered = (
                    (post.mentioned & {post.above.author.label}) - {person.label} if post.above else set()
                )
                narrow = post.visibility not in OPEN or self.withheld(post)
                post.mentioned = self.mentioned_in(action) | (answered if narrow else set())
            self.add_version(post)
        return 200, self.view(post, person)

    def history(self, action: Action) -> Verdict:
        """All versions, oldest first, for everybody who can see the post."""
        return 200, list(self.visible_post(action, self.viewer(action)).versions)

    def publish_again(self, action: Action) -> Verdict:
        """The same request with the same key: the first answer again, unless the post was deleted."""
        post = self.posts[str(action.on)]
        if self.member(action) is not post.author:
            raise Refusal(0, "only the author can send it again")
        if post.deleted:
            raise Refusal(404, "post_not_found")
        return 201, post.first

    def remove(self, action: Action) -> Verdict:
        """For good. Safe to repeat."""
        person, post = self.member(action), self.posts[str(action.on)]
        if not (post.deleted and post.author is person):
            self.visible_post(action, person)
        if post.author is not person:
            raise Refusal(403, "not_the_author")
        self.delete(post)
        return 204, {}

    def delete(self, post: Post) -> None:
        post.was_withheld = self.withheld(post)
        post.deleted = True

    def engage(self, action: Action) -> Verdict:
        """At most once each. Repeating it changes nothing, not even the order of the lists."""
        person = self.member(action)
        post, engagement = self.visible_post(action, person), action.how["what"]
        if engagement == "repost" and (post.visibility not in OPEN or post.author.private):
            raise Refusal(409, "cannot_repost")
        post.engagements[engagement].setdefault(person.label, action.number)
        return self.summary(post, person)

    def disengage(self, action: Action) -> Verdict:
        """One's own engagement can be removed even if the post has become invisible. Then the answer has counts only if
        everybody may see them."""
        person = self.member(action)
        post, engagement = self.posts[str(action.on)], action.how["what"]
        if not self.can_see(person, post):
            if person.label in post.engagements[engagement]:
                post.disengaged_unseen.add((engagement, person.label))
            if (engagement, person.label) not in post.disengaged_unseen:
                raise Refusal(404, "post_not_found")
        post.engagements[engagement].pop(person.label, None)
        status, reception = self.summary(post, person)
        if not (self.can_see(person, post) or self.can_see(None, post)):
            reception |= {"counts": {"comments": 0, "likes": 0, "reposts": 0}, "pinned": False}
        return status, reception

    def pin(self, action: Action) -> Verdict:
        """One's own open posts that are not comments, up to MAX_PINS."""
        person = self.member(action)
        post = self.visible_post(action, person)
        if post.author is not person:
            raise Refusal(403, "not_the_author")
        if post.above is not None or post.visibility not in OPEN:
            raise Refusal(409, "cannot_pin")
        if post.pin is None:
            if len(self.pinned(person)) >= MAX_PINS:
                raise Refusal(409, "too_many_pins")
            post.pin = action.number
        return self.summary(post, person)

    def unpin(self, action: Action) -> Verdict:
        person = self.member(action)
        post = self.visible_post(action, person)
        if post.author is not person:
            raise Refusal(403, "not_the_author")
        post.pin = None
        return self.summary(post, person)

    def pinned(self, author: Person) -> list[Post]:
        return [
            post
            for post in self.posts.values()
            if post.author is author and post.pin is not None and not post.deleted
        ]

    def read(self, action: Action) -> Verdict:
        viewer = self.viewer(action)
        return 200, self.view(self.visible_post(action, viewer), viewer)

    def batch(self, action: Action) -> Verdict:
        """In the order of the ids, each once. Posts that the viewer may not see are left out."""
        viewer = self.viewer(action)
        asked = [self.posts[label] for label in dict.fromkeys(action.how["posts"])]
        return 200, {"items": [self.view(post, viewer) for post in asked if self.can_see(viewer, post)]}

    def context(self, action: Action) -> Verdict:
        """The posts above, the first one of the thread first."""
        viewer = self.viewer(action)
        above, ancestors = self.visible_post(action, viewer).above, list[Json]()
        while above is not None:
            shown = self.view(above, viewer) if self.can_see(viewer, above) else self.tombstone(above)
            ancestors.insert(0, shown)
            above = above.above
        return 200, {"ancestors": ancestors}

    def comments(self, action: Action) -> Verdict:
        """Direct answers, oldest first."""
        viewer, post = self.viewer(action), self.posts[str(action.on)]
        if not (post.deleted and self.keeps_place(post)):
            self.visible_post(action, viewer)
        listed: list[Json] = []
        for one in self.answers(post):
            if one.deleted and self.keeps_place(one):
                listed.append(self.tombstone(one))
            elif self.can_see(viewer, one):
                listed.append(self.view(one, viewer))
        return 200, listed

    def posts_of(self, action: Action) -> Verdict:
        """Newest first, without comments."""
        viewer = self.viewer(action)
        author = self.existing(action)
        mine = [post for post in self.posts.values() if post.author is author and post.above is None]
        return 200, [self.view(post, viewer) for post in reversed(mine) if self.can_see(viewer, post)]

    def pinned_posts_of(self, action: Action) -> Verdict:
        """The last pinned post first."""
        viewer = self.viewer(action)
        pinned = sorted(self.pinned(self.existing(action)), key=lambda post: -(post.pin or 0))
        return 200, [self.view(post, viewer) for post in pinned if self.can_see(viewer, post)]

    def engaged_users(self, action: Action) -> Verdict:
        """The people who like or repost a post, the last one first."""
        engagements = self.visible_post(action, self.viewer(action)).engagements[action.how["what"]]
        return 200, [
            {"id": who, "username": who} for who in sorted(engagements, key=lambda who: -engagements[who])
        ]

    def engaged_posts(self, action: Action) -> Verdict:
        """One's own likes or bookmarks, the last one first, without posts that one may no longer see."""
        person, engagement = self.member(action), action.how["what"]
        mine = [post for post in self.posts.values() if person.label in post.engagements[engagement]]
        mine.sort(key=lambda post: -post.engagements[engagement][person.label])
        return 200, [self.view(post, person) for post in mine if self.can_see(person, post)]
