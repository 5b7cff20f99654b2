"""The catalogue of what is logged, and that all code keeps to it."""

import ast
import json
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

from entrypoints.log_catalogue import declared
from entrypoints.log_fields import ECS_VERSION, FIELDS, types

ROOT = Path(__file__).parents[2]
EVENTS = declared()


def test_every_field_of_an_event_has_a_name_and_a_type_in_the_schema() -> None:
    for event in EVENTS:
        hints = get_type_hints(event)
        for name in event.field_names:
            assert name in FIELDS, f"{event.__name__}.{name} has no entry in entrypoints/log_fields.py"
            if FIELDS[name].type == "long":
                assert hints[name] is int, f"{event.__name__}.{name}"
    unused = FIELDS.keys() - {name for event in EVENTS for name in event.field_names}
    assert not unused


def test_every_message_names_only_fields_of_its_event() -> None:
    for event in EVENTS:
        named = {name for _, name, _, _ in string.Formatter().parse(event.message) if name}
        assert named <= set(event.field_names), event.__name__


def test_every_event_says_when_it_happens_and_what_to_do() -> None:
    for event in EVENTS:
        assert re.search(r".{20,}\n\n    Do: .+", event.__doc__ or "", re.DOTALL), event.__name__


def test_the_types_are_those_of_the_published_schema() -> None:
    published = json.loads((ROOT / "tests/unit/ecs_fields.json").read_text())

    assert published["version"] == ECS_VERSION
    assert {key: type_ for key, type_ in types().items() if not key.startswith("waggle.")} == published[
        "types"
    ]


def test_the_index_template_maps_every_field_with_its_type() -> None:
    template = json.loads((ROOT / "deploy/elasticsearch/index-template.json").read_text())

    def flat(properties: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
        for name, value in properties.items():
            if "properties" in value:
                yield from flat(value["properties"], f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}", value["type"]

    mapped = dict(flat(template["template"]["mappings"]["properties"]))
    assert mapped == types()


def test_no_name_is_a_value_and_an_object_at_once() -> None:
    names = types().keys()
    assert not [name for name in names if any(other.startswith(f"{name}.") for other in names)]


MAY_IMPORT_LOGGING = {
    "application/shared/log.py",
    "entrypoints/logs.py",
    "entrypoints/log_catalogue.py",
    "adapters/traces/export.py",
}


def test_all_code_logs_declared_events_only() -> None:
    used: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        name = path.relative_to(ROOT / "src").as_posix()
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                imported = {alias.name.partition(".")[0] for alias in node.names}
                module = getattr(node, "module", None) or ""
                loggers = {"logging", "structlog"} & ({module.partition(".")[0]} if module else imported)
                assert not loggers or name in MAY_IMPORT_LOGGING, f"{name} imports {loggers}: use log()"
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "log":
                used |= {name for name in _names(node.args[0]) if name in ALL}
                assert _names(node.args[0]) & ALL, f"{name}:{node.lineno} logs no declared event"
    assert ALL - used == set(), "events that nothing logs"


ALL = {event.__name__ for event in EVENTS}


def _names(node: ast.AST) -> set[str]:
    found = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return found | {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
