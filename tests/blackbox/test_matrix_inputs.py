"""Rules for the inputs of every operation of the OpenAPI document: bounds, and no input is a command."""

from collections.abc import Iterator
from typing import Any

from .client import (
    Api,
    Json,
    done,
    field_errors,
    fresh_name,
    refusal,
)
from .contract import Operation, document

# --- IN-2: every input is bounded ---------------------------------------------------------------------


def unbounded(schema: Json, schemas: Json, place: str) -> Iterator[str]:
    """The places where a value of this schema is unbounded."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if "enum" in schema or "const" in schema:
        return
    for number, option in enumerate(schema.get("oneOf") or schema.get("anyOf") or []):
        yield from unbounded(option, schemas, f"{place}|{number}")
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not kinds and "oneOf" not in schema and "anyOf" not in schema:
        yield f"{place} may be anything"
    if "string" in kinds and "maxLength" not in schema:
        yield f"{place} has no maxLength"
    if {"integer", "number"} & set(kinds) and not {"minimum", "maximum"} <= set(schema):
        yield f"{place} has no range"
    if "array" in kinds:
        if "maxItems" not in schema:
            yield f"{place} has no maxItems"
        yield from unbounded(schema["items"], schemas, f"{place}[]")
    if "object" in kinds:
        if schema.get("additionalProperties") is not False:
            yield f"{place} takes members that are not described"
        for name, member in schema.get("properties", {}).items():
            yield from unbounded(member, schemas, f"{place}.{name}")


def body_of(operation: Operation) -> Json | None:
    content = operation.described.get("requestBody", {}).get("content", {})
    found: Json | None = content.get("application/json", {}).get("schema")
    return found


def test_in2_every_input_is_bounded(api: Api, every: list[Operation]) -> None:
    schemas = document(api)["components"]["schemas"]
    found: list[str] = []
    for operation in every:
        if (body := body_of(operation)) is not None:
            found += unbounded(body, schemas, operation.name)
        for parameter in operation.described.get("parameters", []):
            schema = parameter["schema"]
            schema = schema.get("allOf", [schema])[0]  # a reference with a description
            found += unbounded(schema, schemas, f"{operation.name} {parameter['name']}")
    assert found == []


def test_in2_the_check_finds_unbounded_inputs() -> None:
    endless: Json = {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "number": {"type": ["integer", "null"], "minimum": 0},
            "list": {"type": "array", "items": {"$ref": "#/components/schemas/Endless"}},
            "any": {},
            "kind": {"enum": ["a"]},
        },
    }
    found = list(unbounded(endless, {"Endless": {"oneOf": [{"type": "string"}, {"type": "null"}]}}, "it"))
    assert len(found) == 6, found


def members_of(api: Api, operation: Operation) -> dict[str, Json]:
    schema = body_of(operation)
    if schema is None:
        return {}
    members: dict[str, Json] = document(api)["components"]["schemas"][schema["$ref"].rpartition("/")[2]][
        "properties"
    ]
    return members


def test_in2_a_text_beyond_its_limit_is_refused_by_name(api: Api, every: list[Operation]) -> None:
    maya = api.someone()
    post = maya.publishes()
    for operation in every:
        for name, schema in members_of(api, operation).items():
            if "maxLength" in schema:
                beyond = "x" * min(schema["maxLength"] * 20, 60_000)
                body = (operation.body or {}) | {name: beyond}
                path = operation.at(post_id=post["id"])
                response = maya.request(operation.method, path, json=body)
                if response.status_code not in {
                    401,
                    404,
                }:  # no such username, password or post exists
                    assert f"/{name}" in field_errors(response), (operation.name, name)


def test_in2_a_parameter_beyond_its_range_is_refused_by_name(api: Api, every: list[Operation]) -> None:
    maya = api.someone()
    post = maya.publishes()
    tried = 0
    for operation in every:
        for parameter in operation.described.get("parameters", []):
            schema, place = parameter["schema"], parameter["in"]
            beyond = [int(schema["minimum"]) - 1, int(schema["maximum"]) + 1] if "maximum" in schema else []
            beyond += ["x" * (schema["maxLength"] + 1)] if "maxLength" in schema and place != "path" else []
            for value in map(str, beyond):
                path = operation.at(post_id=post["id"], user_id=maya.id)
                sent: Any = (
                    {"headers": {parameter["name"]: value}}
                    if place == "header"
                    else {"params": {parameter["name"]: value}}
                )
                response = maya.request(operation.method, path, json=operation.body, **sent)
                assert response.status_code == 400, (operation.name, parameter["name"], response.text)
                assert response.json()["code"] in {"query_invalid", "cursor_invalid"}
                tried += 1
    assert tried > 20


# --- IN-8: no input is a command -----------------------------------------------------------

METACHARACTERS = (
    "'",
    '"',
    "\\",
    "%",
    "_",
    "%_%",
    "';--",
    "' OR '1'='1",
    "\\'; --",
    "$1",
    ":id",
    "?",
    "/*",
    "{0}",
    "%s",
)


def test_in8_special_characters_of_databases_are_stored_unchanged(api: Api) -> None:
    maya = api.someone()
    for text in METACHARACTERS:
        assert maya.reads(maya.publishes(f"a{text}b", content_warning=text))["text"] == f"a{text}b"
        edited = done(maya.patch("/api/v1/me", {"bio": text, "display_name": f"Maya {text.strip()}"}))
        assert (edited["bio"], edited["display_name"]) == (text, f"Maya {text.strip()}")


def test_in8_no_parameter_is_interpreted_as_a_pattern_or_a_command(api: Api, every: list[Operation]) -> None:
    maya = api.someone()
    post = maya.publishes()
    for operation in every:
        if operation.method != "GET":
            continue
        path = operation.at(post_id=post["id"], user_id=maya.id)
        for parameter in operation.described.get("parameters", []):
            if parameter["in"] == "query":
                # A search accepts any text, and refuses one without a word.
                taken = {200, 422} if parameter["name"] == "q" else {400, 404}
                for text in METACHARACTERS:
                    response = maya.get(path, params={parameter["name"]: text})
                    assert response.status_code in taken, (operation.name, parameter["name"], text)
                    if response.status_code == 200:
                        assert post["id"] not in {item["id"] for item in response.json()["items"]}, text


def test_in8_wildcards_match_only_themselves_in_names(api: Api) -> None:
    name = fresh_name()
    done(api.registers(f"{name}x1"), 201)
    for pattern in (f"{name}_1", f"{name}%", f"{name}x_", "%", "_" * (len(name) + 2)):
        response = api.nobody.get("/api/v1/users", params={"username": pattern})
        assert refusal(response) == (404, "user_not_found")
        response = api.nobody.post("/api/v1/auth/login", {"login": pattern, "password": "x" * 10})
        assert refusal(response) == (401, "wrong_credentials")


def test_in8_enumerations_accept_no_other_value(api: Api, every: list[Operation]) -> None:
    schemas = document(api)["components"]["schemas"]
    maya = api.someone()
    for operation in every:
        path = operation.at(post_id=maya.publishes()["id"], user_id=maya.id)
        for name, schema in members_of(api, operation).items():
            refs = [option.get("$ref", "") for option in [schema, *schema.get("oneOf", [])]]
            if any("enum" in schemas.get(ref.rpartition("/")[2], {}) for ref in refs):
                for word in ("id; DROP TABLE posts", "PUBLIC", "", "public ", ["public"], 0):
                    body = (operation.body or {}) | {name: word}
                    assert field_errors(maya.request(operation.method, path, json=body)) == {
                        f"/{name}": "type"
                    }
        for parameter in operation.described.get("parameters", []):
            if "enum" in parameter["schema"] or parameter["schema"].get("type") == "boolean":
                for word in ("id desc", "1;", "", "TRUE OR 1"):
                    params = {parameter["name"]: word}
                    response = maya.request(operation.method, path, params=params, json=operation.body)
                    assert refusal(response) == (400, "query_invalid")
