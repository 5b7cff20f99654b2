"""Schemas of which one applies, so that generators can tell the alternatives apart."""

from collections.abc import Mapping
from typing import Any

_REF = "#/components/schemas/"


def simplified(schema: dict[str, Any]) -> None:
    """Say in one type what Litestar writes as a oneOf: "a string or null" with the limits beside it, and what may be
    left out, which is a oneOf of a single schema."""
    options = schema.get("oneOf", [])
    if len(options) == 1:
        del schema["oneOf"]
        schema |= options[0]
    kinds = [option.get("type") for option in schema.get("oneOf", [])]
    if kinds and all(
        isinstance(kind, str) and len(option) == 1
        for kind, option in zip(kinds, schema["oneOf"], strict=True)
    ):
        del schema["oneOf"]
        schema["type"] = kinds


def tell_apart(name: str, schema: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    """Name the member by which the alternatives of a union differ: a tag, or an enumeration of which each has values of
    its own. Raises RuntimeError if there is none."""
    alternatives = [option["$ref"] for option in schema["oneOf"]]
    properties = [schemas[ref.removeprefix(_REF)].get("properties", {}) for ref in alternatives]
    for member in properties[0]:
        values = [_values(of.get(member, {}), schemas) for of in properties]
        listed = [value for some in values for value in some]
        if all(values) and len(listed) == len(set(listed)):
            mapping = {value: ref for ref, some in zip(alternatives, values, strict=True) for value in some}
            schema["discriminator"] = {"propertyName": member, "mapping": mapping}
            return
    raise RuntimeError(
        f"nothing tells the alternatives of {name} apart: give their structs a tag_field and a tag"
    )


def _values(member: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[str]:
    """What a member can be, if it is one of few strings."""
    if ref := member.get("$ref"):
        member = schemas[ref.removeprefix(_REF)]
    found = [member["const"]] if "const" in member else member.get("enum", [])
    return [value for value in found if isinstance(value, str)]
