"""The information that login times reveal, and the cost of logins for other requests.

    python -m bench.logins [--samples 300] [--crowd 200] [--cost 12]

First the time of logins: unknown user, wrong password, correct password, a password that is too long, in turn, one
after the other. The medians of the refused ones must not differ by 5 ms. Then many log in at once while one post is
read again and again: the 99th percentile of the reads must stay below 150 ms, and clients for whom there is no capacity
must be refused within 100 ms. The server runs on one core, the clients on the other."""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections import Counter

import httpx

from bench.processes import server

PORT = 18_470
URL = f"http://127.0.0.1:{PORT}"
PASSWORD = "correct horse battery"  # noqa: S105 - of an account that exists for a minute
UNLIKE = 5.0
"""Milliseconds."""


async def register(http: httpx.AsyncClient, name: str) -> str:
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    answer = await http.post("/api/v1/auth/register", json=body)
    answer.raise_for_status()
    token: str = answer.json()["tokens"]["access_token"]
    return token


async def alike(http: httpx.AsyncClient, samples: int) -> bool:
    """Whether the four kinds of login take the same time."""
    kinds = {
        "unknown": {"login": "nobody_is_called_so", "password": PASSWORD},
        "wrong": {"login": "bee", "password": "wrong horse battery"},
        "too long": {"login": "bee", "password": "x" * 1000},
        "right": {"login": "bee", "password": PASSWORD},
    }
    took: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(samples):
        for kind, body in kinds.items():
            started = time.perf_counter()
            answer = await http.post("/api/v1/auth/login", json=body)
            took[kind].append((time.perf_counter() - started) * 1000)
            if answer.status_code != (200 if kind == "right" else 401):
                raise SystemExit(f"{kind}: {answer.status_code} {answer.text}")
    medians = {kind: statistics.median(values) for kind, values in took.items()}
    for kind, values in took.items():
        print(
            f"{kind:9} median {medians[kind]:7.1f} ms, 90 % below {sorted(values)[len(values) * 9 // 10]:7.1f}"
        )
    refused = [medians[kind] for kind in ("unknown", "wrong", "too long")]
    print(f"the medians of refused logins differ by {max(refused) - min(refused):.2f} ms")
    return max(refused) - min(refused) < UNLIKE


async def crowd(http: httpx.AsyncClient, people: int) -> bool:
    """Whether reads continue while many log in at once, and whether excess logins are refused at once."""
    token = await register(http, "reader")
    headers = {"Authorization": f"Bearer {token}"}
    post = (await http.post("/api/v1/posts", json={"text": "hello"}, headers=headers)).json()["id"]
    reads: list[float] = []
    statuses: Counter[int] = Counter()
    surplus: list[float] = []

    body = json.dumps({"login": "bee", "password": PASSWORD}).encode()
    head = f"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    request = head.encode() + b"\r\n\r\n" + body

    async def log_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        started = time.perf_counter()
        writer.write(request)
        status = int((await reader.readline()).split()[1])
        statuses[status] += 1
        if status in {429, 503}:
            surplus.append((time.perf_counter() - started) * 1000)
        writer.close()

    async def read(until: asyncio.Event) -> None:
        while not until.is_set():
            started = time.perf_counter()
            (await http.get(f"/api/v1/posts/{post}", headers=headers)).raise_for_status()
            reads.append((time.perf_counter() - started) * 1000)
            await asyncio.sleep(0.005)

    for _ in range(20):  # opens connections and prepares statements
        await http.get(f"/api/v1/posts/{post}", headers=headers)
    # Bare connections, opened in advance: the cost of the clients is not the server's.
    connections = [await asyncio.open_connection("127.0.0.1", PORT) for _ in range(people)]
    done = asyncio.Event()
    reading = asyncio.create_task(read(done))
    await asyncio.gather(*(log_in(*connection) for connection in connections))
    done.set()
    await reading
    late = sorted(reads)[len(reads) * 99 // 100]
    slowest = sorted(surplus)[len(surplus) * 99 // 100] if surplus else 0.0
    print(f"{people} concurrent logins: {dict(statuses)}; refused within {slowest:.1f} ms (99 %)")
    print(f"{len(reads)} reads meanwhile: median {statistics.median(reads):.1f} ms, 99 % below {late:.1f} ms")
    return late < 150 and slowest < 100


async def measure(samples: int, people: int) -> bool:
    limits = httpx.Limits(max_connections=people + 10, max_keepalive_connections=people + 10)
    async with httpx.AsyncClient(base_url=URL, timeout=60, limits=limits) as http:
        await register(http, "bee")
        same = await alike(http, samples)
        return await crowd(http, people) and same


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--crowd", type=int, default=200)
    parser.add_argument("--cost", type=int, default=12)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        env = {
            "WAGGLE_DATA_DIR": folder,
            "WAGGLE_PASSWORD_COST": str(chosen.cost),
            "WAGGLE_RATE_LIMITS": "off",
        }
        with server("-m", "entrypoints.cli", "serve", port=PORT, path="/readyz", env=env):
            good = asyncio.run(measure(chosen.samples, chosen.crowd))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
