"""The counters: calls of other servers, deliveries, mails, jobs and limits, each by its outcome."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from adapters.breaker import TIMEOUTS, Breaker
from adapters.memory.limits import MemoryLimiter
from adapters.metered.media import MeteredProcessor, MeteredStorage
from adapters.metered.meters import Meters
from adapters.metered.shared import MeteredLimiter, MeteredMail, MeteredSubscribers, metered_limiter
from adapters.storage.memory import MemoryStorage
from adapters.storage.signing import TicketSigner
from application.media.ports import NoSuchObject, UploadRejected
from application.shared.events import ProfileChanged
from application.shared.limits import LocalLimiter, Rate, RateLimited
from application.shared.mail import Message, Undeliverable
from application.shared.subscriptions import Failed, Handled, Outcome, Unknown
from domain.media import FailureReason
from domain.shared import EventId, Unavailable, UserId
from entrypoints.access.limits import Caller, RateLimits
from tests.unit.clock import Time


class _Subscribers:
    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = [*outcomes]

    def of(self, _event: object) -> Sequence[str]:
        return ["a"]

    async def deliver(self, *_arguments: object) -> Outcome:
        return self.outcomes.pop(0)


async def test_deliveries_are_counted_by_outcome_and_an_unknown_subscriber_is_no_label() -> None:
    meters = Meters()
    outcomes = Handled(), Handled("more"), Failed("x"), Failed("y", is_counted=False), Unknown()
    subscribers = MeteredSubscribers(_Subscribers(*outcomes), meters, Time())

    for _ in outcomes:
        await subscribers.deliver("a", ProfileChanged(user_id=1), EventId(1))

    assert {*meters.deliveries.by_labels} == {
        ("a", outcome) for outcome in ("handled", "continued", "failed", "unavailable")
    }
    assert sum(meters.delays.read().counts) == 1


async def test_calls_of_the_storage_are_counted_by_outcome(tmp_path: Path) -> None:
    meters = Meters()
    plain = MemoryStorage(TicketSigner(key=b"k" * 32, origin="http://waggle.test"), Time())
    storage = MeteredStorage(plain, meters)
    (tmp_path / "file").write_bytes(b"bee")

    await storage.put("1/a", tmp_path / "file", "image/png")
    async with storage.read("1/a") as pieces:
        assert b"".join([piece async for piece in pieces]) == b"bee"
    with pytest.raises(NoSuchObject):
        await storage.fetch("1/b", tmp_path / "copy")
    with pytest.raises(NoSuchObject):
        async with storage.read("1/b"):
            pass
    with pytest.raises(ZeroDivisionError):
        async with storage.read("1/a"):
            raise ZeroDivisionError

    assert {key: sum(one.read().counts) for key, one in meters.storage.by_labels.items()} == {
        ("put", "ok"): 1,
        ("read", "ok"): 2,
        ("fetch", "missing"): 1,
        ("read", "missing"): 1,
    }


def test_requests_that_are_charged_without_waiting_are_counted() -> None:
    meters = Meters()
    limiter = metered_limiter(MemoryLimiter(time.monotonic), meters)
    assert isinstance(limiter, LocalLimiter)
    limits = RateLimits(limiter, {"read": Rate("read", 1, 60)})
    assert limits.charge_user_now(Caller(""), "read", UserId(1))
    with pytest.raises(RateLimited):
        limits.charge_user_now(Caller(""), "read", UserId(1))
    assert meters.limits == {("read", True): 1, ("read", False): 1}


async def test_mails_jobs_and_limits_are_counted_by_outcome(tmp_path: Path) -> None:
    meters, errors = Meters(), [None, Undeliverable("no"), Unavailable("away")]

    class Fails:
        async def send(self, _message: Message) -> None:
            if (error := errors.pop(0)) is not None:
                raise error

        async def __call__(self, upload: Path, into: Path, progress: Callable[[int], None]) -> Any:
            raise UploadRejected(FailureReason.DAMAGED)

    mail, message = MeteredMail(Fails(), meters), Message("a@b.example", "s", "t", "1")
    await mail.send(message)
    with pytest.raises(Undeliverable):
        await mail.send(message)
    with pytest.raises(Unavailable):
        await mail.send(message)
    with pytest.raises(UploadRejected):
        await MeteredProcessor(Fails(), meters)(tmp_path, tmp_path, lambda _: None)
    limiter = MeteredLimiter(MemoryLimiter(time.monotonic), meters)
    taken = [await limiter.take("me", Rate("read", 1, 60)) for _ in range(3)]

    assert meters.mail == {"sent": 1, "refused": 1, "failed": 1}
    assert {*meters.media.by_labels} == {("rejected",)}
    assert [one.allowed for one in taken] == [True, False, False]
    assert meters.limits == {("read", True): 1, ("read", False): 2}


def test_a_breaker_counts_how_often_it_opens() -> None:
    breaker = Breaker(lambda: 0.0)

    for _ in range(TIMEOUTS + 2):
        breaker.timed_out()

    assert (breaker.closed, breaker.opened) == (False, 1)
