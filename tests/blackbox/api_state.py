"""The state of the reference model of the API: people, sessions and posts, and their views."""

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


class ApiState:
    """The state of the model, the rule of visibility, and the views that answers contain."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.sessions: dict[str, Session] = {}
        self.posts: dict[str, Post] = {}

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
