"""Refresh tokens, which form a chain."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.security.tokens import (
    ChainedRefreshTokens,
)
from domain.identity import Session, SessionEnded
from domain.shared import SessionId
from tests.unit.token_samples import (
    REFRESH,
    SESSION,
    TOKEN,
    a_session,
)


def test_a_refresh_token_matches_its_session_and_generation() -> None:
    session = a_session()

    token = REFRESH.issue(session)

    assert REFRESH.read(token) == (SESSION, 3)
    assert REFRESH.matches(token, session, 3) is True
    assert REFRESH.issue(session) == token


@pytest.mark.parametrize(
    "other",
    [a_session(id=SessionId(7)), a_session(seed=b"t" * 16), a_session(generation=4)],
    ids=["session", "seed", "generation"],
)
def test_a_refresh_token_matches_no_other_session(other: Session) -> None:
    token = REFRESH.issue(a_session())

    assert REFRESH.matches(token, other, other.generation) is False
    assert REFRESH.issue(other) != token


def test_another_key_makes_no_valid_refresh_token() -> None:
    forged = ChainedRefreshTokens(b"l" * 32).issue(a_session())

    assert REFRESH.matches(forged, a_session(), 3) is False


@pytest.mark.parametrize(
    "token",
    [
        "",
        "wgr",
        "wgr_7_3",
        "wgr_7_3_mac_more",
        "wgx_7_3_mac",
        "wgr_07_3_mac",
        "wgr_0_3_mac",
        "wgr_-7_3_mac",
        "wgr_7_-3_mac",
        "wgr_7__mac",
        "wgr_7_٣_mac",
        "wgr_7_²_mac",
        f"wgr_{2**63}_3_mac",
        "wgr_7_9999999999_mac",
        "wgr_7_3_" + "x" * 200,
        "wgr_7_3_é",
        "wgr_7_3_\ud800",
        "_" * 2**20,
        TOKEN,
    ],
)
def test_an_invalid_refresh_token_is_refused(token: str) -> None:
    with pytest.raises(SessionEnded):
        REFRESH.read(token)


@given(position=st.integers(0, 200), char=st.sampled_from("0123456789abcdefABCDEF_wgr -=\n"))
def test_a_refresh_token_with_a_changed_character_is_refused(position: int, char: str) -> None:
    session = a_session()
    token = REFRESH.issue(session)
    position %= len(token)
    changed = token[:position] + char + token[position + 1 :]
    try:
        found, generation = REFRESH.read(changed)
    except SessionEnded:
        return
    genuine = REFRESH.matches(changed, replace(session, id=found), generation)
    assert genuine is (changed == token)
