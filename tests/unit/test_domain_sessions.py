"""The lifetime of sessions and their chains of refresh tokens."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.identity import (
    RECENT,
    REUSE_GRACE,
    SESSION_IDLE,
    SESSION_LIFE,
    RecentLoginRequired,
    Session,
    device,
)
from domain.shared import SessionId, UserId

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)
UNICODE = st.text(st.characters(), max_size=40)
"""Any text that a client may send, unpaired surrogates included."""


def a_session(generation: int = 0) -> Session:
    id_ = SessionId(int(NOW.timestamp() * 1000) << 16)
    return Session(
        id=id_,
        user_id=UserId(1),
        seed=b"s" * 16,
        generation=generation,
        refreshed_at=NOW,
        authenticated_at=NOW,
    )


class TestDevices:
    @pytest.mark.parametrize(
        ("raw", "shown"),
        [
            ("", ""),
            ("Waggle/1.0 (Linux; 🐝)", "Waggle/1.0 (Linux; 🐝)"),
            (" tabs\tand\r\nlines\x00and\x1b[31m ", "tabs and lines and [31m"),
            ("left\u202eright\u2028\ud800", "left right"),
            ("x" * 1_000_000, "x" * 200),
        ],
    )
    def test_a_device_name_loses_its_invisible_characters(self, raw: str, shown: str) -> None:
        assert device(raw) == shown

    @given(raw=UNICODE)
    def test_any_device_name_can_be_stored_and_displayed(self, raw: str) -> None:
        assert len(device(raw).encode()) <= 800
        assert device(device(raw)) == device(raw)


class TestSessions:
    def test_dangerous_actions_need_a_password_from_the_last_five_minutes(self) -> None:
        """ID-8."""
        session = a_session()

        session.require_recent(NOW + RECENT)
        with pytest.raises(RecentLoginRequired):
            session.require_recent(NOW + RECENT + MS)
        session.renewed(b"r" * 16, NOW + RECENT).require_recent(NOW + 2 * RECENT)
        with pytest.raises(RecentLoginRequired):  # a refresh does not prove the password
            session.refreshed(0, NOW + RECENT).require_recent(NOW + RECENT + MS)

    def test_a_session_stays_active_while_it_is_refreshed(self) -> None:
        session = a_session()

        assert session.alive(NOW) is True
        assert session.alive(NOW + SESSION_IDLE - MS) is True
        assert session.alive(NOW + SESSION_IDLE) is False

    def test_an_active_session_ends_after_ninety_days(self) -> None:
        session = replace(a_session(), refreshed_at=NOW + SESSION_LIFE - MS)

        assert session.alive(NOW + SESSION_LIFE - MS) is True
        assert session.alive(NOW + SESSION_LIFE) is False

    def test_an_ended_session_stays_ended(self) -> None:
        ended = a_session().ended(NOW)

        assert ended.alive(NOW) is False
        assert ended.ended(NOW + MS) is ended

    def test_a_refresh_with_the_newest_token_advances_the_chain(self) -> None:
        later = NOW + timedelta(days=1)

        assert a_session(3).refreshed(3, later) == replace(a_session(4), refreshed_at=later)

    @pytest.mark.parametrize("after", [timedelta(), REUSE_GRACE])
    def test_the_parent_token_within_the_grace_changes_nothing(self, after: timedelta) -> None:
        session = a_session(3)

        assert session.refreshed(2, NOW + after) is session

    def test_a_use_of_the_parent_token_does_not_extend_its_grace(self) -> None:
        """ID-5."""
        session = a_session(3).refreshed(2, NOW + REUSE_GRACE)

        assert session.refreshed(2, NOW + REUSE_GRACE + MS).alive(NOW) is False

    def test_each_token_has_its_own_grace_of_thirty_seconds(self) -> None:
        """ID-5."""
        session, second = a_session(), timedelta(seconds=1)
        for number in range(40):  # one per second
            session = session.refreshed(number, NOW + number * second)
        now = NOW + 39 * second

        for number in range(40):
            exchanged_at = NOW + number * second
            if now <= exchanged_at + REUSE_GRACE:
                assert session.refreshed(number, now) is session
                assert session.exchanged_at(number) == exchanged_at
            else:
                assert session.refreshed(number, now).ended_at == now
        assert session.refreshed(35, NOW + 35 * second + REUSE_GRACE) is session
        assert session.refreshed(35, NOW + 35 * second + REUSE_GRACE + MS).ended_at is not None

    def test_the_number_of_stored_exchanges_is_bounded(self) -> None:
        """ID-5."""
        session, now = a_session(), NOW
        for number in range(5000):
            now = NOW + number * timedelta(milliseconds=20)
            session = session.refreshed(number, now)
            assert len(session.exchanges) <= 32

        assert session.refreshed(5000 - 1400, now) is session, "28 s ago"
        assert session.refreshed(5000 - 1600, now).ended_at == now, "32 s ago"

    def test_a_new_chain_has_no_exchanges_of_the_old_one(self) -> None:
        session = a_session().refreshed(0, NOW).refreshed(1, NOW)

        renewed = session.renewed(b"r" * 16, NOW + MS)

        assert (renewed.seed, renewed.generation, renewed.exchanges) == (b"r" * 16, 3, ())
        assert renewed.refreshed_at == renewed.authenticated_at == NOW + MS

    @pytest.mark.parametrize(
        ("generation", "after"),
        [
            (2, REUSE_GRACE + MS),  # the parent, too late
            (1, timedelta()),  # its exchange is not stored, so it was long ago
            (0, timedelta(days=1)),
            (4, timedelta()),  # a token that was never issued
        ],
    )
    def test_any_other_token_ends_the_session(self, generation: int, after: timedelta) -> None:
        """ID-5."""
        session = a_session(3)

        assert session.refreshed(generation, NOW + after) == replace(session, ended_at=NOW + after)

    @given(uses=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 60)), max_size=12))
    def test_at_most_one_chain_continues_whatever_tokens_are_used(self, uses: list[tuple[int, int]]) -> None:
        """A token stays usable for thirty seconds after its own exchange. A later use ends the session (ID-5)."""
        session, now, moved_at = a_session(), NOW, dict[int, datetime]()
        for back, seconds in uses:
            now += timedelta(seconds=seconds)
            used = session.generation - back
            if used < 0 or session.ended_at:
                continue
            after = session.refreshed(used, now)
            if back == 0:
                assert (after.generation, after.ended_at) == (used + 1, None)
                moved_at[used] = now
            elif now - moved_at[used] <= REUSE_GRACE:
                assert after == session
            else:
                assert after.ended_at == now
            session = after
