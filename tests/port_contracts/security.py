"""The contract of the stored security events."""

from datetime import timedelta

from application.identity.security import SecurityRecord
from domain.shared import SessionId, UserId, made_at
from tests.port_contracts.stores import Stores, new_id


def an_event(user_id: UserId | None, **members: object) -> SecurityRecord:
    defaults = {
        "at": made_at(new_id()),
        "kind": "login",
        "outcome": "refused",
        "reason": "wrong_credentials",
        "user_id": user_id,
        "session_id": SessionId(new_id()),
        "network": "2001:db8::/48",
        "request_id": "r" * 128,
        "count": 75,
    }
    return SecurityRecord(**{**defaults, **members})  # type: ignore[arg-type]


class SecurityEventsContract:
    async def test_every_member_makes_the_round_trip_and_the_newest_comes_first(self, stores: Stores) -> None:
        ann, bob = UserId(new_id()), UserId(new_id())
        first = an_event(ann)
        second = an_event(ann, session_id=None, reason="", outcome="ok", network="", request_id="", count=1)

        await stores.identity.security_records.add([first, an_event(bob), an_event(None)])
        await stores.identity.security_records.add([second])

        assert list(await stores.identity.security_records.of_user(ann, 10)) == [second, first]
        assert list(await stores.identity.security_records.of_user(ann, 1)) == [second]
        assert list(await stores.identity.security_records.of_user(UserId(new_id()), 10)) == []

    async def test_the_events_of_an_account_are_anonymized(self, stores: Stores) -> None:
        ann, bob = UserId(new_id()), UserId(new_id())
        of_bob = an_event(bob)
        await stores.identity.security_records.add([an_event(ann), of_bob])

        await stores.identity.security_records.anonymize(ann)

        assert list(await stores.identity.security_records.of_user(ann, 10)) == []
        assert list(await stores.identity.security_records.of_user(bob, 10)) == [of_bob]

    async def test_old_events_are_deleted_and_those_of_deleted_accounts_anonymized(
        self, stores: Stores
    ) -> None:
        account, gone = await stores.add_account(), UserId(new_id())
        old, young = an_event(account.id), an_event(account.id)
        await stores.identity.security_records.add([old, young, an_event(gone)])

        assert await stores.identity.security_records.purge(old.at + timedelta(milliseconds=1)) >= 1

        assert list(await stores.identity.security_records.of_user(account.id, 10)) == [young]
        assert list(await stores.identity.security_records.of_user(gone, 10)) == []
        assert await stores.identity.security_records.purge(young.at) == 0
