"""Fill a running Waggle with a small community: ``python demo/seed.py --url http://127.0.0.1:8000``.

It uses only the public HTTP API. It can be repeated within a day, as long as the server remembers idempotency keys: an
interrupted run continues where it stopped.
"""

import argparse
import asyncio
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx
from tqdm import tqdm  # type: ignore[import-untyped] # its stubs are a separate package

# A script can import from its own folder only, not from the package that it belongs to.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from demo.client import TIMEOUT, Api, DemoError
from demo.community import load
from demo.plan import plan
from demo.run import Run


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Fill a running Waggle with a small community.")
    parser.add_argument(
        "--url", default="http://127.0.0.1:8000", help="where the server listens (%(default)s)"
    )
    parser.add_argument("--people", type=int, default=34, help="how many join, 2 to 34 (%(default)s)")
    parser.add_argument("--posts", type=int, default=600, help="how many posts at most (%(default)s)")
    parser.add_argument(
        "--seed", type=int, default=1, help="another number creates another community (%(default)s)"
    )
    parser.add_argument(
        "--password", default="correct horse battery", help="the password of all of them (%(default)s)"
    )
    parser.add_argument("--at-once", type=int, default=4, help="requests in flight (%(default)s)")
    return parser.parse_args(argv)


@dataclass(frozen=True, slots=True)
class Filled:
    """The result, and a place to begin reading."""

    counts: Counter[str]
    username: str
    user_id: str
    post_id: str


async def fill(options: argparse.Namespace, transport: httpx.AsyncBaseTransport | None = None) -> Filled:
    """Make a plan and run it, with one progress bar. Tests pass in ``transport`` instead of a network."""
    community = load()
    size = max(2, min(options.people, len(community.people)))
    actions = plan(community, people=size, posts=max(1, options.posts), seed=options.seed)
    limits = httpx.Limits(max_connections=options.at_once)
    async with httpx.AsyncClient(
        base_url=options.url, timeout=TIMEOUT, limits=limits, transport=transport
    ) as http:
        api = Api(http)
        await api.greet()
        run = Run(api, community.people, password=options.password, seed=options.seed)
        with tqdm(total=len(actions), desc="Filling", unit=" actions") as bar:
            await run.carry_out(actions, at_once=options.at_once, done=bar.update)
    return Filled(run.counts, community.people[0].username, run.user_id(0), run.most_answered(actions))


def farewell(url: str, password: str, filled: Filled) -> str:
    """Describe the result, and how to look around."""
    done = ", ".join(
        f"{filled.counts[name]} {name}"
        for name in ("people", "posts", "pictures", "comments", "likes", "reposts", "bookmarks", "follows")
    )
    return f"""\
Done: {done}.

Read along without an account:

  curl -s '{url}/api/v1/users/{filled.user_id}/posts?limit=5'
  curl -s '{url}/api/v1/posts/{filled.post_id}/comments'

Log in as one of them ({filled.username}, password "{password}"; the others have the same):

  TOKEN=$(curl -s {url}/api/v1/auth/login -H 'Content-Type: application/json' \\
    -d '{{"login": "{filled.username}", "password": "{password}"}}' \\
    | python3 -c 'import json, sys; print(json.load(sys.stdin)["tokens"]["access_token"])')
  curl -s {url}/api/v1/me -H "Authorization: Bearer $TOKEN"
  curl -s '{url}/api/v1/feeds/home?limit=5' -H "Authorization: Bearer $TOKEN"
  curl -s {url}/api/v1/posts -H "Authorization: Bearer $TOKEN" \\
    -H 'Content-Type: application/json' -d '{{"text": "Hello, everyone!", "language": "en"}}'
"""


def main(argv: list[str] | None = None) -> int:
    """Run, and report a DemoError as one line instead of a traceback."""
    options = arguments(argv)
    try:
        filled = asyncio.run(fill(options))
    except* DemoError as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        sys.stderr.write(f"\n{first}\n")
        filled = None
    except* KeyboardInterrupt:
        sys.stderr.write("\nInterrupted. The same command continues where this run stopped.\n")
        filled = None
    if filled is None:
        return 1
    sys.stdout.write(farewell(options.url.rstrip("/"), options.password, filled))
    return 0


if __name__ == "__main__":
    sys.exit(main())
