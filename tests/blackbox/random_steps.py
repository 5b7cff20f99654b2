"""Random actions for `api_model.py`, and the smallest number of them that reproduces a failure."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .api_model import ApiModel
from .api_state import ENGAGEMENTS, OPEN, Action, Post

READ_EVERY = 125
"""Actions after which everything that can be read is compared, for several viewers."""
PEOPLE = 9

WEIGHTS = {
    "register": 2,
    "log_in": 3,
    "log_out": 2,
    "end_sessions": 1,
    "read_sessions": 2,
    "refresh": 3,
    "read_me": 2,
    "edit_me": 3,
    "make_private": 2,
    "leave": 2,
    "profile": 3,
    "publish": 12,
    "comment": 18,
    "publish_again": 4,
    "edit": 9,
    "history": 3,
    "batch": 2,
    "context": 4,
    "remove": 8,
    "engage": 18,
    "disengage": 12,
    "pin": 6,
    "unpin": 2,
    "read": 10,
    "comments": 5,
    "posts_of": 3,
    "pinned_posts_of": 3,
    "engaged_users": 4,
    "engaged_posts": 3,
}
ON_A_POST = {
    "comment",
    "remove",
    "engage",
    "disengage",
    "pin",
    "unpin",
    "read",
    "comments",
    "engaged_users",
    "edit",
    "history",
    "context",
}
ON_A_PERSON = {"log_in", "profile", "posts_of", "pinned_posts_of"}
LISTS = {
    "comments",
    "posts_of",
    "pinned_posts_of",
    "engaged_users",
    "engaged_posts",
    "read_sessions",
    "history",
}
VISIBILITIES = ("public", "unlisted", "followers", "direct")


@dataclass
class ActionGenerator:
    """Chooses actions one by one. Only the seed and the model decide which, never a server."""

    chance: random.Random
    model: ApiModel = field(default_factory=ApiModel)
    actions: list[Action] = field(default_factory=list)

    @classmethod
    def of(cls, seed: str, steps: int) -> list[Action]:
        plan = cls(random.Random(seed))  # noqa: S311 - it must be reproducible
        for _ in range(3):
            plan.add("register", None)
        for step in range(1, steps - 2):
            plan.choose()
            if step % READ_EVERY == 0:
                plan.read_everything()
        plan.read_everything()
        return plan.actions

    def add(self, kind: str, by: str | None, on: str | None = None, **how: Any) -> None:
        action = Action(len(self.actions), kind, by, on, how)
        self.model.expect(action)
        self.actions.append(action)

    def choose(self) -> None:
        kind = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        on = self.some_post() if kind in ON_A_POST else None
        if kind in ON_A_POST and on is None:
            kind = "publish"
        if kind in ON_A_PERSON:
            on = self.chance.choice(list(self.model.people))
        choose = getattr(self, f"choose_{kind}", None)
        if choose is not None:
            choose(on)
        elif kind in LISTS:
            self.add_list(kind, self.somebody(), on, self.chance.choice([1, 3, 20, 100]))
        elif kind in {"engage", "disengage"}:
            self.add(kind, self.somebody(), on, what=self.chance.choice(ENGAGEMENTS))
        else:
            self.add(kind, self.somebody(), on)

    def add_list(self, kind: str, by: str | None, on: str | None, limit: int) -> None:
        kinds = {"engaged_users": ["like", "repost"], "engaged_posts": ["like", "bookmark"]}.get(kind)
        what = {"what": self.chance.choice(kinds)} if kinds else {}
        self.add(kind, by, on, limit=limit, **what)

    def choose_register(self, _: str | None) -> None:
        here = [person for person in self.model.people.values() if not person.gone]
        crowded = len(here) >= PEOPLE or self.chance.random() < 0.2
        self.add("register", None, self.chance.choice(list(self.model.people)) if crowded else None)

    def choose_log_in(self, person: str | None) -> None:
        self.add("log_in", None, person, right=self.chance.random() < 0.7)

    def choose_log_out(self, _: str | None) -> None:
        self.add("log_out", self.somebody(spare=True))

    def choose_end_sessions(self, _: str | None) -> None:
        self.add("end_sessions", self.somebody(), keep_current=self.chance.random() < 0.7)

    def choose_refresh(self, _: str | None) -> None:
        self.add("refresh", None, self.chance.choice(list(self.model.sessions)))

    def choose_edit_me(self, _: str | None) -> None:
        bio, tag = f"bio {self.chance.randrange(4)}", self.chance.choice(["now", "first", None])
        self.add("edit_me", self.somebody(), bio=bio, tag=tag)

    def choose_make_private(self, _: str | None) -> None:
        """Only for people with an open post, by which the runner sees when the change has taken effect."""
        by = self.somebody()
        person = self.model.sessions[by].person if by else None
        probes = [
            post.label
            for post in self.model.posts.values()
            if post.author is person and post.visibility in OPEN and not post.deleted
        ]
        if probes:
            self.add("make_private", by, private=self.chance.random() < 0.5, probe=probes[0])

    def choose_leave(self, _: str | None) -> None:
        here = [person for person in self.model.people.values() if not person.gone]
        if len(here) > 3:
            self.add("leave", self.somebody(), sure=self.chance.random() < 0.7)

    def choose_edit(self, label: str | None) -> None:
        post = self.model.posts[str(label)]
        by = self.session_of(post) if self.chance.random() < 0.8 else self.somebody()
        mentions = self.chance.sample(list(self.model.people), self.chance.choice([0, 0, 1, 2]))
        words, tag = f"edit {self.chance.randrange(3)}", self.chance.choice(["now", "first", None, None])
        self.add("edit", by, label, words=words, mentions=mentions, tag=tag)

    def choose_batch(self, _: str | None) -> None:
        posts = [post for _ in range(self.chance.randrange(1, 12)) if (post := self.some_post())]
        if posts:
            self.add("batch", self.somebody(), posts=tuple(posts))

    def choose_publish(self, _: str | None) -> None:
        self.write("publish", self.some_post() if self.chance.random() < 0.2 else None)

    def choose_comment(self, post: str | None) -> None:
        self.write("comment", post)

    def write(self, kind: str, above: str | None) -> None:
        how: dict[str, Any] = {
            "visibility": self.chance.choice([None, None, *VISIBILITIES, "public"]),
            "mentions": self.chance.sample(list(self.model.people), self.chance.choice([0, 0, 1, 2])),
        }
        if self.chance.random() < 0.2:
            how |= {"content_warning": "bees", "language": "en"}
        self.add(kind, self.somebody(), above, **how)

    def choose_publish_again(self, _: str | None) -> None:
        post = self.model.posts.get(self.some_post() or "")
        if post is not None:
            self.add("publish_again", self.session_of(post), post.label)

    def somebody(self, *, spare: bool = False) -> str | None:
        """A session; rarely one that has ended, rarely None. `spare` leaves each person one session that has not ended."""
        usable = [*self.model.sessions.values()]
        alive = [one for one in usable if one.alive]
        if spare:
            alive = [one for one in alive if sum(other.person is one.person for other in alive) > 1]
        dice = self.chance.random()
        if dice < 0.05 or not alive:
            return None
        if dice < 0.08:
            return self.chance.choice(usable).label
        return self.chance.choice(alive).label

    def some_post(self) -> str | None:
        """Mostly one of the last posts, so that much happens to a few; sometimes any, even a deleted one."""
        posts = list(self.model.posts)
        if not posts:
            return None
        return self.chance.choice(posts[-12:] if self.chance.random() < 0.8 else posts)

    def session_of(self, post: Post) -> str | None:
        mine = [one for one in self.model.sessions.values() if one.person is post.author and one.alive]
        return self.chance.choice(mine).label if mine else None

    def read_everything(self) -> None:
        """Read everything that matters, as several people and without a token."""
        alive = [one.label for one in self.model.sessions.values() if one.alive]
        viewers = [None, *self.chance.sample(alive, min(2, len(alive)))]
        posts = list(self.model.posts)
        some = posts[-20:] + self.chance.sample(posts[:-20], min(15, len(posts[:-20])))
        for viewer in viewers:
            for person in self.model.people:
                self.add("posts_of", viewer, person, limit=100)
                self.add("pinned_posts_of", viewer, person, limit=100)
            for post in some:
                self.add("read", viewer, post)
            for post in some[1::5]:
                self.add("context", viewer, post)
                self.add("history", viewer, post, limit=100)
            for post in some[::3]:
                self.add("comments", viewer, post, limit=100)
                self.add_list("engaged_users", viewer, post, 100)
            for engagement in ("like", "bookmark") if viewer else ():
                self.add("engaged_posts", viewer, None, limit=100, what=engagement)
        for person in self.model.people:
            self.add("profile", viewers[-1], person)


def minimise(
    actions: Sequence[Action], fails: Callable[[Sequence[Action]], bool], seconds: float = 60
) -> list[Action]:
    """Fewer actions that still fail: leaves out smaller and smaller pieces, until `seconds` have passed."""
    kept, piece, end = list(actions), max(len(actions) // 2, 1), time.monotonic() + seconds
    while time.monotonic() < end:
        start, before = 0, len(kept)
        while start < len(kept) and time.monotonic() < end:
            fewer = kept[:start] + kept[start + piece :]
            if fails(fewer):
                kept = fewer
            else:
                start += piece
        if piece == 1 and len(kept) == before:
            break
        piece = max(piece // 2, 1)
    return kept
