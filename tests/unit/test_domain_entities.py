"""Entities: mentions, hashtags and links in a text, and their positions."""

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
    find_entities,
    hashtag,
    hashtags,
    mentioned_usernames,
    resolve_mentions,
)
from domain.posts.entities import MAX_ENTITIES
from domain.posts.tags import MAX_TAG
from domain.shared import Invalid, UserId

FAMILY = "\U0001f468‍\U0001f469‍\U0001f467‍\U0001f466"


def cut(text: str, entity: Entity) -> str:
    """The text of an entity, as a client with UTF-16 strings cuts it out."""
    return text.encode("utf-16-le")[entity.start * 2 : entity.end * 2].decode("utf-16-le")


def found(text: str, kind: EntityType) -> list[str]:
    return [cut(text, entity) for entity in find_entities(text) if entity.type is kind]


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
            ("https://example.org/@ann/1", []),
            # users of other servers
            ("@lea@example.social", []),
            ("@lea.bsky.social", []),
            ("＠lea＠example.social", []),
            ("@lea@例え.jp @lea.例え.jp", []),
            ("@lea@bob @lea@@bob", []),
            ("@lea-marie.bsky.social @lea-marie@example.social @lea+bees@example.org", []),
            ("@lea:matrix.org", []),
            ("@lea@[192.0.2.1] @lea．bsky．social", []),
            ("@lea\u200b@example.social @lea\u2060.bsky.social @lea@\u200bexample.social", []),
            ("@lea.marie@example.social and @bob", ["bob"]),
            ("x@lea müller@lea mu\u0308ller@lea x_@lea 1@lea", []),
            ("иван@lea.рф", []),
            # local users
            ("@lea. @bob... @carol@ @dave.", ["lea", "bob", "carol", "dave"]),
            ("@lea's @bob\u2019s @carol\u02bcs", ["lea", "bob", "carol"]),
            ("@lea: see example.org @bob:", ["lea", "bob"]),
            ("@lea-marie, @bob+@carol", ["lea", "bob", "carol"]),
            (".@lea (@bob) cc:@carol *@dave*", ["lea", "bob", "carol", "dave"]),
            ("@lea…", ["lea"]),
            ("@lea\u200b. @bob\u200b次 @carol．次", ["lea", "bob", "carol"]),
            # beside letters of other scripts
            ("@leaさん", ["lea"]),
            ("@lea님", ["lea"]),
            ("你好@lea你好", ["lea"]),
            ("＠lea", ["lea"]),
            ("你好＠lea，再见", ["lea"]),
            ("привет@leaпривет", ["lea"]),
            ("@leaคุณ สวัสดี@bobครับ", ["lea", "bob"]),
            ("मैं@leaको", ["lea"]),
            ("@lea。@bob、@carol", ["lea", "bob", "carol"]),
            ("🐝@lea🐝 @bob\ufe0f", ["lea", "bob"]),
            ("@leaé @leae\u0301 @leax\u0323 @leaß @leaｂｃ @lea３ @lea٣ éa@lea ａ@lea", []),
        ],
    )
    def test_an_at_sign_and_a_name_make_a_mention(self, text: str, names: list[str]) -> None:
        assert mentioned_usernames(find_entities(text)) == names

    def test_twenty_people_can_be_mentioned_any_number_of_times_and_a_twenty_first_is_refused(self) -> None:
        names = [f"user_{number}" for number in range(MAX_MENTIONS)]
        text = " ".join(f"@{name} @{name.upper()}" for name in names)

        assert mentioned_usernames(find_entities(text)) == names
        with pytest.raises(Invalid) as refused:
            find_entities(f"{text} @one_more")
        assert [fault.code for fault in refused.value.field_errors] == ["too_many_mentions"]

    @pytest.mark.parametrize("before", ["#a ", "https://example.org/ ", "@bob "])
    def test_other_entities_never_displace_a_mention(self, before: str) -> None:
        entities = find_entities(before * 200 + "@lea")

        assert len(entities) == MAX_ENTITIES
        assert entities[-1].value == "lea"

    @given(text=st.text(st.sampled_from("@@ aA_1/é\n.")))
    def test_every_mentioned_name_is_a_possible_username(self, text: str) -> None:
        try:
            named = mentioned_usernames(find_entities(text))
        except Invalid:
            return
        for name in named:
            assert is_reserved(name) or username(name) == name

    def test_a_mention_of_an_unknown_username_is_no_entity(self) -> None:
        entities = resolve_mentions(find_entities("@ann and @bob #bees"), {"bob": UserId(7)})

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
            ("#ﷺ", ["ﷺ"]),
            ("#محمد_ﷺ", ["محمد_ﷺ"]),
            ("#スター・ウォーズ", ["スター・ウォーズ"]),
            ("#ｽﾀｰ･ｳｫｰｽﾞ", ["スター・ウォーズ"]),
            ("#スター・ #・ウォーズ #ア・・イ", ["スター", "ア"]),
            ("#col·legi #COL·LEGI", ["col·legi"]),
            ("#iŀlusió #il·lusió #IĿLUSIÓ", ["il·lusió"]),
            ("#one·#two", ["one", "two"]),
            ("#列奥纳多·达·芬奇 #李奧納多‧達文西", ["列奥纳多·达·芬奇", "李奧納多‧達文西"]),
            ("#צה״ל #ג׳ירפה #בית־ספר", ["צה״ל", "ג׳ירפה", "בית־ספר"]),
            ("#བོད་ཡིག", ["བོད་ཡིག"]),
            ("#İstanbul #istanbul #ISTANBUL #i\u0307stanbul", ["istanbul"]),
            ("#ශ්\u200dරී", ["ශ්\u200dරී"]),
            ("#bees· #bees\u200b#wax", ["bees", "wax"]),
        ],
    )
    def test_a_number_sign_and_a_word_make_a_hashtag(self, text: str, tags: list[str]) -> None:
        assert hashtags(find_entities(text)) == tags

    def test_a_tag_beyond_the_length_limit_is_no_tag(self) -> None:
        assert hashtags(find_entities("#" + "a" * MAX_TAG)) == ["a" * MAX_TAG]
        assert find_entities("#" + "a" * (MAX_TAG + 1)) == []
        assert find_entities("#" + "ß" * (MAX_TAG // 2 + 1)) == [], "counted in its canonical form"

    def test_in2_stacked_combining_marks_make_no_long_tag(self) -> None:
        assert find_entities("#Z" + "\N{COMBINING GRAVE ACCENT}" * 1000) == []

    def test_a_text_has_at_most_thirty_tags(self) -> None:
        tags = [f"tag{number}" for number in range(40)]

        assert hashtags(find_entities(" ".join(f"#{tag}" for tag in tags))) == tags[:MAX_HASHTAGS]

    @given(raw=st.text())
    def test_the_canonical_form_of_a_canonical_tag_is_itself(self, raw: str) -> None:
        tag = hashtag(raw)

        if tag is not None:
            assert hashtag(tag) == tag
            assert len(tag) <= MAX_TAG
            assert len(tag.encode()) <= 4 * MAX_TAG

    @pytest.mark.parametrize("raw", ["İ\uff9e", "i\u0307\uff9e", "I\u3099\u0307", "i\u3099\u0307"])
    def test_marks_between_an_i_and_its_dot_make_no_other_tag(self, raw: str) -> None:
        assert hashtag(raw) == "i\u3099"

    @given(raw=st.text(st.sampled_from("aAéÉiIİıŀĿ·・ﾞスｽßﷺ_1\u0307\u0301\u200c\u200dم"), max_size=12))
    def test_a_tag_found_in_a_text_has_the_canonical_form_of_its_spelling(self, raw: str) -> None:
        for entity in find_entities(f"#{raw}"):
            written = cut(f"#{raw}", entity)[1:]
            assert hashtag(written) == entity.value
            assert hashtag(written.lower()) == entity.value

    @pytest.mark.parametrize(
        "raw", ["", "#bees", "a b", "a-b", "1", "\u0301", "a" * 101, "a\0", "../a", "\u0e33\u0e01"]
    )
    def test_invalid_tags_have_no_canonical_form(self, raw: str) -> None:
        assert hashtag(raw) is None
