"""Words are the same in texts and in queries, in any language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.text import graphemes
from domain.shared import Invalid
from domain.words import MAX_WORD, MAX_WORDS, Phrase, check_length, phrase, words

TEXT = st.text(max_size=60) | st.text(
    st.sampled_from("aAéßđŁæĳı東京都าิ벌ёЁ \u0301\u3099\ufe0f\u200b\u200d#_*\"'1"), max_size=30
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The busy, busy bee!", ("the", "busy", "busy", "bee")),
        ("Café CAFÉ cafe\u0301", ("cafe", "cafe", "cafe")),
        ("Straße ﬁne Ⅳ ２０２６", ("strasse", "fine", "iv", "2026")),
        ("don't well-known a_b", ("don", "t", "well", "known", "a", "b")),
        ("Ёлка й", ("елка", "и")),
        ("İstanbul ISPARTA ısparta", ("istanbul", "isparta", "isparta")),
        ("Đà Nẵng Łódź Smørrebrød Ħamrun Ŧuŧŧ", ("da", "nang", "lodz", "smorrebrod", "hamrun", "tutt")),
        ("Ærø cœur ışık Weiß Straẞe", ("aero", "coeur", "isik", "weiss", "strasse")),
        (
            "Þór Eyjafjörður Ŋandi ĸ ſeife Əli Ɓaƙi ɛ ɔ",
            ("thor", "eyjafjordur", "nandi", "q", "seife", "eli", "baki", "e", "o"),
        ),
        ("ĐÀ NẴNG ŁÓDŹ SMØRREBRØD", ("da", "nang", "lodz", "smorrebrod")),
        ("Ĳ ǆ ꜳ ǿ ȷ ʉ", ("ij", "dz", "aa", "o", "j", "u")),
        ("iŀlusió il·lusió", ("il", "lusio", "il", "lusio")),
        ("honey\u200bbee ភាសា\u200bខ្មែរ", ("honey", "bee", "ភាសា", "សា", "ខ្មែ", "មែរ", "រ")),
        ("honey\u3164bee honey\u2003bee\u00a0x\u2028y", ("honey", "bee", "honey", "bee", "x", "y")),
        ("می\u200cخواهم ක්\u200dෂ so\u2060ft\ufeffly\u200e", ("میخواهم", "ක්ෂ", "softly")),
        ("ΜΈΛΙΣΣΕΣ μέλισσες", ("μελισσεσ", "μελισσεσ")),
        ("شَهْدٌ شـهـد", ("شهد", "شهد")),
        ("שָׁלוֹם", ("שלום",)),
        ("नमस्ते दुनिया", ("नमस्ते", "दुनिया")),
        ("東京都", ("東京", "京都", "都")),
        ("がか", ("がか", "か")),
        ("벌 하나", ("벌", "하나", "나")),
        ("สวน", ("สว", "วน", "น")),
        ("ผึ้ง", ("ผึ้ง", "ง")),
        ("蜂2026年bee", ("蜂", "2026", "年", "bee")),
        ("1\ufe0f\u20e3 🐝 …", ("1",)),
        ("soft\u00adly", ("softly",)),
        ("\u0301 \u0e34", ()),
        ("𠀀𠀁", ("𠀀𠀁", "𠀁")),
    ],
)
def test_spellings_that_readers_take_for_the_same_word_are_one_word(
    text: str, expected: tuple[str, ...]
) -> None:
    assert words(text) == expected


@given(TEXT)
def test_words_contain_no_special_characters_of_databases(text: str) -> None:
    for word in words(text):
        assert 0 < len(word) <= MAX_WORD
        assert not set(word) & set(" \t\n\x00\"'\\*:&|!()<>#@_-^%;")
        assert not word.isascii() or (word.isalnum() and word == word.lower())


@given(TEXT, TEXT)
def test_separate_words_are_found_separately(one: str, two: str) -> None:
    assert words(f"{one}\n{two}") == words(one) + words(two)


@given(TEXT, TEXT, TEXT)
def test_any_part_of_a_text_between_blanks_is_found(before: str, asked: str, after: str) -> None:
    found = phrase(asked)

    assert found is None or found.occurs_in(words(f"{before} {asked} {after}"))


@given(st.text(st.sampled_from("東京都蜂蜜หน"), min_size=1, max_size=12), st.data())
def test_any_part_of_a_text_without_blanks_is_found(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    found = phrase(text[start:end])

    assert found is not None
    assert found.occurs_in(words(text))


@given(st.text(st.sampled_from("abcdé"), min_size=1, max_size=8), st.integers(1, 8))
def test_a_prefix_matches_only_with_a_star(text: str, length: int) -> None:
    beginning = text[:length]
    starred, plain = phrase(beginning, prefix=True), phrase(beginning)

    assert starred is not None
    assert plain is not None
    assert starred.occurs_in(words(text))
    assert plain.occurs_in(words(text)) is (words(beginning) == words(text))


def test_a_phrase_that_continues_after_a_script_without_blanks_is_found() -> None:
    found = phrase("東京 waggle")

    assert found == Phrase(("東京", "京", "waggle"))
    assert found.occurs_in(words("大東京 waggle"))
    assert not found.occurs_in(words("東京都 waggle"))


def test_long_words_and_long_texts_are_cut() -> None:
    assert words("b" * 1000) == ("b" * MAX_WORD,)
    assert words("é" * 1000) == ("e" * MAX_WORD,)
    assert len(words("b " * 9000)) == len(words("é " * 9000)) == len(words("東" * 9000)) == MAX_WORDS


def test_a_query_beyond_the_length_limit_is_refused() -> None:
    check_length("東" * 200, graphemes)
    check_length("b" * 200, graphemes)
    for long in (
        "b" * 201,
        "🐝" * 201,
        "e\u0301" * 300,
        "👨\u200d👩\u200d👧" * 60,
        "x" * 100_000,
        "\ud800" * 900,
    ):
        with pytest.raises(Invalid):
            check_length(long, graphemes)
