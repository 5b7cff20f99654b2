"""Union schemas, in a form in which generators can distinguish the alternatives."""

from collections.abc import Mapping
from typing import Any

_REF = "#/components/schemas/"


def simplified(schema: dict[str, Any]) -> None:
    """Replace two kinds of oneOf that Litestar writes by a plain type: "a string or null" with the limits beside it, and a
    oneOf of a single schema, for an optional member."""
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


def add_discriminator(name: str, schema: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    """Add the member by which the alternatives of a union differ: a tag, or an enumeration with different values in each
    alternative. Raises RuntimeError if there is none."""
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
        f"the alternatives of {name} cannot be distinguished: give their structs a tag_field and a tag"
    )


def _values(member: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[str]:
    """The values of a member that is one of a few strings; else nothing."""
    if ref := member.get("$ref"):
        member = schemas[ref.removeprefix(_REF)]
    found = [member["const"]] if "const" in member else member.get("enum", [])
    return [value for value in found if isinstance(value, str)]
