"""Search queries: parsing them, and that nothing in them is a command to a database."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.sql.posts.words import match, tsquery
from adapters.text import graphemes
from application.identity.searching import PeopleQuery, words_of_name
from domain.posts import Post, Visibility, find_entities, hashtag, resolve_mentions
from domain.posts.searching import MAX_REPEATED, MAX_TERMS, PostQuery, plain_tag, searchable, tag_key
from domain.posts.tags import MAX_TAG, beginning_of_tag
from domain.shared import Invalid, PostId, UserId
from domain.words import Phrase

HOSTILE = st.text(st.sampled_from("ab \"'*#@:()^-+{}&|!<>\\%_;,.\x00\t\u201c\uff03東ORNEARfrom"), max_size=40)


def parsed(raw: str) -> PostQuery:
    return PostQuery.parsed(raw, graphemes)


def refusal(raw: str) -> str | None:
    try:
        parsed(raw)
    except Invalid as error:
        return error.field_errors[0].code
    return None


def one(*words: str, prefix: bool = False) -> Phrase:
    return Phrase(words, prefix)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("busy bee", PostQuery((one("busy"), one("bee")))),
        ('"Busy bee" wasp', PostQuery((one("busy", "bee"), one("wasp")))),
        ("„busy bee“ «wasp fly»", PostQuery((one("busy", "bee"), one("wasp", "fly")))),
        ('"busy bee', PostQuery((one("busy", "bee"),))),
        ("waggl*", PostQuery((one("waggl", prefix=True),))),
        ('"busy be"*', PostQuery((one("busy", "be", prefix=True),))),
        ("well-know*", PostQuery((one("well", "know", prefix=True),))),
        ("#Bees bees", PostQuery((one("bees"),), ("bees",))),
        ("\uff03STRASSE", PostQuery(tags=("strasse",))),
        ("#2026", PostQuery((one("2026"),))),
        ("from:Ann From:@bob", PostQuery(authors=("ann", "bob"))),
        ("from: ann", PostQuery((one("from"), one("ann")))),
        ("from:???", PostQuery(authors=("???",))),
        ("bee BEE bee #a #A from:x from:X", PostQuery((one("bee"),), ("a",), ("x",))),
        ("bee OR wasp", PostQuery((one("bee"), one("or"), one("wasp")))),
        ("-bee !wasp", PostQuery((one("bee"), one("wasp")))),
        ("bee & ! | wasp", PostQuery((one("bee"), one("wasp")))),
        ("東京都", PostQuery((one("東京", "京都"),))),
        ("蜂", PostQuery((one("蜂", prefix=True),))),
    ],
)
def test_a_query_is_parsed_into_its_terms(raw: str, expected: PostQuery) -> None:
    assert parsed(raw) == expected


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", "nothing_to_find"),
        (" * ", "nothing_to_find"),
        ('"" #', "nothing_to_find"),
        ("🐝", "nothing_to_find"),
        ("b*", "prefix_too_short"),
        ("busy b*", "prefix_too_short"),
        ("б*", "prefix_too_short"),
        ('"добрый д"*', "prefix_too_short"),
        ("bé*", None),
        ("蜂*", None),
        (" ".join(f"w{n}" for n in range(MAX_TERMS)), None),
        (" ".join(f"w{n}" for n in range(MAX_TERMS + 1)), "too_many_terms"),
        ("#a #b #c #d from:a from:b from:c 1 2 3 4", "too_many_terms"),
        ("w" * 201, "too_long"),
    ],
)
def test_an_invalid_query_is_refused(raw: str, code: str | None) -> None:
    assert refusal(raw) == code


@given(HOSTILE | st.text(max_size=60))
def test_in8_any_text_is_a_query_or_refused_and_no_special_character_reaches_a_database(raw: str) -> None:
    try:
        query = parsed(raw)
    except Invalid:
        return
    terms = [*(Phrase((f"#{tag}",)) for tag in query.tags), *query.phrases]
    word = r"[^\s\"'\\*:&|!()<>-]+"
    for phrase in terms:
        assert re.fullmatch(rf'"{word}( {word})*"\*?', match([phrase]))
        assert re.fullmatch(rf"\('{word}'( <-> '{word}')*(:\*)?\)", tsquery([phrase]))


@given(HOSTILE | st.text(max_size=60))
def test_in8_any_text_is_a_query_for_people_or_refused(raw: str) -> None:
    try:
        query = PeopleQuery.parsed(raw, graphemes)
    except Invalid:
        return
    assert query.username is not None or query.beginning is not None


def a_post(text: str, warning: str = "", *, deleted: bool = False) -> Post:
    return Post(
        id=PostId(1),
        author=UserId(7),
        text=text,
        visibility=Visibility.PUBLIC,
        content_warning=warning,
        entities=resolve_mentions(find_entities(text), {}),
        deleted=deleted,
    )


def test_the_terms_of_a_post_are_its_words_its_author_and_its_tags() -> None:
    assert searchable(a_post("A #Bee, a bee", "sting")) == (
        "sting",
        "_",
        "a",
        "bee",
        "a",
        "bee",
        "@7",
        "#bee",
    )


def test_a_deleted_post_has_no_terms() -> None:
    assert searchable(a_post("a bee", deleted=True)) == ()


def test_occurrences_of_a_word_are_bounded() -> None:
    found = searchable(a_post("bee " * 400 + "wasp"))

    assert (found.count("bee"), found.count("wasp")) == (MAX_REPEATED, 1)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("@Ann", PeopleQuery("ann")),
        ("ann", PeopleQuery("ann", (), "ann")),
        ("ann_b", PeopleQuery("ann_b", ("ann",), "b")),
        ("Zoë Bee Ann", PeopleQuery(None, ("bee", "zoe"), "ann")),
        ("__", PeopleQuery("__")),
        ("@Zoë", PeopleQuery(None, (), "zoe")),
        ("田中太郎", PeopleQuery(None, ("中太", "田中"), "太郎")),
    ],
)
def test_a_query_for_people_is_parsed_into_words(raw: str, expected: PeopleQuery) -> None:
    assert PeopleQuery.parsed(raw, graphemes) == expected


def test_people_are_found_by_the_words_of_username_and_display_name() -> None:
    assert words_of_name("ann_b", "Zoë 田中") == {"@ann_b", "ann", "b", "zoe", "田中", "中"}


@given(st.text(max_size=40))
def test_the_beginning_of_a_tag_is_a_tag_if_it_has_a_letter(raw: str) -> None:
    tag, beginning = hashtag(raw), beginning_of_tag(raw)

    assert tag in {None, beginning}


@pytest.mark.parametrize(
    ("tag", "plain"),
    [
        ("łódź", "lodz"),
        ("smørrebrød", "smorrebrod"),
        ("col·legi", "collegi"),
        ("スター・ウォーズ", "スターウォーズ"),
        ("محمد_ﷺ", "محمد_صلىاللهعليهوسلم"),
        ("a_1", "a_1"),
        ("ـ", "ـ"),
    ],
)
def test_the_search_form_of_a_tag_is_its_letters(tag: str, plain: str) -> None:
    assert plain_tag(tag) == plain
    assert tag_key(tag) == f"{plain} {tag}"


@given(st.text(max_size=40), st.integers(1, 40))
def test_a_tag_is_found_by_each_of_its_beginnings(raw: str, length: int) -> None:
    tag = hashtag(raw)
    beginning = tag and beginning_of_tag(tag[:length])

    if tag is not None and beginning is not None and beginning == tag[:length]:
        assert tag_key(tag).startswith(plain_tag(beginning))
        assert len(tag_key(tag)) <= 2 * MAX_TAG + 1
