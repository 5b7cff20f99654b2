"""Words in the forms in which the two databases index and query them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Dialect, Text, TypeDecorator
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.types import TypeEngine

from domain.words import Phrase


class Words(TypeDecorator[Sequence[str]]):
    """Words in order: for SQLite joined with blanks, at which its index splits them again; for PostgreSQL a tsvector
    with their positions. Write-only: queries use `MATCH` and `@@`."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(TSVECTOR() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return _tsvector(value) if dialect.name == "postgresql" else " ".join(value)


def _tsvector(words: Sequence[str]) -> str:
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(words, 1):
        places[word].append(place)
    return " ".join(f"{_quoted(word)}:{','.join(map(str, at))}" for word, at in places.items())


def tsquery(phrases: Iterable[Phrase]) -> str:
    """All the phrases, for PostgreSQL. It contains only quoted words and the operators that are added here."""
    return " & ".join(f"({_in_tsquery(phrase)})" for phrase in phrases)


def _in_tsquery(phrase: Phrase) -> str:
    return " <-> ".join(map(_quoted, phrase.words)) + (":*" if phrase.prefix else "")


def _quoted(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


def match(phrases: Iterable[Phrase]) -> str:
    """All the phrases, for FTS5; as `tsquery`. A word contains neither blanks nor quotation marks."""
    return " AND ".join(
        '"' + " ".join(phrase.words).replace('"', "") + '"' + ("*" if phrase.prefix else "")
        for phrase in phrases
    )
