"""Links in a text, positions of entities, and stored texts."""

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.posts import (
    Entity,
    EntityType,
    find_entities,
    hashtag,
)
from domain.posts.entities import MAX_ENTITIES, find_entities_again
from domain.posts.links import MAX_URL
from domain.shared import Invalid, UserId
from tests.unit.test_domain_entities import FAMILY, cut, found

CLOSING_MARKS = (
    "، ؛ ؟ ۔ । ॥ ։ ՝ ՞ ። ፣ ፤ ፧ ။ ၊ ៕ ។ ། ༎ ᠂ ᠃ ܀ ߸ ๏ · ; 。 、 ｡ ､ ・ ･ ， ． ！ ？ ： ； … ‥ ） ］ ｝ ｠ ｣ 」 』 】 〕 》 〉 〟 ﴿ ⟩ "
    "» › ” ’ ″ ¿ ¡ 〜 ～ ) ] .) '. !? ）。 ؟! 」、"
).split()


class TestLinks:
    @pytest.mark.parametrize(
        ("text", "links"),
        [
            ("https://example.org", ["https://example.org"]),
            ("HTTP://Example.org:8080/a?b=c#d.", ["HTTP://Example.org:8080/a?b=c#d"]),
            (
                "see https://example.org/a, or http://b.example!",
                ["https://example.org/a", "http://b.example"],
            ),
            ("(https://example.org/a_(b))", ["https://example.org/a_(b)"]),
            ("(https://example.org/)", ["https://example.org/"]),
            ("[https://example.org/].", ["https://example.org/"]),
            ("“https://example.org/”", ["https://example.org/"]),
            ("<https://example.org/>", ["https://example.org/"]),
            ("見てhttps://example.org/を", ["https://example.org/を"]),
            ("https://例え.テスト/", ["https://例え.テスト/"]),
            ("https://example.org./", ["https://example.org./"]),
            ("xhttps://example.org", []),
            ("ftp://example.org javascript:alert(1) //example.org", []),
            ("https:// https://. https://a https://-a.org https://a..org", []),
            ("https://user@example.org/ https://user:pass@example.org/", []),
            ("https://example.org:port/ https://example.org:123456/", []),
            ("https://example.org\\@evil.example/", ["https://example.org"]),
            ("https://a.example/\u202egpj.exe", ["https://a.example/"]),
            ("https://" + "a" * 64 + ".org", []),
            (
                "(see https://example.org/a_(b), or (https://b.example))",
                ["https://example.org/a_(b)", "https://b.example"],
            ),
            (
                "https://example.org/a( https://example.org/a()( [https://example.org/a[1]]",
                ["https://example.org/a", "https://example.org/a()", "https://example.org/a[1]"],
            ),
            (
                "‹https://example.org/› ‚https://example.org/‘ 'https://example.org/'",
                ["https://example.org/"] * 3,
            ),
            (
                "https://example.org/— https://example.org/a-b–",
                ["https://example.org/", "https://example.org/a-b"],
            ),
            ("https://ca.wikipedia.org/wiki/Col·legi·", ["https://ca.wikipedia.org/wiki/Col·legi"]),
            (
                "https://ja.wikipedia.org/wiki/スター・ウォーズ。",
                ["https://ja.wikipedia.org/wiki/スター・ウォーズ"],
            ),
            ("https://ar.wikipedia.org/wiki/باريس،_فرنسا،", ["https://ar.wikipedia.org/wiki/باريس،_فرنسا"]),
            (
                "https://en.wikipedia.org/wiki/Michelson–Morley",
                ["https://en.wikipedia.org/wiki/Michelson–Morley"],
            ),
            ("https://example.org🐝", []),
        ],
    )
    def test_a_scheme_and_a_host_make_a_link(self, text: str, links: list[str]) -> None:
        assert found(text, EntityType.LINK) == links

    @pytest.mark.parametrize(
        "link", ["https://example.org", "https://example.org/a?b=c", "https://example.org/a_(b)"]
    )
    @pytest.mark.parametrize("after", ["", " and", "\n"])
    def test_a_link_ends_before_punctuation_that_closes_a_sentence(self, link: str, after: str) -> None:
        wrong = {mark for mark in CLOSING_MARKS if found(f"{link}{mark}{after}", EntityType.LINK) != [link]}

        assert wrong == set()

    @pytest.mark.parametrize("mark", "، ؟ ۔ । ։ ። ။ ។ ། ｡ ､ ｣ ）".split())
    def test_a_link_ends_before_punctuation_without_a_following_blank(self, mark: str) -> None:
        assert found(f"https://example.org/a{mark}字", EntityType.LINK) == ["https://example.org/a"]

    def test_in2_a_link_beyond_the_length_limit_is_no_link(self) -> None:
        longest = "https://example.org/".ljust(MAX_URL, "a")

        assert found(longest, EntityType.LINK) == [longest]
        assert found(longest + "a", EntityType.LINK) == []
        assert found(longest + "a @ann #bees", EntityType.HASHTAG) == ["#bees"]


PIECES = [
    *"@#＃&/_-.,:()[]'\" \n1aZé🐝ß",
    "@ann",
    "#bees",
    "https://example.org/",
    "http",
    "://",
    FAMILY,
    "शहद",
    "عسل",
    "می\u200cخواهم",
    "e\u0301",
    "Z" + "\N{COMBINING GRAVE ACCENT}" * 9,
    "\u202e",
    "🇪🇸",
    "1\ufe0f\u20e3",
    "＠ann",
    "さん",
    "@lea@example.org",
    "@lea.example.org",
    "·・",
    "İŀﷺ",
    "।",
    "、",
    "\u200b",
]


class TestPositions:
    def test_positions_count_utf_16_code_units(self) -> None:
        assert [(entity.start, entity.end) for entity in find_entities("🐝 @ann 🐝#bees")] == [
            (3, 7),
            (10, 15),
        ]

    @given(text=st.lists(st.sampled_from(PIECES)).map("".join) | st.text())
    def test_positions_cut_out_exactly_the_entity(self, text: str) -> None:
        text = text.encode("utf-16-le", "ignore").decode("utf-16-le")
        end = 0
        try:
            entities = find_entities(text)
        except Invalid:
            return
        for entity in entities:
            piece = cut(text, entity)
            assert entity.start >= end, "in order, and none within another"
            end = entity.end
            if entity.type is EntityType.MENTION:
                assert piece[0] in "@＠"
                assert piece[1:].lower() == entity.value
            elif entity.type is EntityType.HASHTAG:
                assert piece[0] in "#＃"
                assert hashtag(piece[1:]) == entity.value
            else:
                assert piece == entity.value

    def test_in2_the_number_of_entities_is_bounded(self) -> None:
        assert len(find_entities("#a " * 2000 + "@ann " * 100)) == MAX_ENTITIES


class TestStoredTexts:
    def test_stored_texts_get_hashtags_and_links_by_current_rules_and_keep_their_mentions(self) -> None:
        text = "@lea@example.social #col·legi https://example.org/、 @bob"
        before = (
            Entity(EntityType.MENTION, 0, 4, "lea", UserId(7)),
            Entity(EntityType.HASHTAG, 20, 24, "col"),
            Entity(EntityType.LINK, 30, 51, "https://example.org/、"),
        )

        assert find_entities_again(text, before) == (
            before[0],
            Entity(EntityType.HASHTAG, 20, 29, "col·legi"),
            Entity(EntityType.LINK, 30, 50, "https://example.org/"),
        )

    def test_a_stored_text_with_too_many_mentions_is_accepted(self) -> None:
        assert find_entities_again(" ".join(f"@user_{number}" for number in range(30)), ()) == ()


HOSTILE = {
    "signs": "#" * 100_000,
    "ats": "@" * 100_000,
    "tags": "#a" * 50_000,
    "many tags": "#a " * 33_000,
    "one tag": "#" + "é" * 100_000,
    "joiners": "#ا\u200c" * 33_000,
    "joined": "#" + "ا\u200c" * 50_000,
    "marks": "#a" + "\N{COMBINING GRAVE ACCENT}" * 100_000,
    "schemes": "https://" * 12_500,
    "brackets": "https://a.b/" + "(" * 50_000 + ")" * 50_000,
    "closing": "https://a.b/" + ")" * 100_000,
    "stops": "https://a.b/" + "." * 100_000,
    "labels": "https://" + "a." * 50_000,
    "dashes": "https://a" + "-" * 100_000 + ".org",
    "ports": "https://a.b:" + "1" * 100_000,
    "names": "@abc" * 25_000,
    "halves": "http" * 25_000,
    "astral": "🐝#a" * 33_000,
    "hyphens": "@abc" + "-" * 100_000,
    "hyphenated": "@abc" + "-a" * 50_000 + "!",
    "servers": "@abc@" * 20_000,
    "rooms": "@abc:" + "a-" * 50_000,
    "marks before": ("\u0301" * 100 + "@abc ") * 900,
    "middle dots": "#" + "a·" * 50_000,
    "closing of another script": "https://a.b/" + "é،" * 50_000,
    "opening": "https://a.b/" + "(" * 100_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_in7_hostile_texts_take_linear_time(text: str) -> None:
    start = time.process_time()
    entities = find_entities(text)
    spent = time.process_time() - start

    assert len(entities) <= MAX_ENTITIES
    if os.environ.get("WAGGLE_TEST_LONG") == "1":
        assert spent < 0.25, "quadratic work would take minutes"
