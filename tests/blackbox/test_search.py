"""Search over HTTP: what each user finds, with any query."""

import random
import secrets
import string
from collections.abc import Iterator
from typing import Any

import pytest

from .client import Api, Json, Visitor, done, eventually, field_errors, refusal

TEXTS = {
    "ar": ("شَهْدُ العَسَلِ لذيذ", "شهد العسل"),
    "cs": ("Včely létají nad loukou", "vcely loukou"),
    "de": ("Die Bienen summen über die Straße", "strasse bienen"),
    "el": ("Οι μέλισσες πετούν στον κήπο", "μελισσες"),
    "en": ("The bees don't sleep", "don't"),
    "es": ("Las abejas están en el jardín", "jardin"),
    "fa": ("زنبورها در باغ هستند", "باغ"),
    "fi": ("Mehiläiset lentävät", "mehilaiset"),
    "fr": ("L'abeille est là", "abeille"),
    "he": ("הַדְּבוֹרִים בַּגַּן", "הדבורים"),
    "hi": ("मधुमक्खियाँ बगीचे में हैं", "बगीचे"),
    "ja": ("蜂蜜を東京都で買いました", "東京"),
    "ko": ("벌들이 정원에서 날아다닌다", "정원"),
    "pl": ("Pszczoły lecą", "leca"),
    "ru": ("Ёжик и пчёлы в саду", "пчелы"),
    "th": ("ผึ้งอยู่ในสวน", "สวน"),
    "tr": ("Arılar İstanbul'da", "istanbul"),
    "uk": ("Бджоли літають", "бджоли"),
    "vi": ("Những con ong trong vườn", "vuon"),
    "zh": ("蜜蜂在花园里飞舞", "花园"),
}
"""A text in each language, and a query that should find it."""


def salt() -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(12))


def search(visitor: Visitor, q: str, type_: str = "posts", **params: Any) -> Json:
    return done(visitor.get("/api/v1/search", params={"q": q, "type": type_, "limit": 100, **params}))


def ids(visitor: Visitor, q: str, type_: str = "posts") -> list[str]:
    return [item["id"] for item in search(visitor, q, type_)["items"]]


def walk(
    visitor: Visitor, q: str, type_: str, limit: int, towards: str = "next", cursor: str | None = None
) -> Iterator[Json]:
    while True:
        page = search(visitor, q, type_, limit=limit, **({"cursor": cursor} if cursor else {}))
        yield page
        cursor = page[towards]
        if cursor is None:
            return


def test_a_post_is_found_by_words_phrases_prefixes_tags_and_its_author(api: Api) -> None:
    ann, rare = api.someone(), salt()
    post = ann.publishes(f"A busy bee in the {rare} garden #{rare}tag")
    ann.publishes(f"Busy is the {rare} bee")

    for asked in (f'"busy bee" {rare}', f"{rare} gard*", f"#{rare}tag", f"from:{ann.username} garden"):
        assert ids(api.nobody, asked) == [post["id"]], asked
    for asked in (f'"bee busy" {rare}', f"{rare} gard", f"#{rare}", f"from:{ann.username} wasp"):
        assert ids(api.nobody, asked) == [], asked


@pytest.mark.parametrize("language", TEXTS)
def test_words_of_any_language_are_found(api: Api, language: str) -> None:
    text, asked = TEXTS[language]
    ann = api.someone()
    post = ann.publishes(text, language=language)

    assert ids(api.nobody, f"from:{ann.username} {asked}") == [post["id"]]
    assert ids(api.nobody, f"from:{ann.username} {asked.upper()}") == [post["id"]]


def test_a_found_post_equals_the_post_that_is_read(api: Api) -> None:
    ann, bob, rare = api.someone(), api.someone(), salt()
    post = ann.publishes(rare)
    bob.likes(post)

    for visitor in (api.nobody, ann, bob):
        assert search(visitor, rare)["items"] == [visitor.reads(post)]


def test_edits_and_deletions_are_found_at_once(api: Api) -> None:
    ann, old, new = api.someone(), salt(), salt()
    post = ann.publishes(old)

    done(ann.patch(f"/api/v1/posts/{post['id']}", {"text": new}))
    assert (ids(ann, old), ids(ann, new)) == ([], [post["id"]])
    ann.removes(post)
    assert (ids(ann, old), ids(ann, new)) == ([], [])


@pytest.mark.parametrize("visibility", ["unlisted", "followers", "direct"])
def test_posts_that_are_not_public_are_found_by_their_author_only(api: Api, visibility: str) -> None:
    ann, bob, rare = api.someone(), api.someone(), salt()
    post = ann.publishes(f"{rare} for @{bob.username} #{rare}", visibility=visibility)

    assert ids(ann, rare) == ids(ann, f"#{rare}") == [post["id"]]
    for visitor in (bob, api.nobody):
        assert ids(visitor, rare) == ids(visitor, f"#{rare}") == []
        assert search(visitor, rare, "hashtags")["items"] == []
    assert search(ann, rare, "hashtags")["items"] == []


def test_a_private_author_is_found_by_name_but_not_by_their_posts(api: Api) -> None:
    ann, rare = api.someone(), salt()
    post = ann.publishes(f"#{rare}")
    done(ann.patch("/api/v1/me", {"private": True}))

    def hidden() -> None:
        assert ids(api.nobody, f"#{rare}") == []
        assert search(api.nobody, rare, "hashtags")["items"] == []

    eventually(hidden)
    assert ids(ann, f"#{rare}") == [post["id"]]
    assert ids(api.nobody, ann.username, "users") == [ann.id]


def test_people_are_found_by_their_names(api: Api) -> None:
    rare = salt()
    ann = api.someone(display_name=f"Zoë {rare.title()}")

    for asked in (
        ann.username,
        f"@{ann.username[:8].upper()}",
        rare,
        rare[:5],
        f"zoe {rare[:6]}",
        f"{rare} zo",
    ):
        assert ann.id in ids(api.nobody, asked, "users"), asked
    for asked in (f"zo {rare}", f"{rare} zoeb", rare[1:]):
        assert ann.id not in ids(api.nobody, asked, "users"), asked
    found = search(api.nobody, rare, "users")["items"]
    assert found == [
        {
            "type": "user",
            "id": ann.id,
            "username": ann.username,
            "display_name": f"Zoë {rare.title()}",
            "avatar_url": None,
        }
    ]

    done(ann.patch("/api/v1/me", {"display_name": "Somebody"}))
    assert ids(api.nobody, rare, "users") == []
    done(ann.delete("/api/v1/me", params={"confirm": ann.username}), 204)
    assert ids(api.nobody, ann.username, "users") == []


def test_the_exact_username_comes_first_with_pages_of_any_size(api: Api) -> None:
    rare = salt()
    people = [done(api.registers(f"{rare}{end}"), 201)["user"]["id"] for end in ("", "a", "b", "c")]
    expected = [people[0], *people[:0:-1]]

    assert ids(api.nobody, rare, "users") == expected
    for limit in (1, 2, 3):
        pages = list(walk(api.nobody, rare, "users", limit))
        assert [item["id"] for page in pages for item in page["items"]] == expected
        back = [pages[-1], *walk(api.nobody, rare, "users", limit, "prev", pages[-1]["prev"])]
        assert [item["id"] for page in back[::-1] for item in page["items"]] == expected


def test_hashtags_are_found_by_their_beginning_in_order_with_their_number_of_posts(api: Api) -> None:
    ann, bob, rare = api.someone(), api.someone(), salt()
    for author, tags in ((ann, "b B c"), (bob, "b d"), (bob, "a")):
        author.publishes(" ".join(f"#{rare}{tag}" for tag in tags.split()))
    ann.publishes(f"#{rare}hidden", visibility="unlisted")
    expected = [
        {"type": "hashtag", "tag": f"{rare}{tag}", "posts": count}
        for tag, count in (("a", 1), ("b", 2), ("c", 1), ("d", 1))
    ]

    for asked in (rare, f"#{rare}", rare.upper()):
        assert search(api.nobody, asked, "hashtags")["items"] == expected
    for limit in (1, 2, 3):
        pages = list(walk(api.nobody, rare, "hashtags", limit))
        assert [item for page in pages for item in page["items"]] == expected
        back = [pages[-1], *walk(api.nobody, rare, "hashtags", limit, "prev", pages[-1]["prev"])]
        assert [item for page in back[::-1] for item in page["items"]] == expected


def test_pages_are_stable_while_others_write_and_delete(api: Api, chance: random.Random) -> None:
    ann, rare = api.someone(), salt()
    posts = [ann.publishes(f"{rare} {number}") for number in range(12)]
    doomed = chance.sample(posts, 4)
    seen: list[str] = []
    for page in walk(api.nobody, rare, "posts", 3):
        seen += [item["id"] for item in page["items"]]
        ann.publishes(f"{rare} too late")
        if doomed:
            ann.removes(doomed.pop())

    lasting = [post["id"] for post in posts[::-1] if api.nobody.sees(post)]
    assert [id_ for id_ in seen if id_ in lasting] == lasting
    assert len(set(seen)) == len(seen)


def test_posts_of_an_unknown_username_are_an_empty_result(api: Api) -> None:
    assert search(api.nobody, f"from:{salt()}") == {"items": [], "next": None, "prev": None}
    assert search(api.nobody, "from:??? bee")["items"] == []


@pytest.mark.parametrize(
    ("q", "type_", "code"),
    [
        ("!!!", "posts", "nothing_to_find"),
        ('""', "posts", "nothing_to_find"),
        ("#", "posts", "nothing_to_find"),
        ("...", "users", "nothing_to_find"),
        ("two words", "hashtags", "nothing_to_find"),
        ("b*", "posts", "prefix_too_short"),
        ("a b c d e f g h i j k", "posts", "too_many_terms"),
        ("a b c d e f g h i j k l m", "users", "too_many_terms"),
        ("b" * 201, "posts", "too_long"),
        ("🐝" * 201, "posts", "too_long"),
        ("b" * 201, "hashtags", "too_long"),
        ("b" * 201, "users", "too_long"),
    ],
)
def test_in8_an_invalid_query_is_refused_with_the_reason(api: Api, q: str, type_: str, code: str) -> None:
    response = api.nobody.get("/api/v1/search", params={"q": q, "type": type_})

    assert field_errors(response) == {"/query/q": code}


def test_in8_the_type_is_one_of_three(api: Api) -> None:
    for type_ in ("post", "everything", "", "posts;drop"):
        response = api.nobody.get("/api/v1/search", params={"q": "bee", "type": type_})
        assert refusal(response) == (400, "query_invalid")
    assert refusal(api.nobody.get("/api/v1/search")) == (400, "query_invalid")
    assert refusal(api.nobody.get("/api/v1/search", params={"q": "b" * 900})) == (400, "query_invalid")


OPERATORS = (
    "bee OR wasp", "bee AND NOT wasp", "NOT bee", "bee NEAR wasp", "NEAR(bee wasp, 5)", "^bee", "words:bee", "{words}:bee",
    "bee + wasp", '"bee" "', 'bee"', "bee'", "bee' OR 1=1 --", "bee | wasp", "bee & !wasp", "!bee", "bee <-> wasp", "bee:*",
    "bee:A", "(bee", "bee)", "\\bee", "bee\\", "%", "b%e", "b_e", "@1 bee", "bee;--", "-bee", "bee*wasp", "**", "* bee",
    "rowid:1 bee", 'from:" bee', "from:* bee", "##bee", "#*", "bee\x00wasp", "\ufeffbee", "bee\u202ewasp", "$bee", "bee::tsquery",
)  # fmt: skip


@pytest.mark.parametrize("asked", OPERATORS)
@pytest.mark.parametrize("type_", ["posts", "users", "hashtags"])
def test_in8_no_character_of_a_query_is_an_operator(api: Api, asked: str, type_: str) -> None:
    response = api.nobody.get("/api/v1/search", params={"q": asked, "type": type_})

    assert response.status_code in {200, 422}


def test_in8_an_operator_neither_widens_nor_narrows_what_is_found(api: Api) -> None:
    ann, one, two = api.someone(), salt(), salt()
    both = ann.publishes(f"{one} {two}")
    only = ann.publishes(one)

    assert ids(api.nobody, f"{one} OR {two}") == []  # "or" is a word, and none of the texts has it
    assert ids(api.nobody, f"{one} | {two}") == [both["id"]]
    assert ids(api.nobody, f"-{one}") == ids(api.nobody, f"!{one}") == [only["id"], both["id"]]


def test_a_cursor_is_valid_for_its_own_search_only(api: Api) -> None:
    ann, rare = api.someone(), salt()
    for tag in "ab":
        ann.publishes(f"{rare} {rare}x #{rare}{tag}")
        done(api.registers(f"{rare}{tag}"), 201)

    for type_ in ("posts", "users", "hashtags"):
        cursor = search(api.nobody, rare, type_, limit=1)["next"]
        assert cursor is not None
        for other, q in (("posts", rare), ("users", rare), ("hashtags", rare), (type_, f"{rare}x")):
            if (other, q) != (type_, rare):
                params = {"q": q, "type": other, "cursor": cursor}
                assert refusal(api.nobody.get("/api/v1/search", params=params)) == (400, "cursor_invalid")
        for broken in (cursor[:-1], cursor[1:], "x", "AAAA", cursor + "A" * 500):
            params = {"q": rare, "type": type_, "cursor": broken}
            assert refusal(api.nobody.get("/api/v1/search", params=params)) == (400, "cursor_invalid")


def test_az4_a_block_and_a_mute_take_effect_at_once(api: Api) -> None:
    ann, bob, cat, rare = api.someone(), api.someone(), api.someone(display_name=salt()), salt()
    post = ann.publishes(f"{rare} #{rare}")

    done(bob.put(f"/api/v1/users/{ann.id}/block"))
    for asked in (rare, f"#{rare}", f"from:{ann.username}"):
        assert ids(bob, asked) == []
    assert search(bob, rare, "hashtags")["items"] == ids(bob, ann.username, "users") == []
    assert ids(ann, bob.username, "users") == []
    assert ids(cat, rare) == [post["id"]]

    done(bob.delete(f"/api/v1/users/{ann.id}/block"))
    done(cat.put(f"/api/v1/users/{ann.id}/mute"))
    assert ids(cat, rare) == search(cat, rare, "hashtags")["items"] == []
    assert ids(cat, ann.username, "users") == [ann.id]
    assert ids(bob, rare) == [post["id"]]


def test_a_follower_finds_no_more_than_others(api: Api) -> None:
    ann, bob, rare = api.someone(), api.someone(), salt()
    done(bob.put(f"/api/v1/users/{ann.id}/follow"))
    ann.publishes(rare, visibility="followers")
    ann.publishes(rare, visibility="unlisted")

    assert ids(bob, rare) == []
