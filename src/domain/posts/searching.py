"""What a post is found by, and what somebody asks for.

A query is taken apart here, into a few kinds of terms that hold nothing but words in their normal form:
no character of it can reach a database as an operator.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TypeVar

from domain.posts.entities import hashtags
from domain.posts.post import Post
from domain.posts.tags import MAX_TAG, hashtag
from domain.shared import CountGraphemes, FieldError, Invalid
from domain.words import Phrase, check_length, phrase, plain, words

T = TypeVar("T")

MAX_TERMS = 10
MIN_PREFIX = 2
"""Letters before a `*`: what begins with one letter is half of everything."""
MAX_REPEATED = 250
"""How often a word counts in one post. PostgreSQL keeps 256 places of a word."""
BREAK = "_"
"""Stands between the warning and the text: no phrase goes across."""

_TERM = re.compile(r'"([^"]*)"?(\*?)|([^\s"]+)')
_QUOTES = str.maketrans("“”„‟«»\uff02", '"' * 7)
_FROM = re.compile(r"from:@?(\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PostQuery:
    """What a post must have, all of it."""

    phrases: tuple[Phrase, ...] = ()
    tags: tuple[str, ...] = ()
    """Canonical."""
    authors: tuple[str, ...] = ()
    """Usernames; a name that nobody can have is kept, and finds nothing."""

    @classmethod
    def parsed(cls, raw: str, graphemes: CountGraphemes) -> "PostQuery":
        """Words, all of which must be there; `"a phrase"`, `beginn*`, `#tag` and `from:name`. Raises Invalid
        for what is too long, has too many terms, or has nothing to look for."""
        check_length(raw, graphemes)
        phrases: list[Phrase] = []
        tags: list[str] = []
        authors: list[str] = []
        for quoted, starred, bare in _TERM.findall(raw.translate(_QUOTES)):
            if by := _FROM.fullmatch(bare):
                authors.append(by[1].lower())
            elif bare[:1] in {"#", "\uff03"} and (tag := hashtag(bare[1:])):
                tags.append(tag)
            elif found := phrase(quoted or bare, prefix=bool(starred) or bare.endswith("*")):
                _check_prefix(found, quoted or bare)
                phrases.append(found)
        query = cls(_once(phrases), _once(tags), _once(authors))
        terms = len(query.phrases) + len(query.tags) + len(query.authors)
        if not terms:
            raise Invalid(
                FieldError("?q", "nothing_to_find", "there is no word in it that could be looked for")
            )
        if terms > MAX_TERMS:
            raise Invalid(FieldError("?q", "too_many_terms", f"at most {MAX_TERMS} words and phrases"))
        return query


def _once(items: list[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))


def _check_prefix(found: Phrase, written: str) -> None:
    # One letter is enough where it is half of a pair: that is looked for as a beginning without a star, too.
    starred = found.prefix and phrase(written) != found
    if starred and len(found.words[-1]) < MIN_PREFIX:
        detail = f"at least {MIN_PREFIX} letters before the star in {written}"
        raise Invalid(FieldError("?q", "prefix_too_short", detail))


def searchable(post: Post) -> tuple[str, ...]:
    """All that a post is found by: its words in order, and then whose it is and its tags, which begin with
    signs that no word has. Nothing of a deleted one."""
    return (
        ()
        if post.deleted
        else terms_of(post.text, post.content_warning, post.author, hashtags(post.entities))
    )


def terms_of(text: str, warning: str, author: int, tags: list[str]) -> tuple[str, ...]:
    counted: Counter[str] = Counter()
    kept: list[str] = []
    for word in (*words(warning), BREAK, *words(text)) if warning else words(text):
        counted[word] += 1
        if counted[word] <= MAX_REPEATED:
            kept.append(word)
    return (*kept, by(author), *map(tagged, tags))


def by(author: int) -> str:
    """The term of what somebody wrote."""
    return f"@{author}"


def tagged(tag: str) -> str:
    """The term of what has this canonical tag, or one that differs in accents only."""
    return f"#{plain_tag(tag)}"


def plain_tag(tag: str) -> str:
    """What a canonical tag, or the beginning of one, is searched by: `lodz` for `łódź`. At most MAX_TAG code points."""
    letters = "".join(char for char in plain(tag) if char == "_" or unicodedata.category(char)[0] in "LMN")
    return letters[:MAX_TAG] or tag


def tag_key(tag: str) -> str:
    """Sorts canonical tags by what they are searched by, and tells those apart that are searched alike. At most
    2 * MAX_TAG + 1 code points."""
    return f"{plain_tag(tag)} {tag}"
