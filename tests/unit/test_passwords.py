"""Password hashes: bcrypt over SHA-256, with the lowest possible cost."""

import asyncio
from collections.abc import Iterator

import bcrypt
import pytest

from adapters.security.common_passwords import HASHES, CommonPasswords
from adapters.security.passwords import MAX_WAIT, WAITING_PER_CORE, BcryptPasswords
from application.shared.errors import Overloaded

LIMIT = 1 + WAITING_PER_CORE


@pytest.fixture
def passwords() -> Iterator[BcryptPasswords]:
    some = BcryptPasswords(cost=4, cores=1)
    yield some
    some.close()


@pytest.mark.parametrize(
    "secret", ["correct horse", "", "пчела 🐝", "nul \0 inside", "\0", "x" * 256, "🐝" * 256]
)
async def test_a_hashed_password_is_verified(passwords: BcryptPasswords, secret: str) -> None:
    hashed = await passwords.hash(secret)

    assert await passwords.verify(secret, hashed) == (True, None)
    assert await passwords.verify(secret + "x", hashed) == (False, None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x" * 72 + "a", "x" * 72 + "b"),
        ("x" * 71 + "é", "x" * 71 + "è"),
        ("nul \0 a", "nul \0 b"),
        ("nul", "nul\0"),
        ("case", "Case"),
        ("blank", "blank "),
    ],
)
async def test_passwords_that_differ_in_one_character_do_not_match(
    passwords: BcryptPasswords, one: str, other: str
) -> None:
    """ID-4."""
    assert await passwords.verify(other, await passwords.hash(one)) == (False, None)


async def test_equal_passwords_have_different_hashes(passwords: BcryptPasswords) -> None:
    assert await passwords.hash("secret") != await passwords.hash("secret")


async def test_a_hash_fits_its_column_and_contains_its_cost(passwords: BcryptPasswords) -> None:
    """ID-4."""
    hashed = await passwords.hash("x" * 256)

    assert len(hashed) <= 128
    assert "r=4$" in hashed


async def test_a_hash_of_another_cost_is_renewed(passwords: BcryptPasswords) -> None:
    """ID-4."""
    dearer = BcryptPasswords(cost=5, cores=1)
    hashed = await passwords.hash("secret")

    right, new_hash = await dearer.verify("secret", hashed)
    wrong = await dearer.verify("wrong", hashed)
    dearer.close()

    assert right is True
    assert new_hash is not None
    assert "r=5$" in new_hash
    assert wrong == (False, None)


async def test_a_plain_bcrypt_hash_is_accepted_and_renewed(passwords: BcryptPasswords) -> None:
    """ID-4."""
    plain = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()

    right, new_hash = await passwords.verify("secret", plain)

    assert right is True
    assert new_hash is not None
    assert new_hash.startswith("$bcrypt-sha256$")


@pytest.mark.parametrize("secret", ["x" * 100, "nul \0 inside", "🐝" * 256])
async def test_a_password_that_plain_bcrypt_cannot_hash_is_wrong(
    passwords: BcryptPasswords, secret: str
) -> None:
    plain = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()

    assert await passwords.verify(secret, plain) == (False, None)


async def test_no_password_matches_an_unknown_account(passwords: BcryptPasswords) -> None:
    """ID-1."""
    assert await passwords.verify("", None) == (False, None)
    assert await passwords.verify("anything", None) == (False, None)


@pytest.mark.parametrize("known", [True, False])
async def test_an_overload_is_refused_alike_for_known_and_unknown_accounts(
    passwords: BcryptPasswords, known: bool
) -> None:
    """ID-1."""
    hashed = await passwords.hash("secret")
    await passwords.verify("secret", None)  # after that both take the same single step

    results = await asyncio.gather(
        *(passwords.verify("secret", hashed if known else None) for _ in range(LIMIT + 5)),
        return_exceptions=True,
    )

    assert results[:LIMIT] == [(known, None)] * LIMIT
    assert [type(result) for result in results[LIMIT:]] == [Overloaded] * 5


async def test_after_an_overload_passwords_are_accepted_again(passwords: BcryptPasswords) -> None:
    """ID-4."""
    hashed = await passwords.hash("secret")
    await passwords.verify("secret", None)
    await asyncio.gather(
        *(passwords.verify("secret", hashed) for _ in range(LIMIT + 5)), return_exceptions=True
    )

    assert await passwords.verify("secret", hashed) == (True, None)


class TestCommonPasswords:
    COMMON = CommonPasswords()

    @pytest.mark.parametrize(
        "secret",
        [
            "password",
            "PASSWORD",
            "Password123!",
            "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff441",  # full-width letters
            "12345678",
            "qwertyuiop",
            "iloveyou",
            "baseball",
            "sunshine",
            "trustno1",
            "letmein123",
            "LetMeIn1234",
            "1q2w3e4r5t",
            "aaaaaaaa",
            "zzzzzzzzzzzz",
            "\U0001f41d" * 8,
            " " * 8,
            " " * 100,
            "\t\u3000\u00a0\u200b\u2800\u3164\n ",
            "  password  ",
            "pass\u200bword1",
        ],
    )
    def test_common_passwords_are_recognised_in_every_spelling(self, secret: str) -> None:
        assert self.COMMON(secret) is True

    @pytest.mark.parametrize(
        "secret",
        [
            "correct horse battery",
            "correct horse battery staple",
            "",
            "a common password",
            "the password is swordfish",
            "x" * 256,
            "\U0001f41d" * 64,
            "pilgrim otter 42",
        ],
    )
    def test_uncommon_passwords_are_accepted(self, secret: str) -> None:
        assert self.COMMON(secret) is False

    def test_the_filter_has_few_false_positives(self) -> None:
        bits = self.COMMON._bits
        full = sum(map(int.bit_count, bits)) / (8 * len(bits))

        assert len(bits) == 400_000 * 20 // 8
        assert 0.49 < full < 0.51, "each password has set its fourteen bits"
        assert full**HASHES < 1 / 10_000
        others = (f"{number * 7919:x} and something long" for number in range(20_000))
        assert sum(map(self.COMMON, others)) <= 20


async def test_fewer_passwords_may_wait_while_hashing_is_slow(passwords: BcryptPasswords) -> None:
    """ID-4."""
    hashed = await passwords.hash("secret")
    await passwords.verify("secret", None)
    passwords._took = MAX_WAIT

    results = await asyncio.gather(
        *(passwords.verify("secret", hashed) for _ in range(4)), return_exceptions=True
    )

    assert [type(result) for result in results] == [tuple, tuple, Overloaded, Overloaded]
    assert passwords._took < MAX_WAIT
    assert await passwords.verify("secret", hashed) == (True, None)
