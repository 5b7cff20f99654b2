"""The lease of a process number is renewed in time, and replaced soon after the database was unavailable."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from adapters.ids import IdAllocator, Lease
from adapters.sql.process_numbers import LEASE
from domain.shared import Unavailable
from entrypoints.process_number import keep_lease

THIRD = LEASE.total_seconds() / 3
Answer = Callable[[], Lease | None]


def gives(lease: Lease | None) -> Answer:
    return lambda: lease


def unavailable() -> Lease | None:
    raise Unavailable("the database does not answer")


@dataclass
class Numbers:
    """Gives the answers one after the other, and records the calls."""

    answers: list[Answer]
    asked: list[str] = field(default_factory=list)

    async def renew(self, _: Lease) -> Lease | None:
        self.asked.append("renew")
        return self.answers.pop(0)()

    async def take(self) -> Lease:
        self.asked.append("take")
        taken = self.answers.pop(0)()
        assert taken is not None
        return taken


async def pauses(
    numbers: Numbers, ids: IdAllocator, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> list[float]:
    """The pauses before each call, until the answers are used up."""
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)
        if not numbers.answers:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", wait)
    with pytest.raises(asyncio.CancelledError):
        await keep_lease(numbers, ids, lease)  # type: ignore[arg-type]  # only these two methods are called
    return waited


def lease_of(number: int) -> Lease:
    return Lease(number, 1_000_000, 1_000_000 + LEASE.seconds * 1000)


async def test_a_lease_is_renewed_after_a_third_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers, ids = Numbers([gives(lease_of(1))] * 3), IdAllocator(lambda: 0.0)

    assert await pauses(numbers, ids, lease_of(1), monkeypatch) == [THIRD] * 4
    assert numbers.asked == ["renew"] * 3


async def test_an_unavailable_database_is_asked_every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers, ids = Numbers([unavailable, unavailable, gives(lease_of(1))]), IdAllocator(lambda: 0.0)

    assert await pauses(numbers, ids, lease_of(1), monkeypatch) == [THIRD, 1, 1, THIRD]


async def test_an_ended_lease_is_replaced_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers, ids = Numbers([unavailable, gives(None), gives(lease_of(7))]), IdAllocator(lambda: 0.0)

    assert await pauses(numbers, ids, lease_of(1), monkeypatch) == [THIRD, 1, THIRD]
    assert numbers.asked == ["renew", "renew", "take"]
    assert ids() >> 8 & 0xFF == 7
