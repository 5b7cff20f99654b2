"""Search: the terms by which a post is found, and parsing queries.

A query is parsed into a few kinds of terms that contain only normalised words: no character of it can reach a
database as an operator.
"""

import re
import unicodedata
from collections import Counter
from typing import TypeVar

from domain.dataclasses import dataclass
from domain.posts.entities import hashtags
from domain.posts.post import Post
from domain.posts.tags import MAX_TAG, hashtag
from domain.shared import CountGraphemes, FieldError, Invalid
from domain.words import Phrase, check_length, phrase, plain, words

T = TypeVar("T")

MAX_TERMS = 10
MIN_PREFIX = 2
"""Letters before a `*`: a single letter would match half of all posts."""
MAX_REPEATED = 250
"""Occurrences of a word in one post that are indexed. PostgreSQL stores at most 256 positions of a word."""
BREAK = "_"
"""Separates the warning from the text, so that no phrase matches across the two."""

_TERM = re.compile(r'"([^"]*)"?(\*?)|([^\s"]+)')
_QUOTES = str.maketrans("“”„‟«»\uff02", '"' * 7)
_FROM = re.compile(r"from:@?(\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PostQuery:
    """The terms of a query. A post must match all of them."""

    phrases: tuple[Phrase, ...] = ()
    tags: tuple[str, ...] = ()
    """Canonical."""
    authors: tuple[str, ...] = ()
    """Usernames. An impossible name is kept, and matches no post."""

    @classmethod
    def parsed(cls, raw: str, graphemes: CountGraphemes) -> "PostQuery":
        """Parse words, `"a phrase"`, `beginn*`, `#tag` and `from:name`. Raises Invalid for a query that is too long,
        has too many terms, or contains no word."""
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
            raise Invalid(FieldError("?q", "nothing_to_find", "the query contains no word"))
        if terms > MAX_TERMS:
            raise Invalid(FieldError("?q", "too_many_terms", f"at most {MAX_TERMS} words and phrases"))
        return query


def _once(items: list[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))


def _check_prefix(found: Phrase, written: str) -> None:
    # A single letter that is half of a pair is searched as a prefix even without a star: so it may have one.
    starred = found.prefix and phrase(written) != found
    if starred and len(found.words[-1]) < MIN_PREFIX:
        detail = f"at least {MIN_PREFIX} letters before the star in {written}"
        raise Invalid(FieldError("?q", "prefix_too_short", detail))


def searchable(post: Post) -> tuple[str, ...]:
    """The terms by which a post is found: its words in order, then its author and its tags, which begin with
    characters that no word contains. Empty for a deleted post."""
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
    """The term of the posts of this author."""
    return f"@{author}"


def tagged(tag: str) -> str:
    """The term of the posts with this canonical tag, or with one that differs in accents only."""
    return f"#{plain_tag(tag)}"


def plain_tag(tag: str) -> str:
    """The search form of a canonical tag, or of the beginning of one: `lodz` for `łódź`. At most MAX_TAG code
    points."""
    letters = "".join(char for char in plain(tag) if char == "_" or unicodedata.category(char)[0] in "LMN")
    return letters[:MAX_TAG] or tag


def tag_key(tag: str) -> str:
    """The sort key of a canonical tag: by its search form, unique among tags with the same search form. At most
    2 * MAX_TAG + 1 code points."""
    return f"{plain_tag(tag)} {tag}"
