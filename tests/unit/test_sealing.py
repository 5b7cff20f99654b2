"""Sealed data can be opened only with the same key and context, and only if it is unchanged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.security.sealing import Secrets

MASTER = bytes(range(32))
SECRETS = Secrets(MASTER)
CONTEXT = "accounts.email/7"
SEALED = SECRETS.seal(b"ann@example.org", CONTEXT)


def opens(secrets: Secrets, sealed: bytes, context: str) -> bool:
    try:
        secrets.open(sealed, context)
    except ValueError:
        return False
    return True


@given(plain=st.binary(max_size=300), context=st.text(max_size=30))
def test_sealed_data_can_be_opened(plain: bytes, context: str) -> None:
    assert SECRETS.open(SECRETS.seal(plain, context), context) == plain


def test_sealing_the_same_data_twice_gives_different_results() -> None:
    assert SECRETS.seal(b"ann@example.org", CONTEXT) != SEALED


def test_sealed_data_does_not_contain_the_plain_text() -> None:
    assert b"ann" not in SEALED


@pytest.mark.parametrize("context", ["accounts.email/8", "accounts.phone/7", "accounts.email/7 ", ""])
def test_sealed_data_does_not_open_in_another_context(context: str) -> None:
    assert opens(SECRETS, SEALED, context) is False


@given(position=st.integers(0, len(SEALED) - 1), bit=st.integers(0, 7))
def test_sealed_data_with_a_changed_bit_does_not_open(position: int, bit: int) -> None:
    altered = bytearray(SEALED)
    altered[position] ^= 1 << bit

    assert opens(SECRETS, bytes(altered), CONTEXT) is False


@pytest.mark.parametrize("length", [0, 1, 11, 12, 13, 27, 28, len(SEALED) - 1])
def test_truncated_sealed_data_does_not_open(length: int) -> None:
    assert opens(SECRETS, SEALED[:length], CONTEXT) is False


def test_sealed_data_does_not_open_with_another_master_key() -> None:
    assert opens(Secrets(MASTER[::-1]), SEALED, CONTEXT) is False


def test_a_short_master_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Secrets(b"short")


def test_sealed_data_is_found_by_its_index() -> None:
    assert SECRETS.index("ann@example.org") == SECRETS.index("ann@example.org")
    assert SECRETS.index("ann@example.org") != SECRETS.index("bob@example.org")
    assert SECRETS.index("ann@example.org") != Secrets(MASTER[::-1]).index("ann@example.org")
    assert len(SECRETS.index("\ud800")) == 32


@given(purposes=st.lists(st.text(max_size=10), min_size=2, max_size=2, unique=True))
def test_each_purpose_has_a_key_of_its_own(purposes: list[str]) -> None:
    assert SECRETS.key(purposes[0]) != SECRETS.key(purposes[1])


@given(parts=st.lists(st.binary(max_size=5), max_size=4), others=st.lists(st.binary(max_size=5), max_size=4))
def test_fingerprints_are_equal_for_equal_parts_only(parts: list[bytes], others: list[bytes]) -> None:
    same = SECRETS.fingerprint(*parts) == SECRETS.fingerprint(*others)

    assert same is (parts == others)
    assert len(SECRETS.fingerprint(*parts)) <= 64
