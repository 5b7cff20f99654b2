"""A random walk: random changes of people and posts, over HTTP and in `visibility_model.py` alike."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from .client import PASSWORD, Api, Visitor, eventually, fresh_key
from .read_checks import LATER, MOMENT, TAGS, WORDS, ReadChecker
from .visibility_model import ENGAGEMENTS, WIDTH, ModelPost, Person, VisibilityModel

WEIGHTS = {
    "publish": 12,
    "comment": 12,
    "edit": 5,
    "remove": 5,
    "engage": 16,
    "disengage": 7,
    "follow": 12,
    "unfollow": 5,
    "answer_request": 6,
    "drop_follower": 2,
    "block": 5,
    "unblock": 4,
    "mute": 4,
    "unmute": 3,
    "turn": 4,
    "leave": 1,
}
PEOPLE = 6
FEW = 4
"""The least number of people that stay."""


@dataclass
class RandomWalk:
    """Random requests, one after the other. A request that the model refuses must be refused by the server.

    All requests go to the first process. The other processes must show the changes.
    """

    apis: Sequence[Api]
    chance: random.Random
    model: VisibilityModel = field(default_factory=VisibilityModel)
    steps: list[str] = field(default_factory=list)
    concerned: list[Person] = field(default_factory=list)
    """The people that the last step concerns."""
    checker: ReadChecker = field(init=False)
    _number: int = 0

    def __post_init__(self) -> None:
        self.checker = ReadChecker(self.model, self.apis)
        for _ in range(PEOPLE):
            self._register()
        for person in self._here():
            self._number += 1
            self._write(person, "public", [], None)  # never deleted: by it the state of its author is seen
        for person in self._here():  # so that something is trending
            self._number += 1
            self._add_engagement(person, next(iter(self.model.posts.values())), "like")

    def step(self) -> None:
        kind = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        self._number += 1
        getattr(self, f"_{kind}")()

    # --- People -------------------------------------------------------------------------------------

    def _register(self) -> None:
        person = Person(f"p{len(self.model.people)}")
        name = f"{self.checker.salt}{person.label}"
        body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        response = self._do(None, "POST", "/api/v1/auth/register", 201, json=body)
        self.model.people[person.label] = person
        self.checker.learn(person.label, response.json()["user"]["id"])
        self.checker.tokens[person] = response.json()["tokens"]["access_token"]

    def _follow(self) -> None:
        who, whom = self._two()
        status = 200
        if self.model.blocked(who, whom):
            status = 403 if (whom, who) in self.model.blocks else 409
        else:
            self.model.follow(who, whom, self._number)
        self._pair("PUT", who, whom, "follow", status)

    def _unfollow(self) -> None:
        who, whom = self._one_of(self.model.follows)
        self.model.unfollow(who, whom)
        self._pair("DELETE", who, whom, "follow")

    def _answer_request(self) -> None:
        if not self.model.requests:
            return
        who, whom = self.chance.choice(list(self.model.requests))
        accepts = self.chance.random() < 0.7
        if accepts:
            self.model.accept(whom, who, self._number)
        else:
            self.model.unfollow(who, whom)
        path = f"/api/v1/me/follow-requests/{{{who.label}}}"
        self._do(whom, "PUT" if accepts else "DELETE", path, {200, 204}, concerns=who)

    def _drop_follower(self) -> None:
        who, whom = self._one_of(self.model.follows)
        self.model.unfollow(who, whom)
        self._do(whom, "DELETE", f"/api/v1/me/followers/{{{who.label}}}", {200, 204}, concerns=who)

    def _block(self) -> None:
        who, whom = self._two()
        self.model.block(who, whom, self._number)
        self._pair("PUT", who, whom, "block")

    def _unblock(self) -> None:
        who, whom = self._one_of(self.model.blocks)
        self.model.blocks.pop((who, whom), None)
        self._pair("DELETE", who, whom, "block")

    def _mute(self) -> None:
        who, whom = self._two()
        self.model.mutes[who, whom] = self._number
        self._pair("PUT", who, whom, "mute")

    def _unmute(self) -> None:
        who, whom = self._one_of(self.model.mutes)
        self.model.mutes.pop((who, whom), None)
        self._pair("DELETE", who, whom, "mute")

    def _turn(self) -> None:
        """Becomes private, or open again. Posts get the change by the relay, and so does the acceptance of follow requests."""
        who = self._somebody()
        who.private = not who.private
        self._do(who, "PATCH", "/api/v1/me", 200, json={"private": who.private})
        self._until(self._anchor(who), 404 if who.private else 200)
        if not who.private:
            self.model.open(who, self._number)
            self._until_nobody_asks(who)

    def _leave(self) -> None:
        if len(self._here()) <= FEW:
            return
        who = self._somebody()
        anchor, name = self._anchor(who), f"{self.checker.salt}{who.label}"
        self._do(who, "DELETE", "/api/v1/me", 204, params={"confirm": name})
        self.model.leave(who)
        self.concerned = [self._somebody()]
        self._until(anchor, 404)
        self.checker.disturbed(MOMENT, LATER)

    def _anchor(self, who: Person) -> ModelPost:
        """The first post of the person: it is public and is never deleted."""
        return next(post for post in self.model.posts.values() if post.author is who)

    def _until(self, post: ModelPost, status: int) -> None:
        """Other tests limit this to one second; here a busy machine must not end the walk."""
        path = f"/api/v1/posts/{self.checker.ids[post.label]}"

        def check() -> None:
            assert Visitor(self.apis[0].http).get(path).status_code == status

        eventually(check, LATER)

    def _until_nobody_asks(self, who: Person) -> None:
        def check() -> None:
            response = self.checker.asks(self.apis[0], who, "GET", "/api/v1/me/follow-requests")
            assert response.json()["items"] == []

        eventually(check, LATER)

    # --- Posts --------------------------------------------------------------------------------------

    def _publish(self) -> None:
        self._write(self._somebody(), self.chance.choice(["public", "public", *WIDTH]), self._names(), None)

    def _comment(self) -> None:
        who = self._somebody()
        self._write(who, self.chance.choice(["", "", *WIDTH]), self._names(), self._some_post(who))

    def _write(self, who: Person, wanted: str, names: list[Person], above: ModelPost | None) -> None:
        model = self.model
        label = f"post{len(model.posts)}"
        path, status = "/api/v1/posts", 201
        visibility = wanted or (above.visibility if above else "public")
        if above is not None:
            path = f"/api/v1/posts/{{{above.label}}}/comments"
            wider = WIDTH[visibility] > WIDTH[above.visibility]
            status = 404 if not model.can_see(who, above) else 409 if wider else 201
        mentioned = model.audience(who, model.named(who, names), visibility, above)
        if status == 201 and visibility == "direct" and not model.reached(who, mentioned):
            status = 422
        text, words, tags = self._text(label, names)
        body = {"text": text.replace("~", self.checker.salt)} | ({"visibility": wanted} if wanted else {})
        key = {"Idempotency-Key": fresh_key()}
        concerns = above.author if above else None
        response = self._do(who, "POST", path, status, concerns=concerns, json=body, headers=key)
        if status == 201:
            post = ModelPost(self._number, label, who, visibility, above, words, tags, mentioned, [text])
            model.posts[label] = post
            self.checker.learn(label, response.json()["id"])

    def _edit(self) -> None:
        post = self._some_post()
        who, names = post.author, self._names()
        text, words, tags = self._text(post.label, names)
        body = {"text": text.replace("~", self.checker.salt)}
        if not post.deleted:
            self.model.reword(post, text, words, tags, self.model.named(who, names))
            self._do(who, "PATCH", f"/api/v1/posts/{{{post.label}}}", 200, json=body)

    def _remove(self) -> None:
        post = self._some_post()
        if not post.deleted and post is not self._anchor(post.author):
            post.delete()
            self._do(post.author, "DELETE", f"/api/v1/posts/{{{post.label}}}", 204)

    def _engage(self) -> None:
        who = self._somebody()
        self._add_engagement(who, self._some_post(who), self.chance.choice(ENGAGEMENTS))

    def _add_engagement(self, who: Person, post: ModelPost, engagement: str) -> None:
        status = 200 if self.model.can_see(who, post) else 404
        if status == 200 and engagement == "repost" and not self.model.may_repost(post):
            status = 409
        if status == 200:
            post.engagements[engagement].setdefault(who, self._number)
        self._do(who, "PUT", f"/api/v1/posts/{{{post.label}}}/{engagement}", status, concerns=post.author)

    def _disengage(self) -> None:
        engagement = self.chance.choice(ENGAGEMENTS)
        held = [(post, who) for post in self.model.posts.values() for who in post.engagements[engagement]]
        if held:
            post, who = self.chance.choice(held)
            del post.engagements[engagement][who]  # whether the person may see the post or not
            self._do(who, "DELETE", f"/api/v1/posts/{{{post.label}}}/{engagement}", 200, concerns=post.author)

    def _text(self, label: str, names: Sequence[Person]) -> tuple[str, set[str], set[str]]:
        """A text with words, tags, people, and a number that makes it unique; with its words and tags."""
        words = {self.chance.choice(WORDS)}
        tags = {self.chance.choice(TAGS)} if self.chance.random() < 0.5 else set[str]()
        tokens = [f"~{word}" for word in words] + [f"#~{tag}" for tag in tags]
        tokens += [f"@~{person.label}" for person in names]
        return " ".join([*tokens, f"{label} at {self._number}"]), words, tags

    # --- Chance -------------------------------------------------------------------------------------

    def _here(self) -> list[Person]:
        return [person for person in self.model.people.values() if not person.gone]

    def _somebody(self) -> Person:
        return self.chance.choice(self._here())

    def _two(self) -> tuple[Person, Person]:
        who, whom = self.chance.sample(self._here(), 2)
        return who, whom

    def _one_of(self, relation: Any) -> tuple[Person, Person]:
        """Mostly two people with this relation, sometimes any two: ending a relation that does not exist is allowed."""
        if relation and self.chance.random() < 0.85:
            who, whom = self.chance.choice(list(relation))
            return who, whom
        return self._two()

    def _names(self) -> list[Person]:
        return self.chance.sample(self._here(), self.chance.choice([0, 0, 1, 2]))

    def _some_post(self, who: Person | None = None) -> ModelPost:
        """Mostly one of the last posts that `who` may see, so that much happens to a few; sometimes any."""
        posts = list(self.model.posts.values())
        if self.chance.random() < 0.8:
            seen = (one for one in posts if (self.model.can_see(who, one) if who else not one.deleted))
            posts = list(seen) or posts
        return self.chance.choice(posts[-10:] if self.chance.random() < 0.7 else posts)

    # --- One request --------------------------------------------------------------------------------

    def _pair(self, method: str, who: Person, whom: Person, what: str, status: int = 200) -> None:
        path = f"/api/v1/users/{{{whom.label}}}/{what}"
        response = self._do(who, method, path, status, concerns=whom)
        if status == 200:
            found, expected = response.json(), self.model.relationship(who, whom)
            assert {name: found[name] for name in expected} == expected, self.recent_steps()

    def _do(
        self,
        who: Person | None,
        method: str,
        path: str,
        status: int | set[int],
        *,
        concerns: Person | None = None,
        **options: Any,
    ) -> httpx.Response:
        extra = options.get("json") if who else ""
        self.steps.append(f"#{self._number} {who}: {method} {path} {extra or ''}")
        response = self.checker.asks(self.apis[0], who, method, path, **options)
        self.concerned = [one for one in (who, concerns) if one is not None and not one.gone]
        wanted = status if isinstance(status, set) else {status}
        assert response.status_code in wanted, (
            f"{response.status_code} {response.text}, not {wanted}\n{self.recent_steps()}"
        )
        alone = len(self.apis) == 1
        self.checker.disturbed(0.0 if alone else MOMENT, 0.0 if alone else LATER)
        return response

    def recent_steps(self, last: int = 25) -> str:
        return "\n".join(f"  {step}" for step in self.steps[-last:])
