"""The contract of every store about deliveries that are left for single subscribers, and with dead letters."""

from datetime import timedelta

from application.shared.deliveries import NOT_DISTRIBUTED, Counts, Remaining
from tests.port_contracts.outbox import (
    LONG,
    MINUTE,
    changed,
    events,
    failed,
    publish,
    remaining,
    settle,
    users,
)
from tests.port_contracts.stores import Stores


class DeliveriesContract:
    async def test_a_remaining_delivery_goes_only_to_its_subscriber_and_only_when_it_is_due(
        self, stores: Stores
    ) -> None:
        await publish(stores, *changed(1))
        (event,) = await events(stores)

        await settle(
            stores,
            event,
            Remaining("a", 1, MINUTE, error="no"),
            Remaining("b", continue_from="17"),
        )
        now = await remaining(stores)
        await stores.pass_time(LONG)
        later = await remaining(stores)

        assert await events(stores) == []
        assert [(one.subscriber, one.attempts, one.continue_from) for one in now] == [("b", 0, "17")]
        assert [(one.subscriber, one.attempts, one.continue_from) for one in later] == [
            ("b", 0, "17"),  # its lease ended
            ("a", 1, None),
        ]
        assert all((one.event, one.event_id) == (event.event, event.event_id) for one in later)

    async def test_a_delivery_that_fails_again_stays_before_later_events_of_its_aggregate(
        self, stores: Stores
    ) -> None:
        await failed(stores, 1, 1)
        (first,) = await remaining(stores)

        await settle(stores, first, Remaining("a", 2, MINUTE, "5", "again"))
        meanwhile = await remaining(stores)
        await stores.pass_time(MINUTE)
        (again,) = await remaining(stores)
        await settle(stores, again)

        assert meanwhile == []
        assert (again.key, again.attempts, again.continue_from) == (first.key, 2, "5")
        assert len(await remaining(stores)) == 1

    async def test_a_remaining_delivery_delays_only_its_subscriber_and_its_aggregate(
        self, stores: Stores
    ) -> None:
        await failed(stores, 1)
        await failed(stores, 1, 2, subscriber="b")

        assert {(one.subscriber, *users([one])) for one in await remaining(stores)} == {
            ("a", 1),
            ("b", 1),
            ("b", 2),
        }
        await failed(stores, 1)
        assert await remaining(stores) == []

    async def test_remaining_deliveries_are_claimed_longest_due_first(self, stores: Stores) -> None:
        await failed(stores, 1, 2, 3)
        (first,) = await remaining(stores, 1)

        await settle(stores, first, Remaining("a", 2, timedelta(milliseconds=1), error="no"))
        await stores.pass_time(MINUTE)

        assert users(await remaining(stores)) == [2, 3, 1]

    async def test_a_dead_letter_keeps_its_error_and_delays_no_later_event(self, stores: Stores) -> None:
        await failed(stores, 1, 1)
        (dead,) = await remaining(stores)

        await settle(stores, dead, Remaining("a", 12, error="it is no use", continue_from="7", is_dead=True))

        assert users(await remaining(stores)) == [1]
        ((letter, error),) = await stores.queue.dead(10)
        assert (letter.key, letter.event, letter.event_id) == (dead.key, dead.event, dead.event_id)
        assert (letter.attempts, letter.continue_from, error) == (12, "7", "it is no use")

    async def test_dead_letters_of_one_subscriber_are_listed_oldest_first(self, stores: Stores) -> None:
        await publish(stores, *changed(1, 2, 3))
        for delivery in reversed(await events(stores)):
            await settle(stores, delivery, Remaining("a", is_dead=True), Remaining("b", is_dead=True))

        assert users([letter for letter, _ in await stores.queue.dead(2, "b")]) == [1, 2]
        assert [letter.subscriber for letter, _ in await stores.queue.dead(3)] == ["a", "b", "a"]
        assert await stores.queue.dead(3, "c") == []

    async def test_a_replay_goes_only_to_its_subscriber_and_continues_where_the_handler_stopped(
        self, stores: Stores
    ) -> None:
        await publish(stores, *changed(1, 2))
        for delivery in await events(stores):
            await settle(
                stores,
                delivery,
                *(Remaining(name, 12, MINUTE, "9", "no", is_dead=True) for name in "ab"),
            )

        replayed = await stores.queue.replay(subscriber="a")
        again = await remaining(stores)

        assert replayed == 2
        assert await events(stores) == []
        assert [(one.subscriber, one.attempts, one.continue_from) for one in again] == [("a", 0, "9")] * 2
        assert {letter.subscriber for letter, _ in await stores.queue.dead(10)} == {"b"}

    async def test_selected_dead_letters_are_replayed_in_their_original_order(self, stores: Stores) -> None:
        await failed(stores, 1, 2, 3)
        claimed = await remaining(stores)
        for delivery in claimed:
            await settle(stores, delivery, Remaining("a", is_dead=True))

        replayed = await stores.queue.replay([claimed[2].seq, claimed[0].seq, 10**9])

        assert replayed == 2
        assert users(await remaining(stores)) == [1, 3]
        assert users([letter for letter, _ in await stores.queue.dead(10)]) == [2]
        assert await stores.queue.replay([]) == 0
        assert await stores.queue.replay([claimed[1].seq], "b") == 0

    async def test_a_dead_letter_without_a_subscriber_is_replayed_to_all_subscribers(
        self, stores: Stores
    ) -> None:
        await publish(stores, *changed(1, 2))
        for delivery in await events(stores):
            await settle(stores, delivery, Remaining(NOT_DISTRIBUTED, 12, error="unknown", is_dead=True))

        assert await stores.queue.replay() == 2
        assert users(again := await events(stores)) == [1, 2]
        assert [(one.subscriber, one.attempts) for one in again] == [(NOT_DISTRIBUTED, 0)] * 2

    async def test_deliveries_are_counted_by_subscriber(self, stores: Stores) -> None:
        await publish(stores, *changed(1, 2))
        first, second = await events(stores)
        await settle(
            stores,
            first,
            Remaining("a", 1, error="no"),
            Remaining("b", continue_from="1"),
            Remaining("c"),
        )
        await settle(
            stores,
            second,
            Remaining("a", 12, error="no", is_dead=True),
            Remaining("b", 0, error="away"),
        )
        await publish(stores, *changed(1, 1, 3))
        unknown, *_ = await events(stores)
        await settle(stores, unknown, Remaining(NOT_DISTRIBUTED, 1, error="unknown"))

        assert await stores.queue.counts() == {
            NOT_DISTRIBUTED: Counts(pending=2, retrying=1, oldest=unknown.event_id),
            "a": Counts(retrying=1, dead=1, oldest=first.event_id),
            "b": Counts(pending=1, retrying=1, oldest=first.event_id),
            "c": Counts(pending=1, oldest=first.event_id),
        }
        limited = await stores.queue.counts(1)
        assert sum(one.pending + one.retrying for one in limited.values()) == 2  # an event and a delivery
        assert limited["a"].dead == 1
        assert await stores.queue.waiting() == 7
