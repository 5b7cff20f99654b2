"""A community as database rows, as the adapters write them: follows, blocks, mutes, posts and reposts.

Everything follows from the number of users and of posts, so that two communities differ only in size. Counters are
exact. A few users write much and have many followers."""

import json
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

from adapters.security.sealing import Secrets
from adapters.sql.identity.accounts import email_context
from adapters.text import email_key

NOW_MS = 1_790_000_000_000
TEXT = "The linden trees along the river are in bloom, and every one of them hums from morning to night. "
SECRET = "5eed" + "0123456789abcdef" * 3 + "c0ffee123456"
"""The master key of every server that is measured, so that access tokens of readers can be made in advance."""

POPULAR, CROWDED, SMALL, ALONE = 0, 1, 2, 3
"""Users by number: one with more followers than fan-out allows, one with nearly as many, one with 99, one with none."""
FOLLOWERS = {POPULAR: 12_000, CROWDED: 9_999, SMALL: 99, ALONE: 0}
THRESHOLD = 10_000
BLOCKED, BLOCKING, MUTED = 10, 5, 10
"""The number of accounts that a reader blocks, is blocked by, and mutes."""

Table = tuple[str, tuple[str, ...], Iterator[tuple[Any, ...]]]


def user_id(number: int) -> int:
    return (NOW_MS - 10**9 + number) << 16


def post_id(number: int) -> int:
    return (NOW_MS + number) << 16


@dataclass(frozen=True)
class Community:
    users: int
    posts: int
    readers: Mapping[int, int]
    """The number of readers, by the number of accounts that each of them follows."""
    now_ms: int
    """The time at which the sessions of the readers begin."""

    @cached_property
    def groups(self) -> dict[int, range]:
        """The readers by number: the last of all users, who write least."""
        found, end = {}, self.users
        for following, count in self.readers.items():
            found[following] = range(end - count, end)
            end -= count
        return found

    @cached_property
    def follows(self) -> dict[int, set[int]]:
        """The accounts that each user follows, by number."""
        chance = Random(2)
        found: dict[int, set[int]] = {}
        for following, group in self.groups.items():
            for reader in group:
                chosen = {POPULAR, CROWDED}
                while len(chosen) < following:
                    chosen.add(self._anyone(chance))
                found[reader] = chosen - {reader}
        for author, followers in FOLLOWERS.items():
            already = sum(author in chosen for chosen in found.values())
            for number in range(10, min(self.users, 10 + followers - already)):
                found.setdefault(number, set()).add(author)
        return found

    def _anyone(self, chance: Random) -> int:
        """A random user with a skewed distribution, excluding users with a fixed number of followers."""
        least = len(FOLLOWERS)
        return least + int((self.users - least) * chance.random() ** 2)

    @cached_property
    def _apart(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The blocks and the mutes."""
        chance = Random(3)
        blocks, mutes = set(), set()
        for group in self.groups.values():
            for reader in group:
                strangers = [self._anyone(chance) for _ in range(BLOCKED + BLOCKING)]
                pairs = [(reader, other) for other in strangers[:BLOCKED]]
                pairs += [(other, reader) for other in strangers[BLOCKED:]]
                blocks |= {
                    (a, b)
                    for a, b in pairs
                    if a != b and b not in self.follows.get(a, ()) and a not in self.follows.get(b, ())
                }
                followed = chance.sample(sorted(self.follows[reader] - {POPULAR, CROWDED}), MUTED // 2)
                others = [self._anyone(chance) for _ in range(MUTED - MUTED // 2)]
                mutes |= {(reader, other) for other in (*followed, *others) if other != reader}
        return sorted(blocks), sorted(mutes)

    @cached_property
    def authors(self) -> "array[int]":
        chance = Random(1)
        return array("i", (int(self.users * chance.random() ** 2) for _ in range(self.posts)))

    def tables(self) -> Iterator[Table]:
        yield "accounts", ACCOUNT, self._accounts()
        private = (number for number in range(self.users) if _is_private(number))
        yield (
            "restricted_authors",
            ("user_id", "private", "version"),
            ((user_id(n), True, 2) for n in private),
        )
        yield "sessions", SESSION, self._sessions()
        yield from self._graph()
        yield "posts", POST, self._posts()
        yield "mentions", ("post_id", "user_id"), self._mentions()
        yield "hashtags", ("tag", "post_id"), self._hashtags()
        yield "reposts", ("post_id", "user_id", "id"), self._reposts()
        yield "likes", ("post_id", "user_id", "id"), self._likes()

    def _accounts(self) -> Iterator[tuple[Any, ...]]:
        written = [0] * self.users
        for number, author in enumerate(self.authors):
            written[author] += not _is_comment(number) and _visibility(number) != "followers"
        for number, (index, sealed) in enumerate(addresses(self.users)):
            name = f"Bench {number}"
            private = _is_private(number)
            yield user_id(number), f"bench{number}", index, sealed, "", name, "", private, written[number], 2

    def _sessions(self) -> Iterator[tuple[Any, ...]]:
        members = [*FOLLOWERS, *(number for group in self.groups.values() for number in group)]
        return ((session_id(n), user_id(n), b"", 0, self.now_ms, self.now_ms) for n in members)

    def _graph(self) -> Iterator[Table]:
        ids = iter(range((NOW_MS - 10**8) << 16, NOW_MS << 16))
        pairs = [(a, b) for a, chosen in self.follows.items() for b in sorted(chosen)]
        blocks, mutes = self._apart
        following: dict[int, int] = {}
        followers: dict[int, int] = {}
        for a, b in pairs:
            following[a] = following.get(a, 0) + 1
            followers[b] = followers.get(b, 0) + 1
        known = {*following, *followers, *(number for pair in (*blocks, *mutes) for number in pair)}
        counts = (
            (user_id(n), followers.get(n, 0), following.get(n, 0), 1, followers.get(n, 0) >= THRESHOLD)
            for n in sorted(known)
        )
        rows = [((user_id(a), user_id(b)) for a, b in each) for each in (pairs, blocks, mutes)]
        yield "graph_users", ("user_id", "followers", "following", "version", "popular"), counts
        yield "follows", PAIR, ((*row, next(ids)) for row in rows[0])
        yield "blocks", PAIR, ((*row, next(ids)) for row in rows[1])
        yield "mutes", PAIR, ((*row, next(ids)) for row in rows[2])

    def _posts(self) -> Iterator[tuple[Any, ...]]:
        texts = [(TEXT * (1 + number)).strip() for number in range(3)]
        for number, author in enumerate(self.authors):
            text, mentioned, entities = texts[number % 3], "[]", "[]"
            if named := _named(number, self.users):
                kind, sign, value = named
                at = len(text) + 1
                text += f" {sign}{value}"
                entities = json.dumps([{"type": kind, "start": at, "end": len(text), "value": value}])
                if kind == "mention":
                    mentioned = f"[{user_id(_mentioned(number, self.users))}]"
            above = post_id(number - 7) if _is_comment(number) else None
            answers = int(number % 10 == 2 and number + 7 < self.posts)
            yield (
                post_id(number), user_id(author), above, text, _visibility(number), "", "en", mentioned, entities,
                None, False, answers, answers, _likes(number), int(self._reposted(number)), 1,
            )  # fmt: skip

    def _reposted(self, number: int) -> bool:
        return number % 20 == 10 and number + 50 < self.posts

    def _mentions(self) -> Iterator[tuple[Any, ...]]:
        for number in range(4, self.posts, 25):
            yield post_id(number), user_id(_mentioned(number, self.users))

    def _hashtags(self) -> Iterator[tuple[Any, ...]]:
        return ((f"hive{number % 50}", post_id(number)) for number in range(0, self.posts, 10))

    def _reposts(self) -> Iterator[tuple[Any, ...]]:
        chance = Random(4)
        for number in range(10, self.posts, 20):
            if self._reposted(number):
                yield post_id(number), user_id(self._anyone(chance)), post_id(number + 50) | 1

    def _likes(self) -> Iterator[tuple[Any, ...]]:
        for number in range(0, self.posts, 5):
            for nth in range(_likes(number)):
                user = (number * 7_919 + nth * 104_729) % self.users
                yield post_id(number), user_id(user), post_id(number) | 2 + nth


def session_id(number: int) -> int:
    return user_id(number) | 1


def secrets() -> Secrets:
    return Secrets(bytes.fromhex(SECRET))


def addresses(users: int) -> Iterator[tuple[bytes, bytes]]:
    """The e-mail address of each user, as it is stored: its index, and sealed. A server reads it whenever it loads an
    account to change it."""
    own = secrets()
    for number in range(users):
        address = f"bench{number}@example.org"
        yield own.index(email_key(address)), own.seal(address.encode(), email_context(user_id(number)))


def _is_private(number: int) -> bool:
    return number % 50 == 17


def _is_comment(number: int) -> bool:
    return number % 10 == 9


def _visibility(number: int) -> str:
    return {3: "unlisted", 7: "followers"}.get(number % 20, "public")


def _likes(number: int) -> int:
    return 0 if number % 5 else 1 + number // 5 % 3


def _mentioned(number: int, users: int) -> int:
    return number * 31 % users


def _named(number: int, users: int) -> tuple[str, str, str] | None:
    """The entity that a post contains, if any: kind, sign and value."""
    if number % 10 == 0:
        return "hashtag", "#", f"hive{number % 50}"
    if number % 25 == 4:
        return "mention", "@", f"bench{_mentioned(number, users)}"
    return None


ACCOUNT = (
    "id", "username", "email_index", "email_sealed", "password_hash", "display_name", "bio", "private", "posts",
    "version",
)  # fmt: skip
PAIR = ("user_id", "other_id", "id")
SESSION = ("id", "user_id", "seed", "generation", "refreshed_at", "authenticated_at")
POST = (
    "id", "author_id", "reply_to", "text", "visibility", "content_warning", "language", "mentioned", "entities",
    "edited_at", "deleted", "comments", "answers", "likes", "reposts", "version",
)  # fmt: skip
