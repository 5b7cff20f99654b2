"""The rows that benchmarks write directly: a server must be able to use them as if it had written them."""

import json
import time
from pathlib import Path

from bench.community import ALONE, SMALL, Community, user_id
from bench.readers import tokens
from bench.stack import call, stack


def test_accounts_of_the_community_follow_block_and_change(tmp_path: Path) -> None:
    members = Community(200, 100, {10: 3}, int(time.time() * 1000))
    reader, follower, blocker = members.groups[10]
    with stack("embedded", members.tables(), tmp_path) as stores, stores.serving() as target:
        first, second, third = tokens(stores, [reader, follower, blocker])
        call(target.port, f"/api/v1/users/{user_id(ALONE)}/follow", token=second, method="PUT")
        call(target.port, f"/api/v1/users/{user_id(SMALL)}/block", token=third, method="PUT")
        call(target.port, "/api/v1/me", {"display_name": "In bloom"}, first, "PATCH")
        me = json.loads(call(target.port, "/api/v1/me", token=first))
        followed = json.loads(call(target.port, f"/api/v1/users/{user_id(ALONE)}", token=first))
        blocks = json.loads(call(target.port, "/api/v1/me/blocks", token=third))

    assert (me["display_name"], me["email"]) == ("In bloom", f"bench{reader}@example.org")
    assert followed["counts"]["followers"] == 1
    assert user_id(SMALL) in [int(one["id"]) for one in blocks["items"]]
