"""Text rules, field errors, and the time in an id."""

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.text import graphemes
from domain.shared import FieldError, FieldErrors, Invalid, TextRule, made_at

POST = TextRule("text", max_graphemes=10, max_bytes=100, required=True, lines=True)
NAME = TextRule("name", max_graphemes=10, max_bytes=100)

FAMILY = "\U0001f468‍\U0001f469‍\U0001f467‍\U0001f466"
ZALGO = "Z" + "\N{COMBINING GRAVE ACCENT}" * 20


def code_of_text(rule: TextRule, raw: str) -> str | None:
    try:
        rule.apply(raw, graphemes)
    except Invalid as error:
        (found,) = error.field_errors
        assert found.field == rule.field
        return found.code
    return None


class TestTextRules:
    @pytest.mark.parametrize(
        "raw",
        [
            "bee",
            "one\ntwo\t3",
            "🐝" * 10,
            FAMILY * 4,
            ZALGO,
            "שלום",
            "\u202eeed\u202c",  # right-to-left override
            "a\u200bb",
            "x" * 10,
            "é" * 10,
        ],
    )
    def test_allowed_text_is_unchanged(self, raw: str) -> None:
        assert POST.apply(raw, graphemes) == raw

    def test_text_is_stored_in_nfc_with_unix_line_ends_and_no_outer_spaces(self) -> None:
        assert POST.apply("  e\N{COMBINING ACUTE ACCENT}\r\nb\rc\n\n", graphemes) == "é\nb\nc"

    @pytest.mark.parametrize(
        "raw", ["x" * 11, "🐝" * 11, FAMILY * 5, "Z" + "\N{COMBINING GRAVE ACCENT}" * 50, "x" * 10**6]
    )
    def test_text_with_too_many_characters_or_bytes_is_refused(self, raw: str) -> None:
        assert code_of_text(POST, raw) == "too_long"

    def test_the_length_is_measured_after_normalization(self) -> None:
        grows = "\N{MUSICAL SYMBOL SIXTEENTH NOTE}" * 10  # NFC decomposes it into three times the bytes

        assert len(grows.encode()) <= POST.max_bytes
        assert code_of_text(POST, grows) == "too_long"

    @pytest.mark.parametrize(
        "raw", ["a\0b", "\x01", "a\x1b[31m", "a\x7fb", "a\x85b", "\ud83d", "a\udc1d", "\x0b"]
    )
    def test_control_characters_and_unpaired_surrogates_are_refused(self, raw: str) -> None:
        assert code_of_text(POST, raw) == "characters"
        assert code_of_text(NAME, raw) == "characters"

    @pytest.mark.parametrize("raw", ["", " ", "\n\t", "\u3000", "\u200b\u200d", "\u2028", "\ufeff", "\u202e"])
    def test_text_without_visible_characters_is_empty(self, raw: str) -> None:
        assert code_of_text(POST, raw) == "empty"

    @pytest.mark.parametrize("break_", ["\n", "\r", "\r\n", "\t", "\u2028", "\u2029"])
    def test_a_single_line_text_may_not_have_line_breaks(self, break_: str) -> None:
        assert code_of_text(NAME, f"Ann{break_}Bob") == "characters"

    @pytest.mark.parametrize("char", "\u200b\u200e\u200f\u202a\u202e\u2060\u2066\u2069\ufeff")
    def test_invisible_and_direction_changing_characters_are_refused_in_names(self, char: str) -> None:
        assert code_of_text(NAME, f"Ann{char}Bob") == "characters"
        assert code_of_text(POST, f"Ann{char}Bob") is None

    def test_names_may_contain_the_joiners_that_scripts_and_emoji_need(self) -> None:
        assert NAME.apply(f"می\u200cروم {FAMILY}", graphemes) == f"می\u200cروم {FAMILY}"

    def test_an_optional_text_may_be_empty(self) -> None:
        assert NAME.apply("  ", graphemes) == ""

    @given(raw=st.text(st.characters(), max_size=30), rule=st.sampled_from([POST, NAME]))
    def test_accepted_text_is_accepted_again_unchanged_and_within_the_limits(
        self, raw: str, rule: TextRule
    ) -> None:
        try:
            text = rule.apply(raw, graphemes)
        except Invalid:
            return
        assert rule.apply(text, graphemes) == text
        assert unicodedata.is_normalized("NFC", text)
        assert len(text.encode()) <= rule.max_bytes
        assert graphemes(text) <= rule.max_graphemes
        assert rule.lines or len(text.splitlines()) <= 1
        assert "\0" not in text


class TestFieldErrors:
    ONE, TWO = FieldError("a", "one", "1"), FieldError("b", "two", "2")

    def test_all_field_errors_are_reported_at_once(self) -> None:
        def collect() -> None:
            with FieldErrors.collected() as field_errors:
                with field_errors:
                    raise Invalid(self.ONE)
                with field_errors:
                    raise Invalid(self.TWO)

        with pytest.raises(Invalid) as caught:
            collect()

        assert list(caught.value.field_errors) == [self.ONE, self.TWO]
        assert str(caught.value) == "1; 2"

    def test_without_field_errors_nothing_is_raised(self) -> None:
        with FieldErrors.collected() as field_errors, field_errors:
            name = "fine"
        assert name == "fine"

    def test_an_exception_that_is_no_field_error_is_raised_unchanged(self) -> None:
        def collect() -> None:
            with FieldErrors.collected() as field_errors, field_errors:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            collect()


@pytest.mark.parametrize(
    ("id_", "at"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1_767_225_600_123 << 16 | 0xFFFF, datetime(2026, 1, 1, 0, 0, 0, 123_000, tzinfo=UTC)),
        (2**63 - 1, datetime(6429, 10, 17, 2, 45, 55, 327_000, tzinfo=UTC)),
    ],
)
def test_an_id_contains_the_time_of_its_allocation(id_: int, at: datetime) -> None:
    assert made_at(id_) == at
