"""The security events that are recorded, and how often. They contain no personal data or secrets."""

import json
import logging
from datetime import timedelta

import pytest

from application.identity.security import MAX_KINDS, MAX_PENDING, ONE_BY_ONE, SecurityRecord
from application.shared.ports import IdempotentRequest
from domain.identity import RECENT, REUSE_GRACE
from domain.shared import Unavailable, UserId
from tests.unit.people import PASSWORD, Waggle, refused

SECOND = timedelta(seconds=1)


async def recorded_events(waggle: Waggle, user: UserId) -> list[SecurityRecord]:
    """All events about an account, oldest first."""
    await waggle.security.flush(everything=True)
    return list(await waggle.stores.identity.security_records.of_user(user, 1000))[::-1]


def kinds_of(events: list[SecurityRecord]) -> list[tuple[str, str, str]]:
    return [(event.kind, event.outcome, event.reason) for event in events]


async def test_each_action_on_an_account_is_recorded_once(waggle: Waggle) -> None:
    idempotent_request = IdempotentRequest("anyone:register", "key", "f")
    joined = await waggle.register("ann", "ann@example.org", PASSWORD, "", idempotent_request)
    await waggle.register("ann", "ann@example.org", PASSWORD, "", idempotent_request)  # a replay
    me = await waggle.authenticate(joined.tokens.access_token)
    there = await waggle.log_in("ann@example.org", PASSWORD, None)
    other = (await waggle.authenticate(there.tokens.access_token)).session_id
    await refused(waggle.log_in("ann", "wrong password", None))
    await refused(waggle.confirm(me.user_id, me.session_id, "wrong password"))
    waggle.time.advance(RECENT + SECOND)
    await refused(waggle.end_session(me.user_id, me.session_id, other))
    tokens = await waggle.confirm(me.user_id, me.session_id, PASSWORD)
    await waggle.end_session(me.user_id, me.session_id, other)
    await refused(waggle.change_password(me.user_id, me.session_id, "wrong password", "another horse"))
    tokens = await waggle.change_password(me.user_id, me.session_id, PASSWORD, "another horse")
    newer = await waggle.refresh(tokens.refresh_token)
    await waggle.refresh(newer.refresh_token)
    waggle.time.advance(REUSE_GRACE + SECOND)
    await refused(waggle.refresh(tokens.refresh_token))
    again = await waggle.log_in("ann", "another horse", None)
    third = await waggle.authenticate(again.tokens.access_token)
    await waggle.end_sessions(third.user_id, third.session_id, keep_current=True)
    await waggle.log_out(third.session_id)

    events = await recorded_events(waggle, joined.user.id)

    assert kinds_of(events) == [
        ("registration", "ok", ""),
        ("login", "ok", ""),
        ("login", "refused", "wrong_credentials"),
        ("password_confirmed", "refused", "wrong_password"),
        ("session_ended", "refused", "recent_login_required"),
        ("password_confirmed", "ok", ""),
        ("session_ended", "ok", ""),
        ("password_changed", "refused", "wrong_password"),
        ("password_changed", "ok", ""),
        ("refresh", "refused", "refresh_token_reused"),
        ("login", "ok", ""),
        ("logout_all", "ok", ""),
        ("logout", "ok", ""),
    ]
    assert {event.network for event in events} == {"203.0.113.0/24"}
    assert {event.request_id for event in events} == {"request 1"}
    assert events[0].session_id == me.session_id
    assert events[6].session_id == other


async def test_eighty_refused_logins_are_recorded_in_a_few_lines_with_a_count(
    waggle: Waggle, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "waggle.security")
    ann = await waggle.new_user("ann")
    caplog.clear()

    for number in range(80):
        await refused(waggle.log_in("ann" if number % 2 else "Ann@Example.org", "s3cret guess", None))
    await refused(waggle.log_in("nobody there", "s3cret guess", None))
    events = await recorded_events(waggle, ann)

    assert sum(event.count for event in events if event.outcome == "refused") == 80
    reasons = {event.reason for event in events[1:]}
    assert reasons == {"wrong_credentials", "too_many_attempts"}
    assert len(events[1:]) <= (ONE_BY_ONE + 1) * len(reasons)
    lines = [json.dumps(vars(record) | vars(record.msg), default=str) for record in caplog.records]
    assert len(lines) == len(events[1:]) + 1, "one line is about no account"
    for word in ("s3cret", "example.org", "nobody there", PASSWORD):
        assert not any(word in line for line in lines)
    assert f'"user_id": {ann}' in lines[0]


async def test_a_new_window_records_events_one_by_one_again(waggle: Waggle) -> None:
    ann = await waggle.new_user("ann")
    for _ in range(ONE_BY_ONE + 3):
        waggle.security("login", "refused", user_id=ann)
    waggle.time.advance(timedelta(seconds=61))
    await waggle.security.flush()
    waggle.security("login", "refused", user_id=ann)

    events = (await recorded_events(waggle, ann))[1:]

    assert [event.count for event in events] == [1] * ONE_BY_ONE + [3, 1]


async def test_the_number_of_distinguished_events_is_bounded(waggle: Waggle) -> None:
    for number in range(20 * MAX_KINDS):
        waggle.security("login", "refused", user_id=UserId(number + 1))

    assert len(waggle.security._pending) <= MAX_KINDS + ONE_BY_ONE
    assert len(waggle.security._repeated) <= MAX_KINDS + 1


async def test_a_bounded_number_of_events_waits_for_an_unavailable_store(waggle: Waggle) -> None:
    ann = await waggle.new_user("ann")
    await waggle.security.flush()
    stored = waggle.security.records

    class UnavailableEvents:
        async def add(self, events: object) -> None:
            raise Unavailable("away")

    waggle.security.records = UnavailableEvents()  # type: ignore[assignment]
    waggle.security("logout", user_id=ann)
    with pytest.raises(Unavailable):
        await waggle.security.flush()
    for number in range(2 * MAX_PENDING):
        waggle.security(f"kind {number % 50}", user_id=ann)
        waggle.time.advance(timedelta(minutes=2))
    assert len(waggle.security._pending) == MAX_PENDING
    waggle.security.records = stored

    assert len(await recorded_events(waggle, ann)) == 1000


async def test_the_deletion_of_an_account_is_recorded_and_anonymizes_its_events(waggle: Waggle) -> None:
    joined = await waggle.register_user("ann")
    me = await waggle.authenticate(joined.tokens.access_token)
    await waggle.security.flush()
    await waggle.log_in_user("ann")  # its event is still pending when the account is deleted
    for _ in range(9):
        await refused(waggle.log_in("ann", "wrong password", None))

    await waggle.delete_account(me.user_id, me.session_id, "ann")
    await waggle.security.flush(everything=True)
    assert [event.kind for event in await recorded_events(waggle, me.user_id)] == ["registration"]
    await waggle.relay.deliver()

    assert await recorded_events(waggle, me.user_id) == []
