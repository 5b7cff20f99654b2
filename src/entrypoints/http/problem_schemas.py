"""The problem schema of each operation: its codes are an enumeration of those that the operation can respond with."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from domain.shared import DomainError
from entrypoints.http.errors import OF_HTTP, PROBLEM, problem, status_of

POINTERS = (
    "JSON Pointer (RFC 6901) to a member of the body (`/text`; empty for the whole body), to a query parameter after `/query` "
    "(`/query/limit`), or to a header after `/header` (`/header/Idempotency-Key`)."
)

SCHEMAS: dict[str, Any] = {
    "Problem": {
        "type": "object",
        "title": "Problem",
        "description": "RFC 9457 problem details. `code` is stable; the texts may change.",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference", "maxLength": 200},
            "title": {"type": "string", "maxLength": 200},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "maxLength": 20_000},
            "code": {"type": "string", "maxLength": 64},
            "request_id": {"type": "string", "maxLength": 128},
            "errors": {
                "type": "array",
                "maxItems": 100,
                "description": "Every error found in the input.",
                "items": {"$ref": "#/components/schemas/FieldError"},
            },
        },
    },
    "FieldError": {
        "type": "object",
        "title": "FieldError",
        "description": "One error in the input.",
        "required": ["pointer", "code", "detail"],
        "properties": {
            "pointer": {"type": "string", "maxLength": 500, "description": POINTERS},
            "code": {"type": "string", "maxLength": 64},
            "detail": {"type": "string", "maxLength": 1000},
        },
    },
}


def add_problems(
    operation: dict[str, Any], errors: Iterable[type[DomainError]], http: Iterable[int]
) -> dict[str, Any]:
    """Describe the errors in the operation's responses: `errors`, and the statuses in `http`, which no use case raises.
    Returns the schema that they refer to, by its name."""
    by_status: dict[int, dict[str, str]] = defaultdict(dict)
    for error in errors:
        by_status[status_of(error)][error.code] = " ".join((error.__doc__ or error.code).split())
    for status in http:
        code, meaning = OF_HTTP[status]
        by_status[status][code] = meaning
    name = operation["operationId"][:1].upper() + operation["operationId"][1:] + "Problem"
    responses = operation["responses"]
    responses.pop("400", None)  # Litestar's own, in a form that Waggle does not use
    for status, codes in sorted(by_status.items()):
        examples = {
            code: {"value": _example(status, code, meaning), "summary": meaning}
            for code, meaning in codes.items()
        }
        responses[str(status)] = {
            "description": " ".join(f"`{code}`: {meaning}" for code, meaning in codes.items()),
            "content": {PROBLEM: {"schema": {"$ref": f"#/components/schemas/{name}"}, "examples": examples}},
        }
    return {name: _schema(name, sorted({code for codes in by_status.values() for code in codes}))}


def _schema(name: str, codes: list[str]) -> dict[str, Any]:
    of_operation = {
        "type": "object",
        "required": ["code"],
        "properties": {"code": {"type": "string", "enum": codes}},
    }
    return {
        "title": name,
        "description": "A problem with one of the codes of this operation.",
        "allOf": [{"$ref": "#/components/schemas/Problem"}, of_operation],
    }


def _example(status: int, code: str, meaning: str) -> dict[str, Any]:
    example = problem("5f0c1e4a9b7d4c5e", status, code, meaning)
    return {
        name: getattr(example, name) for name in ("type", "title", "status", "detail", "code", "request_id")
    }
