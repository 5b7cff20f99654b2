"""What a text names, and where."""

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.identity import username
from domain.names import is_reserved
from domain.posts import (
    MAX_HASHTAGS,
    MAX_MENTIONS,
    Entity,
    EntityType,
    hashtag,
    hashtags,
    recognised,
    resolved,
    usernames,
)
from domain.posts.entities import MAX_ENTITIES, MAX_TAG, MAX_URL
from domain.shared import UserId

FAMILY = "\U0001f468‍\U0001f469‍\U0001f467‍\U0001f466"


def cut(text: str, entity: Entity) -> str:
    """What stands between two positions, as a client with UTF-16 strings cuts it out."""
    return text.encode("utf-16-le")[entity.start * 2 : entity.end * 2].decode("utf-16-le")


def found(text: str, kind: EntityType) -> list[str]:
    return [cut(text, entity) for entity in recognised(text) if entity.type is kind]


class TestMentions:
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("@ann", ["ann"]),
            ("hello @ann, and @Bob!", ["ann", "bob"]),
            ("(@ann)", ["ann"]),
            ("@ann @ANN @ann", ["ann"]),
            ("@ann's bees", ["ann"]),
            ("@ann.", ["ann"]),
            ("\n@ann\n@bob", ["ann", "bob"]),
            ("¡@ann!", ["ann"]),
            ("🐝@ann", ["ann"]),
            ("@ann-marie", ["ann"]),
            ("ann@example.org", []),
            ("@ab", []),
            ("@" + "x" * 31, []),
            ("@@ann", []),
            ("/@ann", []),
            ("@ännchen", []),
            ("@annä", []),
            ("@", []),
            ("@ ann", []),
            ("nobody", []),
            ("", []),
            ("https://example.org/?to=@ann", []),
            ("https://ann@example.org/ @bob", ["bob"]),
        ],
    )
    def test_an_at_sign_names_somebody(self, text: str, names: list[str]) -> None:
        assert usernames(recognised(text)) == names

    def test_no_more_than_twenty_are_named_and_those_again(self) -> None:
        names = [f"user_{number}" for number in range(30)]
        text = " ".join(f"@{name}" for name in [*names, names[0]])

        entities = recognised(text)

        assert usernames(entities) == names[:MAX_MENTIONS]
        assert entities[-1].value == names[0]

    @given(text=st.text(st.sampled_from("@@ aA_1/é\n.")))
    def test_every_name_could_be_a_username(self, text: str) -> None:
        for name in usernames(recognised(text)):
            assert is_reserved(name) or username(name) == name

    def test_a_mention_of_nobody_is_no_entity(self) -> None:
        entities = resolved(recognised("@ann and @bob #bees"), {"bob": UserId(7)})

        assert entities == (
            Entity(EntityType.MENTION, 9, 13, "bob", UserId(7)),
            Entity(EntityType.HASHTAG, 14, 19, "bees"),
        )


class TestHashtags:
    @pytest.mark.parametrize(
        ("text", "tags"),
        [
            ("#bees", ["bees"]),
            ("#Bees and #BEES", ["bees"]),
            ("＃bees", ["bees"]),
            ("#ＢＥＥＳ", ["bees"]),
            ("#Straße #STRASSE", ["strasse"]),
            ("#ame\u0301lie #amélie", ["amélie"]),
            ("#ﬁne", ["fine"]),
            ("#日本語、と", ["日本語"]),
            ("#नमस्ते", ["नमस्ते"]),
            ("#می\u200cخواهم", ["می\u200cخواهم"]),
            ("#ক্\u200dষ", ["ক্\u200dষ"]),
            ("#a\u200db", ["a"]),
            ("#\u200cab", []),
            ("#ب\u200c ", ["ب"]),
            ("#2026 #1a #_ #a_1", ["1a", "a_1"]),
            ("#٢٣", []),
            ("(#bees)", ["bees"]),
            ("#bees's", ["bees"]),
            ("#bees-knees", ["bees"]),
            ("a#bees é#bees 1#bees _#bees &#39; &#bees /#bees", []),
            ("क\u093f#bees", []),
            ("##bees", ["bees"]),
            ("🐝#bees🐝", ["bees"]),
            ("#\ufe0f\u20e3 1\ufe0f\u20e3", []),
            ("#葛\U000e0100", ["葛"]),
            ("#\u0301a", []),
            ("# bees", []),
            ("#", []),
            ("https://example.org/#bees", []),
            ("https://example.org/a?b#bees #wax", ["wax"]),
            ("#½", []),
            ("#ﷺ", []),
        ],
    )
    def test_a_number_sign_makes_a_tag(self, text: str, tags: list[str]) -> None:
        assert hashtags(recognised(text)) == tags

    def test_a_tag_is_as_long_as_its_limit_and_no_longer(self) -> None:
        assert hashtags(recognised("#" + "a" * MAX_TAG)) == ["a" * MAX_TAG]
        assert recognised("#" + "a" * (MAX_TAG + 1)) == []
        assert recognised("#" + "ß" * (MAX_TAG // 2 + 1)) == [], "counted in its canonical form"

    def test_in2_marks_upon_marks_make_no_long_tag(self) -> None:
        assert recognised("#Z" + "\N{COMBINING GRAVE ACCENT}" * 1000) == []

    def test_no_more_than_thirty_tags_are_made(self) -> None:
        tags = [f"tag{number}" for number in range(40)]

        assert hashtags(recognised(" ".join(f"#{tag}" for tag in tags))) == tags[:MAX_HASHTAGS]

    @given(raw=st.text())
    def test_the_canonical_form_is_its_own(self, raw: str) -> None:
        tag = hashtag(raw)

        if tag is not None:
            assert hashtag(tag) == tag
            assert len(tag) <= MAX_TAG
            assert len(tag.encode()) <= 4 * MAX_TAG

    @pytest.mark.parametrize(
        "raw", ["", "#bees", "a b", "a-b", "1", "\u0301", "a" * 101, "a\0", "../a", "\u0e33\u0e01"]
    )
    def test_these_are_no_tags(self, raw: str) -> None:
        assert hashtag(raw) is None


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
        ],
    )
    def test_a_scheme_and_a_host_make_a_link(self, text: str, links: list[str]) -> None:
        assert found(text, EntityType.LINK) == links

    def test_in2_a_link_is_as_long_as_its_limit_and_no_longer(self) -> None:
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
]


class TestPositions:
    def test_they_count_utf_16_units(self) -> None:
        assert [(entity.start, entity.end) for entity in recognised("🐝 @ann 🐝#bees")] == [(3, 7), (10, 15)]

    @given(text=st.lists(st.sampled_from(PIECES)).map("".join) | st.text())
    def test_they_cut_out_exactly_what_was_recognised(self, text: str) -> None:
        text = text.encode("utf-16-le", "ignore").decode("utf-16-le")
        end = 0
        for entity in recognised(text):
            piece = cut(text, entity)
            assert entity.start >= end, "in order, and none within another"
            end = entity.end
            if entity.type is EntityType.MENTION:
                assert piece.lower() == f"@{entity.value}"
            elif entity.type is EntityType.HASHTAG:
                assert piece[0] in "#＃"
                assert hashtag(piece[1:]) == entity.value
            else:
                assert piece == entity.value

    def test_in2_a_text_names_a_bounded_number_of_things(self) -> None:
        assert len(recognised("#a " * 2000 + "@ann " * 100)) == MAX_ENTITIES


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
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_in7_hostile_texts_are_looked_through(text: str) -> None:
    start = time.process_time()
    entities = recognised(text)
    spent = time.process_time() - start

    assert len(entities) <= MAX_ENTITIES
    if os.environ.get("WAGGLE_TEST_LONG") == "1":
        assert spent < 0.25, "quadratic work would take minutes"
