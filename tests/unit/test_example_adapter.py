"""A second driving adapter works with `entrypoints.access` and the use cases, and without anything of HTTP."""

import subprocess
import sys

import pytest

from adapters.memory.limits import MemoryLimiter
from entrypoints.access.authentication import Authenticator
from entrypoints.access.cursors import Cursors
from entrypoints.access.limits import RateLimits, rates
from tests.unit.example_adapter import LineProtocol
from tests.unit.people import Waggle

PEER = "198.51.100.7"


def adapter(waggle: Waggle, limits: str = "on") -> LineProtocol:
    limiter = MemoryLimiter(waggle.time.monotonic)
    return LineProtocol(
        Authenticator(waggle.authenticate, RateLimits(limiter, rates(limits))),
        Cursors(b"k" * 32),
        lambda *parts: b" ".join(parts).hex(),
        waggle.publish,
        waggle.read,
        waggle.by_author,
    )


async def test_the_example_adapter_publishes_once_and_reads(waggle: Waggle) -> None:
    ask, token = adapter(waggle), (await waggle.register_user()).tokens.access_token

    ok, post = (await ask(f"publish {token} key-1 hello bees", PEER)).split()
    again = await ask(f"publish {token} key-1 hello bees", PEER)

    assert ok == "ok"
    assert again == f"replayed {post}"
    assert await ask(f"publish {token} key-1 other text", PEER) == "error idempotency_key_reused"
    assert await ask(f"publish {token} kéy other text", PEER) == "error key_invalid"
    assert await ask(f"read  {post}", PEER) == "ok ann hello bees"


async def test_the_example_adapter_pages_with_cursors(waggle: Waggle) -> None:
    ask, ann, ben = adapter(waggle), await waggle.new_user(), await waggle.new_user("ben")
    posts = [str((await waggle.post(ann)).post.id) for _ in range(3)]

    _, ids, cursor = (await ask(f"posts  {ann} 2", PEER)).split()
    rest = await ask(f"posts  {ann} 2 {cursor}", PEER)

    assert ids == f"{posts[2]},{posts[1]}"
    assert rest == f"ok {posts[0]} end"
    assert await ask(f"posts  {ben} 2 {cursor}", PEER) == "error cursor_invalid"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("publish  key-1 hello", "error token_missing"),
        ("read nonsense 1", "error invalid_token"),
        ("read  1", "error post_not_found"),
    ],
)
async def test_the_example_adapter_refuses_what_http_refuses(waggle: Waggle, line: str, answer: str) -> None:
    assert await adapter(waggle)(line, PEER) == answer


async def test_the_example_adapter_limits_the_network_of_the_client(waggle: Waggle) -> None:
    ask = adapter(waggle, "anonymous=2/60")

    answers = [await ask("read  1", PEER) for _ in range(3)]

    assert answers == ["error post_not_found"] * 2 + ["error rate_limited"]
    assert await ask("read  1", "203.0.113.9") == "error post_not_found"


def test_the_example_adapter_imports_nothing_of_http() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import tests.unit.example_adapter, sys; print(*sys.modules)"],
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert "entrypoints.access.limits" in loaded
    assert [name for name in loaded if name.startswith(("entrypoints.http", "litestar", "uvicorn"))] == []
