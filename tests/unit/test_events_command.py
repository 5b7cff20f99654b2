"""`waggle events` lists dead letters and delivers them again."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.sql.database import Database
from adapters.sql.deliveries import queue_on
from adapters.sql.outbox import SqlOutbox
from application.shared.deliveries import Remaining, Settled
from application.shared.events import ProfileChanged
from entrypoints.cli.main import main


async def bury(url: str, *subscribers: str) -> None:
    """An event that is dead for these subscribers."""
    database = Database.at(url)
    await database.open()
    async with database.begin() as transaction:
        await SqlOutbox(transaction, lambda: 7).add(ProfileChanged(user_id=5))
    queue = queue_on(database, lambda: 0.0)
    (event,) = await queue.claim_events(10, timedelta(minutes=1))
    dead = [Remaining(name, 12, error="ValueError: no", is_dead=True) for name in subscribers]
    await queue.settle([Settled(event, dead)])
    await database.close()


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["events", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_dead_letters_are_listed_and_replayed_by_subscriber_and_by_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WAGGLE_DATA_DIR", str(tmp_path))
    assert main(["migrate"]) == 0
    asyncio.run(bury(f"sqlite:///{tmp_path}/waggle.db", "a.one", "b.two"))
    asyncio.run(bury(f"sqlite:///{tmp_path}/waggle.db", "b.two"))
    capsys.readouterr()

    assert printed(capsys, "dead") == [
        "1\ta.one\tProfileChanged\tuser:5\tValueError: no",
        "1\tb.two\tProfileChanged\tuser:5\tValueError: no",
        "2\tb.two\tProfileChanged\tuser:5\tValueError: no",
        "1 dead letters of a.one",
        "2 dead letters of b.two",
    ]
    assert printed(capsys, "dead", "--subscriber", "a.one") == [
        "1\ta.one\tProfileChanged\tuser:5\tValueError: no",
        "1 dead letters of a.one",
    ]
    assert printed(capsys, "replay", "--subscriber", "b.two", "2") == ["1 dead letters are delivered again"]
    assert printed(capsys, "replay") == ["2 dead letters are delivered again"]
    assert printed(capsys, "dead") == []


def test_events_in_memory_have_no_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WAGGLE_DATABASE_URL", "memory:")

    assert main(["events", "dead"]) == 78
