"""Rules of the OpenAPI document, so that generators make good clients. Each failure says what to do."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from entrypoints.container import build
from entrypoints.http.app import describe
from entrypoints.http.notifications.stream import asyncapi
from entrypoints.http.openapi import catalogue
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


def test_schema_names_contain_no_module(document: dict[str, Any]) -> None:
    wrong = [
        name for name in document["components"]["schemas"] if not re.fullmatch(r"[A-Z][A-Za-z0-9]+", name)
    ]
    assert wrong == [], "a schema's name has no module in it: two classes have one name, rename one"


def schemas(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"]
    return found


def unions(schema: Any, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every oneOf and anyOf of more than one object, with its place."""
    if isinstance(schema, dict):
        for word in ("oneOf", "anyOf"):
            if len([option for option in schema.get(word, []) if option.get("type") != "null"]) > 1:
                yield at, schema
        for name, inner in schema.items():
            yield from unions(inner, f"{at}/{name}")
    elif isinstance(schema, list):
        for inner in schema:
            yield from unions(inner, at)


def test_unions_have_discriminators_that_every_alternative_requires(document: dict[str, Any]) -> None:
    found = dict(unions(document))
    assert {f"/components/schemas/{name}" for name in ("Found", "NotificationsOrNews", "Event")} <= set(found)
    for place, union in found.items():
        discriminator = union.get("discriminator")
        assert discriminator, (
            f"{place}: derive it from OneOf, and give the alternatives a tag_field and a tag"
        )
        mapped = set(discriminator["mapping"].values())
        assert mapped == {option["$ref"] for option in union["oneOf"]}, place
        for ref in mapped:
            alternative = schemas(document)[ref.rpartition("/")[2]]
            assert discriminator["propertyName"] in alternative["required"], (place, ref)


def test_a_member_with_a_default_is_optional_for_generators(document: dict[str, Any]) -> None:
    inputs = {name: schema for name, schema in schemas(document).items() if name.endswith("In")}
    assert "display_name" not in inputs["RegisterIn"]["required"]
    wrong = [
        f"{name}.{member}"
        for name, schema in inputs.items()
        for member, described in schema.get("properties", {}).items()
        if "default" in described
    ]
    assert wrong == [], "openapi-typescript takes a member with `default` for one that must be sent"


def test_the_codes_of_a_problem_are_an_enumeration_per_operation(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        expected = f"{operation['operationId'][0].upper()}{operation['operationId'][1:]}Problem"
        codes = set(schemas(document)[expected]["allOf"][1]["properties"]["code"]["enum"])
        refused = {
            status: response for status, response in operation["responses"].items() if int(status) >= 400
        }
        described = set()
        for status, response in refused.items():
            if "application/problem+json" not in response["content"]:
                continue
            content = response["content"]["application/problem+json"]
            assert content["schema"] == {"$ref": f"#/components/schemas/{expected}"}, (name, status)
            described |= set(content["examples"])
        assert described == codes, name


def test_no_body_has_a_member_named_query_or_header(document: dict[str, Any]) -> None:
    inputs = [schema for name, schema in schemas(document).items() if name.endswith("In")]
    assert {"query", "header"} & {
        member for schema in inputs for member in schema.get("properties", {})
    } == set()


def test_upload_fields_are_typed_as_files(document: dict[str, Any]) -> None:
    forms = [
        content["schema"]
        for _, operation in operations(document)
        for kind, content in operation.get("requestBody", {}).get("content", {}).items()
        if kind == "multipart/form-data"
    ]
    assert forms
    for form in forms:
        file = form["properties"]["file"]
        assert (file["type"], file["format"]) == ("string", "binary")
        assert file["contentMediaType"] == "application/octet-stream"


def test_the_catalogue_names_only_members_of_problems(document: dict[str, Any]) -> None:
    members = schemas(document)["Problem"]["properties"].keys()
    _, meaning = catalogue()["invalid"]
    named = set(re.findall(r"`(\w+)`", meaning))
    assert named
    assert named <= members


def test_the_document_of_the_stream_is_asyncapi_3_0(document: dict[str, Any]) -> None:
    stream = asyncapi.document(document)
    assert stream["asyncapi"] == "3.0.0"
    assert set(stream["info"]["license"]) == {"name", "url"}, "an `identifier` is invalid there"
    for name, schema in stream["components"]["schemas"].items():
        assert schema["title"] == name, "Modelina names types by titles"
        assert "discriminator" not in schema, "in AsyncAPI it is a name, not an object"
