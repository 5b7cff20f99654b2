"""What is sealed can be opened by this server, in its place, unaltered, and not otherwise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.security.sealing import Secrets

MASTER = bytes(range(32))
SECRETS = Secrets(MASTER)
PLACE = "accounts.email/7"
SEALED = SECRETS.seal(b"ann@example.org", PLACE)


def opens(secrets: Secrets, sealed: bytes, place: str) -> bool:
    try:
        secrets.open(sealed, place)
    except ValueError:
        return False
    return True


@given(plain=st.binary(max_size=300), place=st.text(max_size=30))
def test_what_was_sealed_is_opened(plain: bytes, place: str) -> None:
    assert SECRETS.open(SECRETS.seal(plain, place), place) == plain


def test_the_same_is_never_sealed_alike() -> None:
    assert SECRETS.seal(b"ann@example.org", PLACE) != SEALED


def test_what_is_sealed_does_not_show() -> None:
    assert b"ann" not in SEALED


@pytest.mark.parametrize("place", ["accounts.email/8", "accounts.phone/7", "accounts.email/7 ", ""])
def test_what_was_moved_does_not_open(place: str) -> None:
    assert opens(SECRETS, SEALED, place) is False


@given(position=st.integers(0, len(SEALED) - 1), bit=st.integers(0, 7))
def test_what_was_altered_by_one_bit_does_not_open(position: int, bit: int) -> None:
    altered = bytearray(SEALED)
    altered[position] ^= 1 << bit

    assert opens(SECRETS, bytes(altered), PLACE) is False


@pytest.mark.parametrize("length", [0, 1, 11, 12, 13, 27, 28, len(SEALED) - 1])
def test_what_was_cut_off_does_not_open(length: int) -> None:
    assert opens(SECRETS, SEALED[:length], PLACE) is False


def test_another_master_key_opens_nothing() -> None:
    assert opens(Secrets(MASTER[::-1]), SEALED, PLACE) is False


def test_a_short_master_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Secrets(b"short")


def test_what_is_sealed_is_found_by_its_index() -> None:
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
