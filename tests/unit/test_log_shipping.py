"""The files that send log lines to Elasticsearch and Loki. The servers themselves are not run: see docs/operating.md."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from entrypoints.log_catalogue import declared
from entrypoints.log_fields import types

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
OVERLAYS = ("docker-compose.elasticsearch.yml", "docker-compose.loki.yml")
FIELDS = types()
KEPT_DAYS = 30


def yaml_of(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def json_of(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_is_on_loopback_and_mounts_files_that_exist(name: str) -> None:
    overlay = yaml_of(ROOT / name)

    volumes = set(overlay["volumes"])
    for service in overlay["services"].values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), port
        for mount in service.get("volumes", []):
            source = mount.partition(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), source
            elif not source.startswith("${"):
                assert source in volumes, source
        for needed in service.get("depends_on", []):
            assert needed in overlay["services"]


def test_lines_are_deleted_within_thirty_days() -> None:
    phases = json_of(DEPLOY / "elasticsearch/lifecycle.json")["policy"]["phases"]
    rollover = phases["hot"]["actions"]["rollover"]["max_age"]

    assert days(rollover) + days(phases["delete"]["min_age"]) <= KEPT_DAYS
    loki = yaml_of(DEPLOY / "loki/config.yml")
    assert loki["compactor"]["retention_enabled"]
    assert loki["limits_config"]["retention_period"] == f"{KEPT_DAYS * 24}h"


def days(text: str) -> int:
    assert text.endswith("d")
    return int(text[:-1])


def test_filebeat_writes_into_the_data_stream_of_the_template() -> None:
    filebeat = yaml_of(DEPLOY / "elasticsearch/filebeat.yml")
    template = json_of(DEPLOY / "elasticsearch/index-template.json")
    setup = (DEPLOY / "elasticsearch/setup.sh").read_text()

    ndjson = filebeat["filebeat.inputs"][0]["parsers"][0]["ndjson"]
    assert (ndjson["target"], ndjson["expand_keys"], ndjson["overwrite_keys"]) == ("", True, True)
    pattern = template["index_patterns"][0].replace("*", ".*")
    assert re.fullmatch(pattern, filebeat["output.elasticsearch"]["index"])
    assert template["index_patterns"][0] in setup
    assert f"/_ilm/policy/{template['template']['settings']['index.lifecycle.name']} " in setup
    dropped = filebeat["processors"][0]["drop_fields"]["fields"]
    assert not [field for field in dropped if field in FIELDS]


def expanded(line: dict[str, Any]) -> dict[str, Any]:
    """The document that Filebeat's `expand_keys` makes of a line."""
    document: dict[str, Any] = {}
    for key, value in line.items():
        *parents, name = key.split(".")
        place = document
        for parent in parents:
            place = place.setdefault(parent, {})
        assert name not in place, key
        place[name] = value
    return document


def test_the_expanded_line_has_a_mapping_for_each_of_its_values() -> None:
    document = expanded(dict.fromkeys(FIELDS, "x"))
    mapping = json_of(DEPLOY / "elasticsearch/index-template.json")["template"]["mappings"]

    def mapped(value: Any, properties: Any) -> bool:
        if not isinstance(value, dict):
            return "type" in properties
        return all(
            name in properties["properties"] and mapped(inner, properties["properties"][name])
            for name, inner in value.items()
        )

    assert mapping["dynamic"] is False
    assert mapped(document, mapping)


# --- Kibana --------------------------------------------------------------------------------------------

OBJECTS = [json.loads(line) for line in (DEPLOY / "elasticsearch/kibana.ndjson").read_text().splitlines()]


def strings(value: Any) -> Iterator[tuple[str, str]]:
    """The strings of an object with the names of their members, also those in members that are JSON themselves."""
    members = value.items() if isinstance(value, dict) else [("", inner) for inner in value]
    for name, inner in members:
        if name.endswith("JSON") or name == "visState":
            yield from strings(json.loads(inner))
        elif isinstance(inner, dict | list):
            yield from strings(inner)
        elif isinstance(inner, str):
            yield name, inner


def test_the_references_between_saved_objects_resolve() -> None:
    known = {(one["type"], one["id"]) for one in OBJECTS}
    assert len(known) == len(OBJECTS)
    for one in OBJECTS:
        assert {(ref["type"], ref["id"]) for ref in one["references"]} <= known
    dashboard = next(one for one in OBJECTS if one["type"] == "dashboard")
    panels = json.loads(dashboard["attributes"]["panelsJSON"])
    names = {f"{panel['panelIndex']}:{panel['panelRefName']}" for panel in panels}
    assert names == {ref["name"] for ref in dashboard["references"]}
    shown = {ref["id"] for ref in dashboard["references"]}
    assert shown == {one["id"] for one in OBJECTS if one["type"] in {"visualization", "search"}}


def test_the_data_view_covers_the_template() -> None:
    view = next(one for one in OBJECTS if one["type"] == "index-pattern")
    template = json_of(DEPLOY / "elasticsearch/index-template.json")

    assert [view["attributes"]["title"]] == template["index_patterns"]
    assert view["attributes"]["timeFieldName"] in FIELDS


def test_saved_objects_name_only_declared_fields_and_actions() -> None:
    actions = {event.action for event in declared()}
    for one in OBJECTS:
        for name, text in strings(one["attributes"]):
            if name == "field":
                assert text in FIELDS, text
            elif name == "query":
                fields = re.findall(r"([\w.@]+) :", text)
                assert set(fields) <= FIELDS.keys(), text
                assert set(re.findall(r"event\.action : (\w+)", text)) <= actions
        assert set(one["attributes"].get("columns", [])) <= FIELDS.keys()


def test_only_fields_with_exact_values_are_grouped() -> None:
    for one in OBJECTS:
        for agg in json.loads(one["attributes"].get("visState", "{}")).get("aggs", []):
            if agg["type"] == "terms":
                assert FIELDS[agg["params"]["field"]] in {"keyword", "long"}


# --- Loki ----------------------------------------------------------------------------------------------

FEW_VALUES = {
    "level": "log.level",
    "dataset": "event.dataset",
    "action": "event.action",
    "node": "service.node.name",
}


def test_labels_have_few_values_and_come_from_declared_fields() -> None:
    alloy = (DEPLOY / "loki/config.alloy").read_text()
    keys = dict(re.findall(r'^\s+(\w+)\s+= "\\"(.+?)\\""', alloy, re.MULTILINE))

    assert set(keys.values()) <= FIELDS.keys()
    labels = re.search(r"stage\.labels \{\s+values = \{(.+?)\}", alloy)
    assert labels is not None
    named = set(re.findall(r"(\w+) =", labels[1]))
    assert {label: keys[label] for label in named} == FEW_VALUES
    assert alloy.count("{") == alloy.count("}")
    for component in re.findall(r"(?:targets|forward_to)\s+= \[?([\w.]+)\.(?:targets|receiver)", alloy):
        kind, _, label = component.rpartition(".")
        assert f'{kind} "{label}" {{' in alloy, component


def test_grafana_reads_from_the_loki_of_the_overlay() -> None:
    source = yaml_of(DEPLOY / "grafana/provisioning/datasources/loki.yml")["datasources"][0]
    services = yaml_of(ROOT / "docker-compose.loki.yml")["services"]

    assert source["url"] == "http://loki:3100"
    assert "loki" in services
    assert services["alloy"]["environment"]["LOKI_URL"].startswith(source["url"])
