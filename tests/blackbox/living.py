"""What people do to one another and to their posts, by chance: over HTTP, and in `sights.py` alike."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from .client import PASSWORD, Api, Visitor, eventually, fresh_key
from .sights import MARKS, WIDTH, Note, Person, Sights
from .watching import LATER, MOMENT, TAGS, WORDS, Watcher

WEIGHTS = {
    "publish": 12,
    "comment": 12,
    "edit": 5,
    "remove": 5,
    "mark": 16,
    "take_back": 7,
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
"""So many stay, whoever leaves."""


@dataclass
class Life:
    """People who do something, one step after the other; what is refused on paper is refused by the server.

    All of it is asked of the first process. The others learn of it.
    """

    apis: Sequence[Api]
    chance: random.Random
    sights: Sights = field(default_factory=Sights)
    steps: list[str] = field(default_factory=list)
    concerned: list[Person] = field(default_factory=list)
    """Who has to do with the last step."""
    watcher: Watcher = field(init=False)
    _number: int = 0

    def __post_init__(self) -> None:
        self.watcher = Watcher(self.sights, self.apis)
        for _ in range(PEOPLE):
            self._register()
        for person in self._here():
            self._number += 1
            self._write(person, "public", [], None)  # never deleted: it tells what becomes of its author
        for person in self._here():  # so that something trends
            self._number += 1
            self._leave_mark(person, next(iter(self.sights.notes.values())), "like")

    def step(self) -> None:
        kind = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        self._number += 1
        getattr(self, f"_{kind}")()

    # --- People -------------------------------------------------------------------------------------

    def _register(self) -> None:
        person = Person(f"p{len(self.sights.people)}")
        name = f"{self.watcher.salt}{person.label}"
        body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        response = self._do(None, "POST", "/api/v1/auth/register", 201, json=body)
        self.sights.people[person.label] = person
        self.watcher.learn(person.label, response.json()["user"]["id"])
        self.watcher.tokens[person] = response.json()["tokens"]["access_token"]

    def _follow(self) -> None:
        who, whom = self._two()
        status = 200
        if self.sights.apart(who, whom):
            status = 403 if (whom, who) in self.sights.blocks else 409
        else:
            self.sights.follow(who, whom, self._number)
        self._pair("PUT", who, whom, "follow", status)

    def _unfollow(self) -> None:
        who, whom = self._one_of(self.sights.follows)
        self.sights.unfollow(who, whom)
        self._pair("DELETE", who, whom, "follow")

    def _answer_request(self) -> None:
        if not self.sights.requests:
            return
        who, whom = self.chance.choice(list(self.sights.requests))
        accepts = self.chance.random() < 0.7
        if accepts:
            self.sights.accept(whom, who, self._number)
        else:
            self.sights.unfollow(who, whom)
        path = f"/api/v1/me/follow-requests/{{{who.label}}}"
        self._do(whom, "PUT" if accepts else "DELETE", path, {200, 204}, concerns=who)

    def _drop_follower(self) -> None:
        who, whom = self._one_of(self.sights.follows)
        self.sights.unfollow(who, whom)
        self._do(whom, "DELETE", f"/api/v1/me/followers/{{{who.label}}}", {200, 204}, concerns=who)

    def _block(self) -> None:
        who, whom = self._two()
        self.sights.block(who, whom, self._number)
        self._pair("PUT", who, whom, "block")

    def _unblock(self) -> None:
        who, whom = self._one_of(self.sights.blocks)
        self.sights.blocks.pop((who, whom), None)
        self._pair("DELETE", who, whom, "block")

    def _mute(self) -> None:
        who, whom = self._two()
        self.sights.mutes[who, whom] = self._number
        self._pair("PUT", who, whom, "mute")

    def _unmute(self) -> None:
        who, whom = self._one_of(self.sights.mutes)
        self.sights.mutes.pop((who, whom), None)
        self._pair("DELETE", who, whom, "mute")

    def _turn(self) -> None:
        """Private, or open again. Posts learn of it by the relay, and whoever had asked to follow does then."""
        who = self._somebody()
        who.private = not who.private
        self._do(who, "PATCH", "/api/v1/me", 200, json={"private": who.private})
        self._until(self._anchor(who), 404 if who.private else 200)
        if not who.private:
            self.sights.open(who, self._number)
            self._until_nobody_asks(who)

    def _leave(self) -> None:
        if len(self._here()) <= FEW:
            return
        who = self._somebody()
        anchor, name = self._anchor(who), f"{self.watcher.salt}{who.label}"
        self._do(who, "DELETE", "/api/v1/me", 204, params={"confirm": name})
        self.sights.leave(who)
        self.concerned = [self._somebody()]
        self._until(anchor, 404)
        self.watcher.disturbed(MOMENT, LATER)

    def _anchor(self, who: Person) -> Note:
        """The first post: it is public and stays."""
        return next(note for note in self.sights.notes.values() if note.author is who)

    def _until(self, note: Note, status: int) -> None:
        """Others hold this to a second; here a machine that is busy does not end a life."""
        path = f"/api/v1/posts/{self.watcher.ids[note.label]}"

        def check() -> None:
            assert Visitor(self.apis[0].http).get(path).status_code == status

        eventually(check, LATER)

    def _until_nobody_asks(self, who: Person) -> None:
        def check() -> None:
            response = self.watcher.asks(self.apis[0], who, "GET", "/api/v1/me/follow-requests")
            assert response.json()["items"] == []

        eventually(check, LATER)

    # --- Posts --------------------------------------------------------------------------------------

    def _publish(self) -> None:
        self._write(self._somebody(), self.chance.choice(["public", "public", *WIDTH]), self._names(), None)

    def _comment(self) -> None:
        who = self._somebody()
        self._write(who, self.chance.choice(["", "", *WIDTH]), self._names(), self._note(who))

    def _write(self, who: Person, wanted: str, names: list[Person], above: Note | None) -> None:
        sights = self.sights
        label = f"note{len(sights.notes)}"
        path, status = "/api/v1/posts", 201
        visibility = wanted or (above.visibility if above else "public")
        if above is not None:
            path = f"/api/v1/posts/{{{above.label}}}/comments"
            wider = WIDTH[visibility] > WIDTH[above.visibility]
            status = 404 if not sights.sees(who, above) else 409 if wider else 201
        mentioned = sights.audience(who, sights.named(who, names), visibility, above)
        if status == 201 and visibility == "direct" and not sights.reached(who, mentioned):
            status = 422
        text, words, tags = self._text(label, names)
        body = {"text": text.replace("~", self.watcher.salt)} | ({"visibility": wanted} if wanted else {})
        key = {"Idempotency-Key": fresh_key()}
        concerns = above.author if above else None
        response = self._do(who, "POST", path, status, concerns=concerns, json=body, headers=key)
        if status == 201:
            note = Note(self._number, label, who, visibility, above, words, tags, mentioned, [text])
            sights.notes[label] = note
            self.watcher.learn(label, response.json()["id"])

    def _edit(self) -> None:
        note = self._note()
        who, names = note.author, self._names()
        text, words, tags = self._text(note.label, names)
        body = {"text": text.replace("~", self.watcher.salt)}
        if not note.deleted:
            self.sights.reword(note, text, words, tags, self.sights.named(who, names))
            self._do(who, "PATCH", f"/api/v1/posts/{{{note.label}}}", 200, json=body)

    def _remove(self) -> None:
        note = self._note()
        if not note.deleted and note is not self._anchor(note.author):
            note.delete()
            self._do(note.author, "DELETE", f"/api/v1/posts/{{{note.label}}}", 204)

    def _mark(self) -> None:
        who = self._somebody()
        self._leave_mark(who, self._note(who), self.chance.choice(MARKS))

    def _leave_mark(self, who: Person, note: Note, mark: str) -> None:
        status = 200 if self.sights.sees(who, note) else 404
        if status == 200 and mark == "repost" and not self.sights.may_repost(note):
            status = 409
        if status == 200:
            note.marks[mark].setdefault(who, self._number)
        self._do(who, "PUT", f"/api/v1/posts/{{{note.label}}}/{mark}", status, concerns=note.author)

    def _take_back(self) -> None:
        mark = self.chance.choice(MARKS)
        held = [(note, who) for note in self.sights.notes.values() for who in note.marks[mark]]
        if held:
            note, who = self.chance.choice(held)
            del note.marks[mark][who]  # whether the note is seen or not
            self._do(who, "DELETE", f"/api/v1/posts/{{{note.label}}}/{mark}", 200, concerns=note.author)

    def _text(self, label: str, names: Sequence[Person]) -> tuple[str, set[str], set[str]]:
        """Words, among them each time another number; tags; and people."""
        words = {self.chance.choice(WORDS)}
        tags = {self.chance.choice(TAGS)} if self.chance.random() < 0.5 else set[str]()
        tokens = [f"~{word}" for word in words] + [f"#~{tag}" for tag in tags]
        tokens += [f"@~{person.label}" for person in names]
        return " ".join([*tokens, f"{label} at {self._number}"]), words, tags

    # --- Chance -------------------------------------------------------------------------------------

    def _here(self) -> list[Person]:
        return [person for person in self.sights.people.values() if not person.gone]

    def _somebody(self) -> Person:
        return self.chance.choice(self._here())

    def _two(self) -> tuple[Person, Person]:
        who, whom = self.chance.sample(self._here(), 2)
        return who, whom

    def _one_of(self, relation: Any) -> tuple[Person, Person]:
        """Mostly two who are in this relation; at times any two: to end what is not there is harmless."""
        if relation and self.chance.random() < 0.85:
            who, whom = self.chance.choice(list(relation))
            return who, whom
        return self._two()

    def _names(self) -> list[Person]:
        return self.chance.sample(self._here(), self.chance.choice([0, 0, 1, 2]))

    def _note(self, who: Person | None = None) -> Note:
        """Mostly one of the last, so that much happens to a few, and one that `who` sees; at times any."""
        notes = list(self.sights.notes.values())
        if self.chance.random() < 0.8:
            seen = (one for one in notes if (self.sights.sees(who, one) if who else not one.deleted))
            notes = list(seen) or notes
        return self.chance.choice(notes[-10:] if self.chance.random() < 0.7 else notes)

    # --- One request --------------------------------------------------------------------------------

    def _pair(self, method: str, who: Person, whom: Person, what: str, status: int = 200) -> None:
        path = f"/api/v1/users/{{{whom.label}}}/{what}"
        response = self._do(who, method, path, status, concerns=whom)
        if status == 200:
            found, expected = response.json(), self.sights.relationship(who, whom)
            assert {name: found[name] for name in expected} == expected, self.told()

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
        response = self.watcher.asks(self.apis[0], who, method, path, **options)
        self.concerned = [one for one in (who, concerns) if one is not None and not one.gone]
        wanted = status if isinstance(status, set) else {status}
        assert response.status_code in wanted, (
            f"{response.status_code} {response.text}, not {wanted}\n{self.told()}"
        )
        alone = len(self.apis) == 1
        self.watcher.disturbed(0.0 if alone else MOMENT, 0.0 if alone else LATER)
        return response

    def told(self, last: int = 25) -> str:
        return "\n".join(f"  {step}" for step in self.steps[-last:])
