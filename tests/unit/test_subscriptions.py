"""Subscriptions: who receives an event, and how a handler is called."""

import logging

import pytest

from application.shared.events import ProfileChanged, Registered
from application.shared.subscriptions import (
    Failed,
    Handled,
    Handler,
    InProcess,
    Unknown,
    deliver_again,
    in_turn,
    on,
    on_long,
)
from domain.shared import EventId, Unavailable

EVENT = ProfileChanged(user_id=1, private=True)
ID = EventId(7)


class Notes:
    def __init__(self) -> None:
        self.said: list[str] = []

    def handler(self, name: str, error: Exception | None = None) -> Handler[ProfileChanged]:
        async def handle(event: ProfileChanged, event_id: EventId) -> None:
            self.said.append(name)
            if error is not None:
                raise error

        return handle


def test_a_subscriber_subscribes_to_one_type_of_event_once() -> None:
    one, two = (on(ProfileChanged, "a.one", Notes().handler("one")) for _ in range(2))

    with pytest.raises(ValueError, match=r"a\.one takes ProfileChanged twice"):
        InProcess([one, two])


def test_an_event_is_for_the_subscribers_of_its_type_whose_filter_it_passes() -> None:
    handler = Notes().handler("")
    subscribers = InProcess(
        [
            on(ProfileChanged, "a.all", handler),
            on(ProfileChanged, "a.private", handler, lambda event: event.private is True),
            on(ProfileChanged, "a.open", handler, lambda event: event.private is False),
        ]
    )

    assert subscribers.of(EVENT) == ["a.all", "a.private"]
    assert subscribers.of(Registered(user_id=1)) == []


async def test_the_outcome_tells_failures_retries_and_completion_apart() -> None:
    notes = Notes()

    async def part(event: ProfileChanged, event_id: EventId, continue_from: str | None) -> str | None:
        return "2" if continue_from is None else None

    subscribers = InProcess(
        [
            on(ProfileChanged, "a.done", notes.handler("done")),
            on(ProfileChanged, "a.failed", notes.handler("failed", ValueError("no"))),
            on(ProfileChanged, "a.waits", notes.handler("waits", Unavailable("no storage"))),
            on_long(ProfileChanged, "a.long", part),
        ]
    )

    assert await subscribers.deliver("a.done", EVENT, ID) == Handled()
    assert await subscribers.deliver("a.failed", EVENT, ID) == Failed("ValueError: no")
    assert await subscribers.deliver("a.waits", EVENT, ID) == Failed(
        "Unavailable: no storage", is_counted=False
    )
    assert await subscribers.deliver("a.long", EVENT, ID) == Handled("2")
    assert await subscribers.deliver("a.long", EVENT, ID, "2") == Handled()
    assert await subscribers.deliver("a.unknown", EVENT, ID) == Unknown()
    assert await subscribers.deliver("a.done", Registered(user_id=1), ID) == Unknown()


async def test_handlers_in_turn_are_one_handler() -> None:
    notes = Notes()
    both = in_turn(notes.handler("first"), notes.handler("second"))

    await both(EVENT, ID)

    assert notes.said == ["first", "second"]


async def test_delivering_again_runs_every_subscriber_to_its_end_and_logs_failures(
    caplog: pytest.LogCaptureFixture,
) -> None:
    notes = Notes()

    async def parts(event: ProfileChanged, event_id: EventId, continue_from: str | None) -> str | None:
        notes.said.append(str(continue_from))
        return {None: "1", "1": "2"}.get(continue_from)

    subscribers = InProcess(
        [
            on(ProfileChanged, "a.failed", notes.handler("failed", ValueError("no"))),
            on_long(ProfileChanged, "a.long", parts),
            on(ProfileChanged, "a.done", notes.handler("done")),
        ]
    )

    with caplog.at_level(logging.WARNING):
        await deliver_again(subscribers, EVENT, ID)

    assert notes.said == ["failed", "None", "1", "2", "done"]
    assert "a.failed" in caplog.text
