"""Many clients at once follow, request, accept, block, and become private, each pair in both directions.

Afterwards the state is valid: nobody follows an account with a block either way, the counts equal the lists, and
blocks and mutes are those of the last answers. Quick: 4 seconds, no server is killed.
`WAGGLE_TEST_LONG=1`: 30 seconds, and every 3 of them one of the servers is killed.
"""

import asyncio
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

import httpx
import pytest

from .client import Api, Json, Member, done, eventually
from .conftest import LONG
from .load import client_pool, register_members
from .process import Waggle
from .test_concurrent_load import rows, send_until_answered

PEOPLE = 6
SECONDS = 30 if LONG else 4
BETWEEN_KILLS = 3
RELATIONS = ("block", "mute")
ALLOWED = {
    "PUT follow": {200, 403, 409},
    "DELETE follow": {200},
    "PUT request": {200, 204, 404, 409},
    "DELETE request": {200, 204, 404},
    "DELETE follower": {200, 204},
    "PUT block": {200},
    "DELETE block": {200},
    "PUT mute": {200},
    "DELETE mute": {200},
    "PATCH me": {200},
}


@dataclass
class Opposites:
    people: list[Member]
    chance: random.Random
    over: threading.Event = field(default_factory=threading.Event)
    last: dict[tuple[str, str, str], bool] = field(default_factory=dict)
    """By relation and pair: the last answer. Only one client changes each of these."""
    private: dict[str, bool] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)

    async def befriends(self, clients: list[httpx.AsyncClient], who: Member) -> None:
        """Follows and unfollows, accepts, rejects, and removes followers."""
        while not self.over.is_set():
            whom = self.chance.choice([one for one in self.people if one is not who])
            method, what, path = self.chance.choice(
                [
                    ("PUT", "follow", f"users/{whom.id}/follow"),
                    ("PUT", "follow", f"users/{whom.id}/follow"),
                    ("DELETE", "follow", f"users/{whom.id}/follow"),
                    ("PUT", "request", f"me/follow-requests/{whom.id}"),
                    ("DELETE", "request", f"me/follow-requests/{whom.id}"),
                    ("DELETE", "follower", f"me/followers/{whom.id}"),
                ]
            )
            await self._asks(clients, who, method, what, path)

    async def avoids(self, clients: list[httpx.AsyncClient], who: Member) -> None:
        while not self.over.is_set():
            whom = self.chance.choice([one for one in self.people if one is not who])
            relation, on = self.chance.choice(RELATIONS), self.chance.random() < 0.4
            method = "PUT" if on else "DELETE"
            await self._asks(clients, who, method, relation, f"users/{whom.id}/{relation}")
            self.last[relation, who.id, whom.id] = on

    async def turns(self, clients: list[httpx.AsyncClient], who: Member) -> None:
        """Becomes private, and open again."""
        while not self.over.is_set():
            private = self.chance.random() < 0.5
            await self._asks(clients, who, "PATCH", "me", "me", json={"private": private})
            self.private[who.id] = private
            await asyncio.sleep(self.chance.uniform(0, 0.2))

    async def _asks(
        self,
        clients: list[httpx.AsyncClient],
        who: Member,
        method: str,
        what: str,
        path: str,
        json: Json | None = None,
    ) -> None:
        options = {"json": json} if json is not None else {}
        response = await send_until_answered(
            self.chance.choice(clients), method, f"/api/v1/{path}", who, **options
        )
        name = f"{method} {what}"
        self.done[f"{name} {response.status_code}"] += 1
        assert response.status_code in ALLOWED[name], (name, response.text)

    def happened(self, ended: bool) -> None:
        """Check that every change succeeded at least once, and that follows were refused for both reasons."""
        succeeded = {name for name in ALLOWED if self.done[f"{name} 200"] + self.done[f"{name} 204"]}
        refused = self.done["PUT follow 403"] and self.done["PUT follow 409"]
        assert ended or (succeeded == {*ALLOWED} and refused), self.done

    async def rage(self, servers: list[Waggle]) -> None:
        async with client_pool(servers[0].base_url) as first, client_pool(servers[-1].base_url) as other:
            clients = [first, other]
            await asyncio.gather(
                *(self.befriends(clients, who) for who in self.people for _ in range(3)),
                *(self.avoids(clients, who) for who in self.people),
                *(self.turns(clients, who) for who in self.people),
            )


@pytest.mark.timeout(240)
def test_di6_concurrent_opposite_changes_end_in_a_valid_state(
    servers: list[Waggle], chance: random.Random
) -> None:
    with closing(Api(servers[0].base_url)) as api:
        storm = Opposites(register_members(api, PEOPLE), chance)
        with ThreadPoolExecutor(1) as other:
            raging = other.submit(asyncio.run, storm.rage(servers))
            try:
                _kill_now_and_then(servers, storm)
                eventually(lambda: storm.happened(raging.done()), 60)  # a busy machine gets less done
            finally:
                storm.over.set()
            raging.result()

        def valid() -> None:
            assert _contradictions(storm) == []

        eventually(valid)
        assert _counts(storm) == _lengths_of_lists(storm)
        assert _contradictions_in_the_database(servers[0]) == []


def _kill_now_and_then(servers: list[Waggle], storm: Opposites) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        # The changes go on meanwhile: there is nothing to wait for.
        time.sleep(min(BETWEEN_KILLS, end - time.monotonic()) if LONG else SECONDS)
        if LONG:
            victim = storm.chance.choice(servers)
            victim.kill()
            victim.start()


def _pairs(storm: Opposites) -> Iterator[tuple[Member, Member, Json, Json]]:
    """All pairs, with both relationships."""
    asked = ",".join(one.id for one in storm.people)
    found = {
        who.id: {
            item["id"]: item
            for item in done(who.get("/api/v1/relationships", params={"ids": asked}))["items"]
        }
        for who in storm.people
    }
    for who, whom in itertools.combinations(storm.people, 2):
        yield who, whom, found[who.id][whom.id], found[whom.id][who.id]


def _contradictions(storm: Opposites) -> list[tuple[str, Json, Json]]:
    """Each broken rule with the two relationships that break it."""
    found: list[tuple[str, Json, Json]] = []
    for who, whom, there, back in _pairs(storm):
        mirrored = (there["followed_by"], there["blocked_by"], there["following"], there["blocking"])
        rules = {
            "both sides say the same": mirrored
            == (back["following"], back["blocking"], back["followed_by"], back["blocked_by"]),
            "no follow and no request despite a block": not (there["blocking"] or there["blocked_by"])
            or not any(one[name] for one in (there, back) for name in ("following", "requested")),
        }
        for one, other, stance in ((who, whom, there), (whom, who, back)):
            rules |= {
                f"{one.id} either follows or requests": not (stance["following"] and stance["requested"]),
                f"{one.id} requests only if {other.id} is private": not stance["requested"]
                or storm.private.get(other.id, False),
            }
            for relation, name in (("block", "blocking"), ("mute", "muting")):
                last = storm.last.get((relation, one.id, other.id), False)
                rules[f"{one.id}: the last answer decides the {relation}"] = stance[name] is last
        found += [(rule, there, back) for rule, holds in rules.items() if not holds]
    return found


def _counts(storm: Opposites) -> list[tuple[int, int]]:
    """The counters of each person's followers and of those that they follow."""
    counts = [done(who.get(f"/api/v1/users/{who.id}"))["counts"] for who in storm.people]
    return [(one["followers"], one["following"]) for one in counts]


def _lengths_of_lists(storm: Opposites) -> list[tuple[int, int]]:
    return [
        (
            len(who.all_items(f"/api/v1/users/{who.id}/followers")),
            len(who.all_items(f"/api/v1/users/{who.id}/following")),
        )
        for who in storm.people
    ]


def _contradictions_in_the_database(server: Waggle) -> list[object]:
    """Follows and requests despite a block, and accounts whose counters differ from the number of rows."""
    both = "(f.user_id, f.other_id)"
    found: list[object] = []
    for held in ("follows", "follow_requests"):
        apart = f"b.user_id IN {both} AND b.other_id IN {both}"
        found += rows(server, f"SELECT f.* FROM {held} AS f JOIN blocks AS b ON {apart}")
    for counter, column in (("followers", "other_id"), ("following", "user_id")):
        held = f"SELECT count(*) FROM follows AS f WHERE f.{column} = u.user_id"
        found += rows(server, f"SELECT u.user_id FROM graph_users AS u WHERE u.{counter} <> ({held})")
    return found
