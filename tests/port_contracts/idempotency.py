"""The contract of idempotency keys."""

import asyncio
import string
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.shared.errors import KeyReused
from application.shared.idempotency import IdempotentResult, run_once
from application.shared.ports import IdempotentRequest, Record
from domain.posts import PostNotFound
from domain.shared import PostId, SessionId, UserId, ViewerContext
from tests.port_contracts.stores import Stores, a_post, new_id, with_retries

PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F))
OUTCOMES = st.dictionaries(
    st.text(string.ascii_lowercase, min_size=1),
    st.recursive(
        st.none() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(string.ascii_lowercase), inner, max_size=3)
        ),
        max_leaves=5,
    ),
    max_size=4,
)


def an_idempotent_request(
    fingerprint: str = "f", key: str = "", scope: str = "ann:publish"
) -> IdempotentRequest:
    return IdempotentRequest(scope, key or str(new_id()), fingerprint)


async def publish_once(stores: Stores, idempotent_request: IdempotentRequest) -> IdempotentResult:
    async with stores.posts.open_tx() as tx:

        async def effect() -> Record:
            post = a_post()
            await tx.posts.add(post)
            return {"id": post.id}

        return await run_once(tx.idempotency, idempotent_request, effect)


def _joined(user: UserId) -> Callable[[], Awaitable[Record]]:
    async def effect() -> Record:
        return {"id": user}

    return effect


class IdempotencyContract:
    async def test_a_repeated_request_gets_the_first_outcome(self, stores: Stores) -> None:
        idempotent_request = an_idempotent_request()

        first = await publish_once(stores, idempotent_request)
        second = await publish_once(stores, idempotent_request)

        assert (first.replayed, second.replayed) == (False, True)
        assert dict(second.outcome) == dict(first.outcome)

    async def test_only_outcomes_with_credentials_of_the_session_are_deleted(self, stores: Stores) -> None:
        user, one, other = UserId(new_id()), SessionId(new_id()), SessionId(new_id())
        attempts = {session: an_idempotent_request(scope="anyone:log_in") for session in (one, other, None)}
        for session, idempotent_request in attempts.items():
            async with stores.identity.open_tx() as tx:
                of = None if session is None else (lambda _, session=session: session)
                await run_once(tx.idempotency, idempotent_request, _joined(user), lambda _: user, of)

        async with stores.identity.open_tx() as tx:
            await tx.idempotency.wipe_credentials([one, SessionId(new_id())])
            await tx.idempotency.wipe_credentials([])

        for session, idempotent_request in attempts.items():
            async with stores.identity.open_tx() as tx:
                assert (await tx.idempotency.begin(idempotent_request) is None) is (session == one)

    @given(outcome=OUTCOMES, key=st.text(PRINTABLE, min_size=1, max_size=255))
    async def test_any_outcome_under_any_key_makes_the_round_trip(
        self, stores: Stores, outcome: Record, key: str
    ) -> None:
        idempotent_request = an_idempotent_request(key=key, scope=f"scope {new_id()}")
        async with stores.posts.open_tx() as tx:
            assert await tx.idempotency.begin(idempotent_request) is None
            await tx.idempotency.finish(idempotent_request, outcome)

        async with stores.posts.open_tx() as tx:
            assert await tx.idempotency.begin(idempotent_request) == outcome

    async def test_a_key_of_another_request_is_refused(self, stores: Stores) -> None:
        idempotent_request = an_idempotent_request("one")
        await publish_once(stores, idempotent_request)

        with pytest.raises(KeyReused):
            await publish_once(stores, an_idempotent_request("another", idempotent_request.key))

    async def test_keys_of_different_scopes_are_independent(self, stores: Stores) -> None:
        idempotent_request = an_idempotent_request(scope="ann:publish")
        await publish_once(stores, idempotent_request)

        result = await publish_once(
            stores, an_idempotent_request("other", idempotent_request.key, scope="bob:publish")
        )

        assert result.replayed is False

    async def test_keys_are_case_sensitive(self, stores: Stores) -> None:
        await publish_once(stores, an_idempotent_request(key="key", scope="case"))

        result = await publish_once(stores, an_idempotent_request(key="KEY", scope="case"))

        assert result.replayed is False

    async def test_a_failed_request_frees_its_key(self, stores: Stores) -> None:
        idempotent_request = an_idempotent_request("one")

        async def fail() -> None:
            async with stores.posts.open_tx() as tx:
                await tx.idempotency.begin(idempotent_request)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()

        result = await publish_once(stores, an_idempotent_request("another", idempotent_request.key))
        assert result.replayed is False

    async def test_a_rollback_of_the_effect_stores_no_outcome(self, stores: Stores) -> None:
        idempotent_request, post = an_idempotent_request(), a_post()

        async def fail() -> None:
            async with stores.posts.open_tx() as tx:
                await tx.idempotency.begin(idempotent_request)
                await tx.posts.add(post)
                await tx.idempotency.finish(idempotent_request, {"id": post.id})
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()

        assert await stores.posts.reader.post(post.id, ViewerContext()) is None
        assert (await publish_once(stores, idempotent_request)).replayed is False

    async def test_the_outcomes_of_one_user_can_be_deleted(self, stores: Stores) -> None:
        ann, bob = UserId(new_id()), UserId(new_id())
        hers, his = replace(an_idempotent_request(), owner=ann), replace(an_idempotent_request(), owner=bob)
        await publish_once(stores, hers)
        await publish_once(stores, his)

        async with stores.posts.open_tx() as tx:
            await tx.idempotency.wipe(ann)

        assert (await publish_once(stores, hers)).replayed is False
        assert (await publish_once(stores, his)).replayed is True

    async def test_an_outcome_can_get_its_owner_from_the_effect(self, stores: Stores) -> None:
        idempotent_request, ann = an_idempotent_request(), UserId(new_id())
        async with stores.posts.open_tx() as tx:
            await run_once(
                tx.idempotency, idempotent_request, _joined(ann), owner=lambda outcome: UserId(outcome["id"])
            )

        async with stores.posts.open_tx() as tx:
            await tx.idempotency.wipe(ann)

        async with stores.posts.open_tx() as tx:
            assert await tx.idempotency.begin(idempotent_request) is None

    async def test_fifty_concurrent_requests_have_one_effect(self, stores: Stores) -> None:
        idempotent_request, author = an_idempotent_request(), new_id()
        made: list[int] = []

        async def publish() -> IdempotentResult:
            async with stores.posts.open_tx() as tx:

                async def effect() -> Record:
                    post = a_post(author=author)
                    made.append(post.id)
                    await tx.posts.add(post)
                    return {"id": post.id}

                return await run_once(tx.idempotency, idempotent_request, effect)

        results = await asyncio.gather(*(with_retries(publish) for _ in range(50)))

        assert len({result.outcome["id"] for result in results}) == 1
        assert sum(not result.replayed for result in results) == 1
        kept = results[0].outcome["id"]
        for post_id in made:
            async with stores.posts.open_tx() as tx:
                if post_id == kept:
                    assert (await tx.posts.get(PostId(post_id))).author == author
                else:
                    with pytest.raises(PostNotFound):
                        await tx.posts.get(PostId(post_id))
