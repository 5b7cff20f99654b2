"""Rules of the OpenAPI document, so that generators make good clients of it. Each failure says what to do."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from entrypoints.http.app import describe
from entrypoints.runtime import build
from entrypoints.settings import Settings

VERBS = set(
    """accept add begin block bookmark cancel change check complete confirm count create delete dismiss export find
    follow get like list login logout mark mute open pin refresh register reject remove report repost request reset
    resend search send set start stop unblock unbookmark unfollow unlike unmute unpin unrepost update upload verify
    """.split()
)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    memory = dataclasses.replace(Settings(), database_url="memory:", public_url="http://127.0.0.1:8000")
    return describe(build(memory), memory)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_operation_ids_are_a_verb_and_a_noun(document: dict[str, Any]) -> None:
    wrong = {
        name: operation["operationId"]
        for name, operation in operations(document)
        if not (match := re.fullmatch(r"([a-z]+)([A-Z][A-Za-z]+)", operation["operationId"]))
        or match[1] not in VERBS
    }
    assert wrong == {}, (
        f"an operation_id is a verb (one of {sorted(VERBS)}) and a noun, such as unbookmarkPost"
    )


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    counted = Counter(operation["operationId"] for _, operation in operations(document))
    assert [name for name, count in counted.items() if count > 1] == []
    assert {"unbookmarkPost", "listComments"} <= counted.keys()


def test_schema_names_are_those_of_clients(document: dict[str, Any]) -> None:
    wrong = [
        name for name in document["components"]["schemas"] if not re.fullmatch(r"[A-Z][A-Za-z0-9]+", name)
    ]
    assert wrong == [], "a schema's name has no module in it: two classes have one name, rename one"
