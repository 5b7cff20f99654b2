"""The rules of posts: texts, visibility, removal."""

from dataclasses import replace

import pytest

from adapters.text import graphemes
from domain.languages import language
from domain.posts import NotTheAuthor, Post, Visibility, WiderThanThread, can_view
from domain.shared import Invalid, PostId, UserId, ViewerContext

ANN, BOB, CAT = UserId(1), UserId(2), UserId(3)
PUBLIC, UNLISTED, FOLLOWERS, DIRECT = Visibility
ANONYMOUS = ViewerContext()


def a_post(visibility: Visibility = PUBLIC, *mentioned: UserId, deleted: bool = False) -> Post:
    return Post(
        id=PostId(7),
        author=ANN,
        text="hello",
        visibility=visibility,
        mentioned=frozenset(mentioned),
        deleted=deleted,
    )


class TestVisibility:
    @pytest.mark.parametrize(
        ("visibility", "seen"), [(PUBLIC, True), (UNLISTED, True), (FOLLOWERS, False), (DIRECT, False)]
    )
    def test_without_a_relationship_only_public_and_unlisted_posts_are_visible(
        self, visibility: Visibility, seen: bool
    ) -> None:
        assert can_view(a_post(visibility), ANONYMOUS) is seen
        assert can_view(a_post(visibility), ViewerContext(BOB)) is seen

    @pytest.mark.parametrize("visibility", Visibility)
    def test_authors_see_all_their_own_posts(self, visibility: Visibility) -> None:
        assert can_view(a_post(visibility), ViewerContext(ANN)) is True

    def test_a_follower_sees_posts_for_followers_but_no_direct_ones(self) -> None:
        bob = ViewerContext(BOB, follows=frozenset({ANN}))

        assert can_view(a_post(FOLLOWERS), bob) is True
        assert can_view(a_post(DIRECT), bob) is False

    @pytest.mark.parametrize("visibility", Visibility)
    def test_a_mentioned_user_sees_the_post(self, visibility: Visibility) -> None:
        assert can_view(a_post(visibility, BOB), ViewerContext(BOB)) is True

    @pytest.mark.parametrize("visibility", Visibility)
    def test_a_block_hides_everything_even_from_a_mentioned_follower(self, visibility: Visibility) -> None:
        bob = ViewerContext(BOB, follows=frozenset({ANN}), blocked=frozenset({ANN}))

        assert can_view(a_post(visibility, BOB), bob) is False

    @pytest.mark.parametrize("viewer", [ANN, BOB, None])
    def test_nobody_sees_a_deleted_post(self, viewer: UserId | None) -> None:
        assert can_view(a_post(PUBLIC, BOB, deleted=True), ViewerContext(viewer)) is False

    def test_visibilities_are_ordered_from_public_to_direct(self) -> None:
        assert sorted(Visibility, key=lambda visibility: -visibility.width) == [
            PUBLIC,
            UNLISTED,
            FOLLOWERS,
            DIRECT,
        ]


class TestComments:
    @pytest.mark.parametrize("above", Visibility)
    def test_a_comment_has_the_visibility_of_the_post_it_answers(self, above: Visibility) -> None:
        assert a_post(above).comment_visibility(None) is above

    @pytest.mark.parametrize("above", Visibility)
    @pytest.mark.parametrize("wanted", Visibility)
    def test_a_comment_may_be_narrower_but_not_wider(self, above: Visibility, wanted: Visibility) -> None:
        order = list(Visibility)
        if order.index(wanted) >= order.index(above):
            assert a_post(above).comment_visibility(wanted) is wanted
        else:
            with pytest.raises(WiderThanThread):
                a_post(above).comment_visibility(wanted)


class TestAudience:
    @pytest.mark.parametrize("above", [None, *Visibility])
    def test_open_posts_are_counted(self, above: Visibility | None) -> None:
        place = a_post(above) if above else None

        assert [a_post(visibility).counts_in(place) for visibility in (PUBLIC, UNLISTED)] == [True, True]

    @pytest.mark.parametrize("above", [None, PUBLIC, UNLISTED, FOLLOWERS])
    def test_posts_that_are_not_open_are_not_counted(self, above: Visibility | None) -> None:
        place = a_post(above) if above else None

        assert [a_post(visibility).counts_in(place) for visibility in (FOLLOWERS, DIRECT)] == [False, False]

    def test_a_direct_thread_counts_its_answers(self) -> None:
        assert a_post(DIRECT).counts_in(a_post(DIRECT)) is True

    @pytest.mark.parametrize("visibility", [PUBLIC, UNLISTED])
    def test_an_open_answer_mentions_the_users_that_it_names(self, visibility: Visibility) -> None:
        assert a_post(PUBLIC).mentioned_in_reply(BOB, visibility, frozenset({CAT})) == {CAT}

    @pytest.mark.parametrize("visibility", [FOLLOWERS, DIRECT])
    def test_a_narrow_answer_also_reaches_the_author_above(self, visibility: Visibility) -> None:
        assert a_post(PUBLIC).mentioned_in_reply(BOB, visibility, frozenset({CAT})) == {ANN, CAT}
        assert a_post(PUBLIC).mentioned_in_reply(ANN, visibility, frozenset()) == frozenset()

    @pytest.mark.parametrize("visibility", [PUBLIC, UNLISTED])
    def test_an_open_answer_of_a_private_account_reaches_the_author_above_and_is_not_counted(
        self, visibility: Visibility
    ) -> None:
        above = a_post(PUBLIC)
        assert above.mentioned_in_reply(BOB, visibility, frozenset({CAT}), private=True) == {ANN, CAT}
        answer = replace(a_post(visibility), reply_to=above.id, replies=1).with_author_privacy(private=True)
        assert (answer.counts_in(above), answer.leaves_tombstone) == (False, False)
        opened = answer.with_author_privacy(private=False)
        assert (opened.counts_in(above), opened.leaves_tombstone) == (True, True)
        assert opened.with_author_privacy(private=False) is opened

    @pytest.mark.parametrize("visibility", [FOLLOWERS, DIRECT])
    def test_an_answer_that_is_not_open_is_not_withheld(self, visibility: Visibility) -> None:
        answer = a_post(visibility)
        assert answer.with_author_privacy(private=True) is answer

    def test_a_direct_thread_keeps_its_people(self) -> None:
        thread = a_post(DIRECT, BOB)

        assert thread.mentioned_in_reply(BOB, DIRECT, frozenset({CAT})) == {ANN}
        assert thread.mentioned_in_reply(ANN, DIRECT, frozenset()) == {BOB}


class TestRemoval:
    POST = replace(a_post(DIRECT, BOB), content_warning="stings", language="en", likes=3, comments=2)

    def test_a_removed_post_has_no_content(self) -> None:
        expected = replace(
            self.POST,
            text="",
            content_warning="",
            language=None,
            mentioned=frozenset(),
            deleted=True,
            version=2,
        )

        assert self.POST.removed(by=ANN) == expected

    def test_only_the_author_can_remove_a_post(self) -> None:
        with pytest.raises(NotTheAuthor):
            self.POST.removed(by=BOB)


class TestLanguage:
    @pytest.mark.parametrize(
        "tag",
        [
            None,
            "en",
            "pt-BR",
            "zh-Hant",
            "zh-Hant-TW",
            "sr-Latn",
            "es-419",
            "ast",
            "gsw-CH",
            "ca-valencia",
            "ca-ES-valencia",
            "de-1996",
            "de-CH-1901",
            "sl-rozaj-biske-1994",
            "en-GB-oxendict",
            "zh-cmn-Hans-CN",
            "zh-min-nan",
            "en-u-ca-gregory",
            "de-DE-u-co-phonebk",
            "ja-t-it",
            "en-a-bbb-x-a-ccc",
            "en-x-us",
            "az-Latn-x-latn",
            "x-private",
            "x-y",
            "i-klingon",
            "i-default",
            "en-GB-oed",
            "sgn-BE-FR",
            "art-lojban",
            "cel-gaulish",
        ],
    )
    def test_valid_language_tags_are_accepted_in_any_case(self, tag: str | None) -> None:
        assert language(tag) == tag
        if tag is not None:
            assert language(tag.upper()) == language(tag.lower()) == language(tag.swapcase()) == tag

    @pytest.mark.parametrize(
        "tag",
        [
            "",
            "e",
            "english",
            "engl",
            "en-",
            "-en",
            "en--US",
            "en_US",
            "en-U",
            "en-US-GB",
            "en-GB-Latn",
            "en-u",
            "en-u-ca-u-co",
            "de-1901-1901",
            "en-abcdefghi",
            "x-",
            "x",
            "i-bees",
            "en\n",
            "en\0",
            "ёж",
            "ıt",
            "\u212ao",
            "x-aaaaaaaa-bbbbbbbb-cccccccc-ddddddddd",
            "x-" + "a-" * 16 + "aa",
        ],
    )
    def test_invalid_language_tags_are_refused(self, tag: str) -> None:
        with pytest.raises(Invalid):
            language(tag)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("", 0),
        ("bee", 3),
        ("a\r\nb", 3),
        ("é", 1),
        ("e\N{COMBINING ACUTE ACCENT}", 1),
        ("\U0001f468‍\U0001f469‍\U0001f467‍\U0001f466", 1),
        ("🇪🇸🇲🇽", 2),
        ("👍🏽", 1),
        ("Z" + "\N{COMBINING GRAVE ACCENT}" * 1000, 1),
        ("नमस्ते", 3),
        ("각", 1),
    ],
)
def test_lengths_count_grapheme_clusters(text: str, seen: int) -> None:
    assert graphemes(text) == seen
