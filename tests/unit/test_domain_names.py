"""Reserved usernames and deceptive display names."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.text import graphemes
from domain.identity import username
from domain.names import RESERVED, display_name, is_reserved, mixes_scripts, skeleton
from domain.shared import Invalid

ACUTE = "\N{COMBINING ACUTE ACCENT}"
FAMILY = "\U0001f468‍\U0001f469‍\U0001f467‍\U0001f466"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


def code_of_display_name(raw: str) -> str | None:
    """The error code of a display name; None if it is accepted."""
    try:
        display_name(raw, graphemes)
    except Invalid as error:
        (found,) = error.field_errors
        assert found.field == "display_name"
        return found.code
    return None


def code_of_username(raw: str) -> str | None:
    try:
        username(raw)
    except Invalid as error:
        return error.field_errors[0].code
    return None


@pytest.mark.parametrize(
    "name",
    [
        "Ann",
        "Aoife Ní Bhriain",
        "Tomáš Novák",
        "Ægir Þórsson",
        "Łukasz Żółć",
        "Gülşen Çağrı İnce",
        "Nguyễn Thị Ngọc Ẩn",
        unicodedata.normalize("NFD", "Nguyễn Thị Ngọc Ẩn"),
        "Hawaiʻi Kaʻiulani",
        "Владимир Ёлкин",
        "Олена Коваленко",
        "Дар'я Мар\N{MODIFIER LETTER APOSTROPHE}яна",
        "Νίκος Παπαδόπουλος",
        "Հայկ Սարգսյան",
        "გიორგი",
        "نرگس می\N{ZERO WIDTH NON-JOINER}خواهم",
        "عمر سالم",
        "مُحَمَّد",
        "נועה לוי",
        "שָׁלוֹם",
        "अनिका शर्मा",
        "क्\N{ZERO WIDTH JOINER}ष",
        "শ্রীমতী",
        "தமிழ்ச்செல்வி",
        "สมชาย ใจดี",
        "ကျော်ဇော",
        "བསྟན་འཛིན་རྒྱ་མཚོ",
        "አበበ ቢቂላ",
        "ᏣᎳᎩ",
        "陈伟",
        "森 健二",
        "田中Tanaka",
        "サトーさとう佐藤",
        "東京タワーTV",
        "박민서",
        "K팝한국",
        "Ivan Иван",
        "Anna (Анна)",
        "Мария-Luise",
        "Maya 🐝",
        f"{FAMILY} Family {ENGLAND}",
        "1️⃣ First",
        "Ann ✨❤️✨",
        "R2-D2",
        "Joe Root",
        "Mod Squad",
        "Alan Turing",
        "Bot",
        "Help",
        "",
        "   ",
    ],
)
def test_display_names_of_many_languages_are_accepted(name: str) -> None:
    """IN-4."""
    shown = display_name(name, graphemes)

    assert shown == unicodedata.normalize("NFC", name).strip()


@pytest.mark.parametrize(
    "name",
    [
        "Аnn",  # the A is Cyrillic
        "Pаypal Service",
        "Αnn",  # Greek
        "Ann Βee",
        "Jοhn",
        "Նina",  # Armenian
        "Пет\N{GREEK SMALL LETTER RHO}ов",
        "Annא",
        "Annب",
        "Ꭺnn",  # Cherokee
        "Ⅷвадим",
        "Ｐａуｌ",  # full-width, with Cyrillic letters
        "Ann_Вee",
    ],
)
def test_a_word_that_mixes_alphabets_is_refused(name: str) -> None:
    """IN-4."""
    assert code_of_display_name(name) == "mixed_scripts"


@pytest.mark.parametrize(
    "name",
    [
        "Admin",
        "admin",
        "ADMIN",
        "Ádmïn",
        "Ａｄｍｉｎ",
        "𝐀𝐝𝐦𝐢𝐧",
        "Ⓐⓓⓜⓘⓝ",
        "🅰🅳🅼🅸🅽",
        "ᴀᴅᴍɪɴ",
        "adm1n",
        "4DM|N",
        "adrnin",
        "A d m i n",
        "a.d.m.i.n",
        "_admin_",
        "Admin ✅",
        "✔ Official",
        "Waggle",
        "VVaggle",
        "Waggle Support",
        "“Waggle Support”",
        "The Waggle Team",
        "waggle-security",
        "Support Team",
        "System Administrator",
        "Моd",
        "Μοd",
    ],
)
def test_display_names_that_claim_authority_are_refused(name: str) -> None:
    """IN-4."""
    assert code_of_display_name(name) in {"name_reserved", "mixed_scripts"}


def test_look_alikes_of_reserved_names_within_one_alphabet_are_refused() -> None:
    """IN-4."""
    assert code_of_display_name("ѕуѕтем") == "name_reserved"  # all of it is Cyrillic


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Z" + "\N{COMBINING GRAVE ACCENT}" * 6, "characters"),
        ("A" + "\N{COMBINING ENCLOSING CIRCLE}" * 5, "characters"),
        ("Ann\N{RIGHT-TO-LEFT OVERRIDE}nnA", "characters"),
        ("Ann\N{RIGHT-TO-LEFT ISOLATE}nnA", "characters"),
        ("Ann\N{ARABIC LETTER MARK}", "characters"),
        ("An\N{SOFT HYPHEN}n", "characters"),
        ("An\N{ZERO WIDTH SPACE}n", "characters"),
        ("An\N{INVISIBLE TIMES}n", "characters"),
        ("Ann\nBob", "characters"),
        ("Ann\0", "characters"),
        ("\N{HANGUL FILLER}", "empty"),
        ("\N{HANGUL CHOSEONG FILLER}\N{HANGUL JUNGSEONG FILLER}", "empty"),
        ("\N{HALFWIDTH HANGUL FILLER} \N{BRAILLE PATTERN BLANK}", "empty"),
        ("\N{ZERO WIDTH JOINER}", "empty"),
        ("\N{VARIATION SELECTOR-16}", "empty"),
        (ACUTE, "empty"),
        ("x" * 51, "too_long"),
        ("🐝" * 101, "too_long"),
    ],
)
def test_deceptive_and_invisible_display_names_are_refused(name: str, expected: str) -> None:
    """IN-4."""
    assert code_of_display_name(name) == expected


@given(raw=st.text(st.characters(), max_size=30))
def test_an_accepted_display_name_is_accepted_again_unchanged(raw: str) -> None:
    """IN-4."""
    if code_of_display_name(raw) is None:
        name = display_name(raw, graphemes)
        assert display_name(name, graphemes) == name


@pytest.mark.parametrize("name", sorted(name for name in RESERVED if len(name) >= 3))
def test_look_alikes_of_reserved_usernames_are_refused(name: str) -> None:
    """IN-3."""
    disguised = name.translate(str.maketrans("oleastb", "01345" + "78"))
    disguises = [
        name,
        name.upper(),
        f"_{name}_",
        f"{name}__",
        "_".join(name),
        disguised,
        name.replace("i", "1"),
    ]

    assert {code_of_username(disguise) for disguise in disguises if len(disguise) <= 30} == {
        "username_reserved"
    }


@pytest.mark.parametrize(
    "name",
    ["ann", "a_1", "123", "adam", "minna", "roots", "helper", "amaya", "newsboy", "user_1", "support_group"],
)
def test_other_usernames_are_accepted(name: str) -> None:
    assert code_of_username(name) is None
    assert is_reserved(name) is False


@pytest.mark.parametrize(
    "raw",
    [
        "\N{LATIN SMALL LIGATURE FI}nn",
        "\N{ROMAN NUMERAL EIGHT}",
        "vi\N{ROMAN NUMERAL EIGHT}",
        "\N{LATIN SMALL LETTER LONG S}am",
        "\N{KELVIN SIGN}elvin",
        "\N{FULLWIDTH LATIN SMALL LETTER A}nn",
        "ann\N{SUPERSCRIPT TWO}",
        "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}nn",
        "\N{LATIN SMALL LETTER DOTLESS I}nn",
        "\N{CYRILLIC SMALL LETTER A}nn",
        "\N{LATIN SMALL LETTER SHARP S}ann",
        "ann\N{ZERO WIDTH JOINER}",
        "ann\N{RIGHT-TO-LEFT OVERRIDE}",
    ],
)
def test_usernames_that_fold_into_ascii_are_refused(raw: str) -> None:
    """IN-3: The domain refuses it before any store is used, so the result does not depend on the store."""
    assert code_of_username(raw) == "username_format"


@given(text=st.text(st.characters(), max_size=200))
def test_the_check_of_a_name_always_terminates(text: str) -> None:
    assert skeleton(skeleton(text)) == skeleton(text)
    assert mixes_scripts(text) in {True, False}
