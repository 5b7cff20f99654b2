"""Goals 11, 12 and 13: the stream, beside a bare WebSocket server in the same run.

    python -m bench.stream [--sockets 1 200 1000 5000] [--shapes embedded scaled] [--rounds 30] [--stalled 500]

With so many sockets open, ten per user: the memory of an idle one; the time from a like to the frame for the author of
the post; and one message to all of them, in two ways. "a new post" is the hint that the home feed has one, which is
encoded once. "an entry" is an edit of a post that all have liked, so that each of them gets an entry in their own
stream. Then the times of a like for 50 sockets, beside many that request a long backlog and read nothing of it."""

import argparse
import json
import os
import resource
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

from bench.community import Community, Table, user_id
from bench.processes import LOAD_CORE, ROOT, cpu_us, family, on_core, rss_mb, server
from bench.readers import tokens
from bench.stack import STORES, Stack, Target, call, free_port, stack

USERS, POSTS = 20_000, 2_000
PER_USER = 10
FILES = 20_000
HOME_SECONDS = 2.5
"""More than the least time between two hints."""
BACKLOG, EPOCH = 4_000, "beefbeefbeefbeef"


class Sockets:
    """Listening sockets in another process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def do(self, **order: Any) -> dict[str, Any]:
        print(json.dumps(order), file=self.process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(cast("IO[str]", self.process.stdout).readline())
        return answer

    def open(
        self, port: int, number: int, tokens: Sequence[str], hello: str = '{"op":"hello"}', **more: Any
    ) -> None:
        order = {"open": number, "port": port, "tokens": tokens, "per_token": PER_USER, "hello": hello}
        answer = self.do(**order, **({"stalled": False} | more))
        if answer["live"] < number:
            raise SystemExit(f"not all sockets are open: {answer}")

    def times(self, number: int, op: str = "event") -> list[float]:
        answer = self.do(wait=number, op=op, seconds=30)
        if len(answer["at"]) != number:
            raise SystemExit(f"{len(answer['at'])} of {number} frames arrived: {answer['closed'][:5]}")
        return list(answer["at"])


@contextmanager
def sockets() -> Iterator[Sockets]:
    command = [*on_core(LOAD_CORE), sys.executable, "-m", "bench.sockets"]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield Sockets(process)
        finally:
            process.kill()


def bare(number: int, rounds: int) -> dict[str, float]:
    """A server that only sends frames, for comparison: what it needs for one message to all sockets."""
    port = free_port()
    with (
        server("-m", "bench.bare_socket", str(port), port=port, path="/", env={}) as process,
        sockets() as listening,
    ):
        before = rss_mb(process.pid)
        listening.open(port, number, ["none"] * (number // PER_USER + 1))
        kb = (rss_mb(process.pid) - before) * 1024 / number
        cpu, delays = [], []
        for _ in range(rounds):
            began, spent = listening.do(mark=True)["now"], cpu_us([process.pid])
            urllib.request.urlopen(f"http://127.0.0.1:{port}/send", timeout=30).read()
            delays += [at - began for at in listening.times(number)]
            cpu.append((cpu_us([process.pid]) - spent) / number)
    return {"kb": kb, "cpu": statistics.mean(cpu), **_quantiles("all", delays)}


def ours(stores: Stack, number: int, rounds: int, readers: Sequence[int]) -> dict[str, float]:
    with stores.serving() as target, sockets() as listening:
        people = tokens(stores, readers)
        listeners, author = people[: max(1, number // PER_USER)], _register(target.port)
        pid = target.roots[0]
        before = _memory(pid)
        listening.open(target.port, number, listeners)
        time.sleep(1)
        kb = (_memory(pid) - before) * 1024 / number
        here = min(number, PER_USER)
        likes = [
            at - began
            for liker in people[-2 : -2 - rounds : -1]
            for began, at in _liked(target, listening, listeners[0], liker, here)
        ]
        few = max(1, rounds // 10)
        home_cpu, hints = _published(target, listening, listeners, author, number, few)
        entry_cpu, entries = _edited(target, listening, listeners, author, number, few)
    return {
        "kb": kb,
        "home_cpu": home_cpu,
        "entry_cpu": entry_cpu,
        **_quantiles("like", likes),
        **_quantiles("home", hints),
        **_quantiles("entry", entries),
    }


def slow_readers(stores: Stack, number: int, rounds: int, readers: Sequence[int]) -> dict[str, float]:
    """Goal 12: clients that read nothing delay no others, and are closed."""
    hello = json.dumps({"op": "hello", "resume": {"epoch": EPOCH, "seq": 0}})
    with stores.serving() as target, sockets() as listening:
        people = tokens(stores, readers)
        good, stalled = people[-5:], people[: number // PER_USER]
        listening.open(target.port, 50, good)
        pid = target.roots[0]
        before, files = _memory(pid), _files(pid)
        listening.open(target.port, number, stalled, hello, stalled=True)
        began = time.perf_counter()
        likes = [
            at - began
            for liker in people[-6 : -6 - rounds : -1]
            for began, at in _liked(target, listening, good[0], liker, PER_USER)
        ]
        most = _memory(pid) - before
        while _files(pid) > files + 5 and time.perf_counter() - began < 60:
            time.sleep(0.2)
        gone = time.perf_counter() - began
    return {"mb": most, "gone": gone, **_quantiles("like", likes)}


def backlog(readers: Sequence[int], actor: int) -> Iterator[Table]:
    """Long streams for the clients that will read nothing of them."""
    columns = ("user_id", "epoch", "floor", "head", "read_to", "unread")
    unread = json.dumps({"follow": BACKLOG})
    yield "streams", columns, ((user_id(n), EPOCH, 1, BACKLOG, 0, unread) for n in readers)
    columns = ("user_id", "seq", "id", "type", "actor_id", "removed")
    entries = ((user_id(n), seq) for n in readers for seq in range(1, BACKLOG + 1))
    rows = ((user, seq, user + seq, "follow", user_id(actor), False) for user, seq in entries)
    yield "stream_entries", columns, rows


def _files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def _liked(
    target: Target, listening: Sockets, author: str, liker: str, sockets: int
) -> Iterator[tuple[float, float]]:
    """When it was requested, and when each of the author's sockets had it."""
    post = json.loads(call(target.port, "/api/v1/posts", {"text": "in bloom"}, author))["id"]
    time.sleep(0.3)  # events of a post are delivered in order, so those of its publication come first
    began = listening.do(mark=True)["now"]
    _send(target.port, "PUT", f"/api/v1/posts/{post}/like", liker)
    yield from ((began, at) for at in listening.times(sockets))


def _published(
    target: Target, listening: Sockets, listeners: Sequence[str], author: str, number: int, rounds: int
) -> tuple[float, list[float]]:
    """CPU of all processes per delivered hint about a new post, and the delays."""
    whom = json.loads(call(target.port, "/api/v1/posts", {"text": "hello"}, author))["author"]["id"]
    for follower in listeners:
        _send(target.port, "PUT", f"/api/v1/users/{whom}/follow", follower)

    def publish(nth: int) -> None:
        call(target.port, "/api/v1/posts", {"text": f"in bloom, {nth}"}, author)

    return _to_all(target, listening, number, rounds, publish, "hint")


def _edited(
    target: Target, listening: Sockets, listeners: Sequence[str], author: str, number: int, rounds: int
) -> tuple[float, list[float]]:
    """CPU of all processes per delivered entry in the streams of the listeners, and the delays."""
    posts = []
    for _ in range(rounds):  # users who like a post are notified once a day that it was edited
        post = json.loads(call(target.port, "/api/v1/posts", {"text": "in bloom"}, author))["id"]
        for liker in listeners:
            _send(target.port, "PUT", f"/api/v1/posts/{post}/like", liker)
        posts.append(post)

    def edit(nth: int) -> None:
        _send(target.port, "PATCH", f"/api/v1/posts/{posts[nth]}", author, {"text": f"in bloom, {nth}"})

    return _to_all(target, listening, number, rounds, edit, "event")


def _to_all(
    target: Target, listening: Sockets, number: int, rounds: int, act: Callable[[int], None], op: str
) -> tuple[float, list[float]]:
    target.idle()
    cpu, delays = [], []
    for nth in range(rounds):
        time.sleep(HOME_SECONDS)
        began, spent = listening.do(mark=True)["now"], target.spent()
        act(nth)
        delays += [at - began for at in listening.times(number, op)]
        cpu.append((target.idle() - spent) / number)
    return statistics.mean(cpu), delays


def _register(port: int) -> str:
    """The token of a new account, which nobody follows yet."""
    name = f"author{secrets.token_hex(4)}"
    account = {"username": name, "email": f"{name}@example.org", "password": secrets.token_urlsafe(16)}
    token: str = json.loads(call(port, "/api/v1/auth/register", account))["tokens"]["access_token"]
    return token


def _send(port: int, method: str, path: str, token: str, body: object = None) -> None:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, method=method)
    request.add_header("Authorization", f"Bearer {token}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


def _memory(pid: int) -> float:
    return sum(rss_mb(member) for member in family(pid))


def _quantiles(name: str, seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        f"{name}_p50": ordered[len(ordered) // 2] * 1000,
        f"{name}_p99": ordered[int(len(ordered) * 0.99)] * 1000,
    }


def measure(shape: str, numbers: Sequence[int], rounds: int, slow: int) -> None:
    some = max(*numbers, slow) // PER_USER + 2 * rounds + 12
    members = Community(USERS, POSTS, {100: some}, int(time.time() * 1000))
    stalled = [*members.groups[100]][: slow // PER_USER]
    tables = chain(members.tables(), backlog(stalled, members.groups[100][-1]))
    with tempfile.TemporaryDirectory() as name, stack(shape, tables, Path(name)) as stores:
        stores.env.update({"WAGGLE_SOCKETS_PER_NETWORK": "10000", "WAGGLE_TRUSTED_PROXIES": "127.0.0.1"})
        with stores.serving():
            pass  # the first start creates the keys
        for number in numbers:
            floor = bare(number, max(1, rounds // 10))
            found = ours(stores, number, rounds, [*members.groups[100]])
            print(
                f"| {shape} | {number:,} "
                + "| {kb:.0f} | {like_p50:.1f} | {like_p99:.1f} ".format(**found)
                + "| {home_cpu:.0f} | {home_p50:.0f} | {home_p99:.0f} ".format(**found)
                + "| {entry_cpu:.0f} | {entry_p50:.0f} | {entry_p99:.0f} ".format(**found)
                + "| {kb:.0f} | {cpu:.0f} | {all_p50:.0f} | {all_p99:.0f} |".format(**floor),
                flush=True,
            )
        if slow:
            found = slow_readers(stores, slow, rounds, [*members.groups[100]])
            print(
                f"\n{shape}: beside {slow} who read nothing, like p50 {found['like_p50']:.1f}, "
                f"p99 {found['like_p99']:.1f} ms; they took {found['mb']:.0f} MB "
                f"and were gone after {found['gone']:.0f} s\n",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sockets", type=int, nargs="+", default=[1, 200, 1_000, 5_000])
    parser.add_argument("--shapes", nargs="+", choices=STORES, default=["embedded", "scaled"])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--stalled", type=int, default=500)
    chosen = parser.parse_args()
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (FILES, max(FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    )
    print(f"Machine: {os.cpu_count()} cores. Times in ms, CPU in µs for each frame that was delivered.\n")
    print(
        "| shape | sockets | KB each | like p50 | p99 | a new post to all: CPU | p50 | p99 "
        "| an entry to all: CPU | p50 | p99 | bare: KB each | CPU | p50 | p99 |"
    )
    print("| --- " * 15 + "|")
    for shape in chosen.shapes:
        measure(shape, chosen.sockets, chosen.rounds, chosen.stalled)


if __name__ == "__main__":
    main()
