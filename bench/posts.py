"""Goal 7 and related ones: reading a post, a page of a user's posts, creating a post.

    python -m bench.posts [--rows 100000 1000000] [--shapes embedded postgres] [--rounds 3] [--seconds 3]

Each is measured beside a bare Litestar answer of the same bytes, in turn, in one run, with the server (including
PostgreSQL) on one core and the load on the other. The figure to trust is the processor time per request of all server
processes. The ratio is floor / ours: 60 % means that ours costs 1.67 × the floor."""

import argparse
import json
import random
import tempfile
from pathlib import Path
from typing import Any

from bench import fill
from bench.community import TEXT, user_id
from bench.stack import STORES, beside_floor, call, request, stack

BEE = {"username": "bee", "email": "bee@example.org", "password": "correct horse battery"}


def measure(shape: str, rows: int, rounds: int, seconds: float) -> list[dict[str, Any]]:
    chance = random.Random(7)
    ids = chance.sample(fill.post_ids(rows), 2_000)
    with (
        tempfile.TemporaryDirectory() as name,
        stack(shape, fill.tables(rows), Path(name)) as stores,
        stores.serving() as target,
    ):
        token = json.loads(call(target.port, "/api/v1/auth/register", BEE))["tokens"]["access_token"]
        pages = [f"/api/v1/users/{user_id(int(999 * chance.random() ** 2))}/posts" for _ in range(500)]
        cases = {
            "read a post": [request("GET", f"/api/v1/posts/{id_}", token) for id_ in ids],
            "page of a user's posts": [request("GET", path, token) for path in pages],
            "create a post": [request("POST", "/api/v1/posts", token, {"text": TEXT.strip()})],
        }
        bodies = {
            "read a post": call(target.port, f"/api/v1/posts/{ids[0]}", token=token),
            "page of a user's posts": call(target.port, pages[0], token=token),
            "create a post": call(target.port, "/api/v1/posts", {"text": TEXT.strip()}, token),
        }
        return [
            {"shape": shape, "rows": rows, "case": case}
            | beside_floor(target, requests, bodies[case], rounds, seconds, Path(name))
            for case, requests in cases.items()
        ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--shapes", nargs="+", choices=STORES, default=["embedded", "postgres"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    arguments = parser.parse_args()
    print("| shape | posts | case | CPU µs | floor µs | floor ÷ ours | req/s | p50 ms | p99 ms |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for shape in arguments.shapes:
        for rows in arguments.rows:
            for row in measure(shape, rows, arguments.rounds, arguments.seconds):
                print(
                    "| {shape} | {rows:,} | {case} | {cpu_us:.0f} | {floor_us:.0f} | {ratio:.0%} | {per_second:,.0f} "
                    "| {p50_ms:.1f} | {p99_ms:.1f} |".format(**row),
                    flush=True,
                )


if __name__ == "__main__":
    main()
