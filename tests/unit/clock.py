"""The time of unit tests: it passes only when a test says so."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.port_contracts.stores import BEGINNING


@dataclass
class Time:
    """The wall clock and the monotonic clock. Both advance together."""

    now: datetime = BEGINNING

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return (self.now - BEGINNING).total_seconds()

    def advance(self, span: timedelta) -> None:
        self.now += span

    async def wait(self, seconds: float) -> None:
        """Advance, where a contract would wait for a real store."""
        self.now += timedelta(seconds=seconds)
