"""What a name, an address and a password may be, and how a session lives."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.text import ascii_domain, email_key
from domain.identity import (
    RECENT,
    REUSE_GRACE,
    SESSION_IDLE,
    SESSION_LIFE,
    Account,
    RecentLoginRequired,
    Session,
    device,
    email,
    new_password,
    password,
    username,
)
from domain.names import RESERVED
from domain.shared import Invalid, SessionId, UserId

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)
UNICODE = st.text(st.characters(), max_size=40)
"""Whatever a client may send, halves of surrogate pairs included."""


def code_of(rule: Callable[[str], object], raw: str) -> str | None:
    """The code of the fault that `rule` finds in `raw`; None if it finds none."""
    try:
        rule(raw)
    except Invalid as error:
        return error.field_errors[0].code
    return None


def any_new_password(raw: str) -> str:
    return new_password(raw, common=lambda _: False)


class TestUsername:
    @pytest.mark.parametrize("raw", ["ann", "a_1", "___", "x" * 30, "123"])
    def test_these_are_usernames(self, raw: str) -> None:
        assert username(raw) == raw

    def test_case_is_ignored(self) -> None:
        assert username("Ann_B") == "ann_b"

    @pytest.mark.parametrize(
        "raw",
        [
            "",
            "ab",
            "x" * 31,
            "ann b",
            " ann",
            "ann ",
            "ann\n",
            "ann\0",
            "ann-b",
            "ann.b",
            "@ann",
            "änn",
            "аnn",  # the first letter is Cyrillic
            "ann１",
            "ﬁnn",
            "\N{KELVIN SIGN}elvin",  # its lower case is an ASCII k
            "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}nn",
            "ann\u200d",
            "\ud800nn",
        ],
    )
    def test_id3_these_are_none(self, raw: str) -> None:
        assert code_of(username, raw) == "username_format"

    @pytest.mark.parametrize("raw", sorted(RESERVED))
    def test_reserved_names_are_refused_in_any_case(self, raw: str) -> None:
        expected = "username_reserved" if len(raw) >= 3 else "username_format"

        assert {code_of(username, raw), code_of(username, raw.upper())} == {expected}

    @given(raw=UNICODE)
    def test_what_is_accepted_is_canonical(self, raw: str) -> None:
        try:
            name = username(raw)
        except Invalid:
            return
        assert username(name) == name
        assert name.isascii()


def an_email(raw: str) -> str:
    return email(raw, ascii_domain)


class TestEmail:
    @pytest.mark.parametrize(
        "raw",
        [
            "ann@example.org",
            "Ann.B+tag@sub.example.co.uk",
            "o'hara@example.org",
            "a@b.io",
            "ñandú@exämple.org",
            "x" * 64 + "@example.org",
            "用户@例子.公司",
            "ann@r3---sn.example.org",
            "ann@xn--mnchen-3ya.de",
            "!#$%&'*+-/=?^_`{|}~@example.org",
        ],
    )
    def test_these_are_addresses(self, raw: str) -> None:
        assert an_email(raw) == raw

    def test_id3_blanks_around_it_are_no_part_of_it(self) -> None:
        assert an_email("  ann@example.org\n") == "ann@example.org"

    def test_it_is_kept_in_one_form(self) -> None:
        assert an_email("jose\N{COMBINING ACUTE ACCENT}@example.org") == "josé@example.org"

    @pytest.mark.parametrize(
        "raw",
        [
            "",
            "ann",
            "ann@",
            "@example.org",
            "ann@example",
            "ann@@example.org",
            "ann@b@example.org",
            "ann b@example.org",
            "ann@exam ple.org",
            "ann@example..org",
            "ann@.org",
            "ann@example.org.",
            "ann@example.o",
            "<ann@example.org>",
            "<x@y.org>",
            "Ann <ann@example.org>",
            "foo..bar@example.org",
            ".foo@example.org",
            "foo.@example.org",
            '"foo bar"@example.org',
            '"foo"@example.org',
            "foo(comment)@example.org",
            "foo,bar@example.org",
            "foo;bar@example.org",
            "foo:bar@example.org",
            "foo\\bar@example.org",
            "mailto:foo@example.org",
            "ann@[127.0.0.1]",
            "ann@[IPv6:::1]",
            "ann@127.0.0.1",
            "ann@example.123",
            "ann@-example.org",
            "ann@example-.org",
            "ann@exam_ple.org",
            "ann@example.org/path",
            "ann@example.org:25",
            "ann@xn--a.org",
            "ann@\u2764.org",
            "ann@exa\u00admple\u200d.org",
            "ann\0@example.org",
            "ann\r\nBcc: all@example.org",
            "ann@example.org\r\nBcc: all@example.org",
            "ann\u202e@example.org",
            "ann\u200b@example.org",
            "ann\u00a0b@example.org",
            "\ud800@example.org",
            "ann@\ud800.org",
            "x" * 65 + "@example.org",
            "ü" * 33 + "@example.org",
            "a@" + "b" * 64 + ".org",
            "a@" + ("b" * 61 + ".") * 4 + "organic",
            "ü" * 64 + "@" + "ü" * 62 + ".organic",
            "a@" + ("ü" * 40 + ".") * 5 + "org",
            "a@" + "b." * 100_000 + "org",
        ],
    )
    def test_id3_these_are_none(self, raw: str) -> None:
        assert code_of(an_email, raw) == "email_format"

    @given(raw=st.builds("{}@{}.org".format, UNICODE, UNICODE))
    def test_what_is_accepted_is_canonical_and_has_one_key(self, raw: str) -> None:
        try:
            address = an_email(raw)
        except Invalid:
            return
        assert an_email(address) == address
        assert email_key(raw) == email_key(address)
        assert len(address.encode()) <= 254

    @given(raw=UNICODE)
    def test_everything_that_is_typed_at_a_login_has_a_key(self, raw: str) -> None:
        assert email_key(raw) == email_key(email_key(raw))

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("ann@example.org", "ANN@EXAMPLE.ORG"),
            (" ann@example.org ", "ann@example.org"),
            ("ann@münchen.de", "ann@xn--mnchen-3ya.de"),
            ("ann@MÜNCHEN.de", "ann@mu\N{COMBINING DIAERESIS}nchen.de"),
            ("ann@münchen.de", "Ann@XN--MNCHEN-3YA.DE"),
            ("ann@例子.公司", "ann@例子。公司"),
            ("ann@\uff45\uff58ample.org", "ann@example.org"),
            ("jos\u00e9@example.org", "JOSE\u0301@example.org"),
        ],
    )
    def test_these_are_the_same_mailbox(self, one: str, other: str) -> None:
        assert email_key(one) == email_key(other)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("an.n@example.org", "ann@example.org"),
            ("straße@example.org", "strasse@example.org"),
            ("ann@straße.de", "ann@strasse.de"),
            ("\ufb01nn@example.org", "finn@example.org"),
            ("\u2177@example.org", "viii@example.org"),
            ("ann@münchen.de", "ann@munchen.de"),
        ],
    )
    def test_these_are_not(self, one: str, other: str) -> None:
        assert email_key(one) != email_key(other)


class TestPassword:
    @pytest.mark.parametrize(
        "raw",
        [
            "12345678",
            " " * 8,
            "correct horse battery staple",
            "p\0ssw\0rd",
            "пароль моей пчелы",
            "🐝" * 8,
            "x" * 256,
        ],
    )
    def test_id3_these_are_passwords(self, raw: str) -> None:
        assert any_new_password(raw) == raw

    def test_id3_its_length_is_that_of_its_one_form(self) -> None:
        assert len(any_new_password("e\u0301" * 256)) == 256
        assert code_of(any_new_password, "e\u0301" * 257) == "password_too_long"
        assert code_of(any_new_password, "\ufdfa" * 15) == "password_too_long"  # a ligature of 18

    def test_id3_the_same_characters_typed_on_another_keyboard_are_the_same_password(self) -> None:
        composed, decomposed, wide = "Ångström1", "A\u030angstro\u0308m1", "Ångström１"

        assert password(composed) == password(decomposed) == password(wide) == composed

    def test_id3_blanks_around_it_belong_to_it(self) -> None:
        assert password("  secret  ") == "  secret  "

    def test_id3_nothing_beyond_72_bytes_is_cut_off(self) -> None:
        assert password("x" * 72 + "a") != password("x" * 72 + "b")

    @pytest.mark.parametrize(
        ("raw", "code"),
        [
            ("", "password_too_short"),
            ("1234567", "password_too_short"),
            ("e\u0301" * 7, "password_too_short"),
            ("x" * 257, "password_too_long"),
            ("x" * 1_000_000, "password_too_long"),
            ("\ud800" * 8, "password_too_long"),
            ("long enough \udfff", "password_too_long"),
        ],
    )
    def test_id3_these_are_none(self, raw: str, code: str) -> None:
        assert code_of(any_new_password, raw) == code

    @pytest.mark.parametrize(
        ("raw", "code"),
        [
            ("anna_banana", "password_guessable"),
            ("my ANNA_Banana!", "password_guessable"),
            ("\uff21\uff2e\uff2e\uff21_banana", "password_guessable"),
            ("xx anna.banana xx", "password_guessable"),
            ("I love Waggle", "password_guessable"),
            ("social.example.net", "password_guessable"),
            ("anna and banana", None),
            ("of Ann, who plans", None),
            ("example.org rules", None),
            ("Password1", "password_common"),
            ("password1!", None),
        ],
    )
    def test_id3_names_and_what_is_common_are_refused(self, raw: str, code: str | None) -> None:
        names = ("anna_banana", "anna.banana", "Waggle", "social.example.net", "ann", "")

        def rule(raw: str) -> str:
            return new_password(raw, names=names, common=lambda secret: secret == "Password1")

        assert code_of(rule, raw) == code

    @given(raw=UNICODE)
    def test_a_password_that_is_accepted_is_canonical(self, raw: str) -> None:
        try:
            secret = any_new_password(raw)
        except Invalid:
            return
        secret.encode()
        assert len(secret) >= 8


class TestProfile:
    ACCOUNT = Account(id=UserId(1), username="ann", email="a@example.org", password_hash="h", bio="bees")

    def test_an_edit_replaces_what_is_given_and_raises_the_version(self) -> None:
        edited = self.ACCOUNT.edited(display_name="Ann")

        assert edited == replace(self.ACCOUNT, display_name="Ann", version=2)

    def test_an_edit_can_empty(self) -> None:
        assert self.ACCOUNT.edited(bio="") == replace(self.ACCOUNT, bio="", version=2)

    def test_an_edit_that_changes_nothing_is_none(self) -> None:
        assert self.ACCOUNT.edited() is self.ACCOUNT
        assert self.ACCOUNT.edited(bio="bees", display_name="") is self.ACCOUNT


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


class TestDevice:
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
    def test_it_is_shown_without_what_cannot_be_seen(self, raw: str, shown: str) -> None:
        assert device(raw) == shown

    @given(raw=UNICODE)
    def test_it_can_always_be_stored_and_shown(self, raw: str) -> None:
        assert len(device(raw).encode()) <= 800
        assert device(device(raw)) == device(raw)


class TestSession:
    def test_id8_what_is_dangerous_needs_a_password_of_the_last_five_minutes(self) -> None:
        session = a_session()

        session.require_recent(NOW + RECENT)
        with pytest.raises(RecentLoginRequired):
            session.require_recent(NOW + RECENT + MS)
        session.renewed(b"r" * 16, NOW + RECENT).require_recent(NOW + 2 * RECENT)
        with pytest.raises(RecentLoginRequired):  # to refresh proves nothing about the password
            session.refreshed(0, NOW + RECENT).require_recent(NOW + RECENT + MS)

    def test_id6_it_lives_while_it_is_refreshed(self) -> None:
        session = a_session()

        assert session.alive(NOW) is True
        assert session.alive(NOW + SESSION_IDLE - MS) is True
        assert session.alive(NOW + SESSION_IDLE) is False

    def test_id6_it_ends_however_active_it_is(self) -> None:
        session = replace(a_session(), refreshed_at=NOW + SESSION_LIFE - MS)

        assert session.alive(NOW + SESSION_LIFE - MS) is True
        assert session.alive(NOW + SESSION_LIFE) is False

    def test_what_has_ended_stays_ended(self) -> None:
        ended = a_session().ended(NOW)

        assert ended.alive(NOW) is False
        assert ended.ended(NOW + MS) is ended

    def test_the_current_token_moves_the_chain_on(self) -> None:
        later = NOW + timedelta(days=1)

        assert a_session(3).refreshed(3, later) == replace(a_session(4), refreshed_at=later)

    @pytest.mark.parametrize("after", [timedelta(), REUSE_GRACE])
    def test_the_parent_within_the_grace_leaves_it_as_it_is(self, after: timedelta) -> None:
        session = a_session(3)

        assert session.refreshed(2, NOW + after) is session

    def test_id5_the_grace_is_counted_from_the_refresh_and_not_extended_by_use(self) -> None:
        session = a_session(3).refreshed(2, NOW + REUSE_GRACE)

        assert session.refreshed(2, NOW + REUSE_GRACE + MS).alive(NOW) is False

    def test_id5_every_token_has_its_own_thirty_seconds(self) -> None:
        session, second = a_session(), timedelta(seconds=1)
        for number in range(40):  # one a second
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

    def test_id5_what_is_remembered_of_exchanges_is_bounded(self) -> None:
        session, now = a_session(), NOW
        for number in range(5000):
            now = NOW + number * timedelta(milliseconds=20)
            session = session.refreshed(number, now)
            assert len(session.exchanges) <= 32

        assert session.refreshed(5000 - 1400, now) is session, "28 s ago"
        assert session.refreshed(5000 - 1600, now).ended_at == now, "32 s ago"

    def test_a_new_chain_begins_with_no_memory_of_the_one_before(self) -> None:
        session = a_session().refreshed(0, NOW).refreshed(1, NOW)

        renewed = session.renewed(b"r" * 16, NOW + MS)

        assert (renewed.seed, renewed.generation, renewed.exchanges) == (b"r" * 16, 3, ())
        assert renewed.refreshed_at == renewed.authenticated_at == NOW + MS

    @pytest.mark.parametrize(
        ("generation", "after"),
        [
            (2, REUSE_GRACE + MS),  # the parent, too late
            (1, timedelta()),  # nothing is known of its exchange, so it was long ago
            (0, timedelta(days=1)),
            (4, timedelta()),  # a token that was never given out
        ],
    )
    def test_id5_any_other_token_ends_it(self, generation: int, after: timedelta) -> None:
        session = a_session(3)

        assert session.refreshed(generation, NOW + after) == replace(session, ended_at=NOW + after)

    @given(uses=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 60)), max_size=12))
    def test_id5_whoever_uses_which_token_when_one_chain_at_most_goes_on(
        self, uses: list[tuple[int, int]]
    ) -> None:
        """A token is good for thirty seconds after its own exchange, and then its use ends the session."""
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
