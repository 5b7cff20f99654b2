"""The contract of transactions of every store."""

import asyncio
from dataclasses import replace

import pytest

from application.shared.events import Registered
from domain.shared import UserId, UserNotFound, ViewerContext
from tests.port_contracts.stores import Stores, a_post, an_account, with_retries


class TransactionsContract:
    async def test_writes_are_visible_after_the_transaction(self, stores: Stores) -> None:
        post = a_post()

        async with stores.posts.open_tx() as tx:
            await tx.posts.add(post)

        async with stores.posts.open_tx() as tx:
            assert await tx.posts.get(post.id) == post

    async def test_an_exception_rolls_the_transaction_back(self, stores: Stores) -> None:
        account, waiting = an_account(), await stores.queue.waiting()

        async def fail() -> None:
            async with stores.identity.open_tx() as tx:
                await tx.accounts.add(account)
                await tx.outbox.add(Registered(user_id=account.id))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()

        with pytest.raises(UserNotFound):
            await stores.identity.reader.account(account.id)
        assert await stores.queue.waiting() == waiting
        await stores.add_account(
            id=account.id, username=account.username, email=account.email
        )  # its usernames are free

    async def test_a_cancelled_transaction_is_rolled_back_and_blocks_nobody(self, stores: Stores) -> None:
        account, inside = an_account(), asyncio.Event()

        async def hang() -> None:
            async with stores.identity.open_tx() as tx:
                await tx.accounts.add(account)
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(hang())
        await inside.wait()
        task.cancel()
        await asyncio.wait([task])

        assert task.cancelled()
        with pytest.raises(UserNotFound):
            await stores.identity.reader.account(account.id)
        other = await stores.add_account()
        assert await stores.identity.reader.account(other.id) == other

    async def test_a_reader_sees_a_change_only_after_the_commit(self, stores: Stores) -> None:
        post = a_post()

        async with stores.posts.open_tx() as tx:
            await tx.posts.add(post)
            before = await stores.posts.reader.post(post.id, ViewerContext())
        after = await stores.posts.reader.post(post.id, ViewerContext())

        assert before is None
        assert after is not None

    async def test_a_transaction_sees_its_own_writes(self, stores: Stores) -> None:
        account = an_account()

        async with stores.identity.open_tx() as tx:
            await tx.accounts.add(account)
            await tx.accounts.count_posts(account.id, 2)
            seen = await tx.accounts.get(account.id)

        assert seen == replace(account, posts=2)

    async def test_twenty_concurrent_changes_of_one_row_are_all_kept(self, stores: Stores) -> None:
        account = await stores.add_account()

        async def edit() -> None:
            async with stores.identity.open_tx() as tx:
                read = await tx.accounts.get(account.id)
                await asyncio.sleep(0)  # a gap in which another transaction could change the row
                await tx.accounts.save(read.edited(bio=f"{read.bio}x"))

        await asyncio.gather(*(with_retries(edit) for _ in range(20)))

        edited = await stores.identity.reader.account(account.id)
        assert (edited.bio, edited.version) == ("x" * 20, 21)

    async def test_a_change_and_its_event_are_committed_together(self, stores: Stores) -> None:
        account, waiting = an_account(), await stores.queue.waiting()

        async with stores.identity.open_tx() as tx:
            await tx.accounts.add(account)
            await tx.outbox.add(Registered(user_id=account.id))
            assert await stores.queue.waiting() == waiting

        assert await stores.queue.waiting() == waiting + 1

    async def test_a_commit_with_an_event_is_announced(self, stores: Stores) -> None:
        account = an_account()

        async with stores.identity.open_tx() as tx:
            await tx.accounts.add(account)
            await tx.outbox.add(Registered(user_id=account.id))
            before_commit = stores.wake.is_set()

        assert (before_commit, stores.wake.is_set()) == (False, True)

    async def test_a_rollback_and_a_commit_without_events_are_not_announced(self, stores: Stores) -> None:
        async def fail() -> None:
            async with stores.identity.open_tx() as tx:
                await tx.outbox.add(Registered(user_id=UserId(1)))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        async with stores.posts.open_tx() as tx:
            await tx.posts.add(a_post())

        assert not stores.wake.is_set()

    async def test_missing_rows_are_not_found(self, stores: Stores) -> None:
        async with stores.identity.open_tx() as tx:
            with pytest.raises(UserNotFound):
                await tx.accounts.get(UserId(1))
