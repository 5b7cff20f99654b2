"""docs/metrics.md, from the families."""

from collections.abc import Sequence

from entrypoints.metrics import families
from entrypoints.metrics.family import Family
from entrypoints.metrics.library_families import LIBRARY
from entrypoints.metrics.read_model_families import READ_MODEL

SECTIONS: Sequence[tuple[str, Sequence[Family]]] = (
    ("Requests", families.HTTP),
    ("Events", families.OUTBOX),
    ("Database connections", families.POOLS),
    ("Redis and storage", families.DEPENDENCIES),
    ("Streams", families.STREAM),
    ("Limits and caches", families.LIMITS_AND_CACHES),
    ("Kept responses", READ_MODEL),
    ("The process and its work", families.PROCESS),
    ("From the metrics library, on Linux", LIBRARY),
)
ABOUT = """\
With `WAGGLE_METRICS_ADDRESS=127.0.0.1:9091`, a process serves these metrics at `http://127.0.0.1:9091/metrics` for
[Prometheus](https://prometheus.io), in its text format or in OpenMetrics. They are never served on the public address.
[operating.md](operating.md#metrics) has an example. Each process counts for itself, so each needs an address of its own,
and sums are made in queries. No label contains anything that a client can choose: a label has only the values listed here.
A family with a label has no samples until the first observation. Counts begin again when a process starts."""


def metrics_document(note: str) -> str:
    lines = ["# Metrics", "", note, ABOUT, ""]
    for title, section in SECTIONS:
        lines += [
            f"## {title}",
            "",
            "| name | type | labels | meaning | alert on |",
            "| --- | --- | --- | --- | --- |",
        ]
        lines += [*map(_row, section), ""]
    return "\n".join(lines)


def _row(family: Family) -> str:
    labels = "<br>".join(f"`{name}`: {values}" for name, values in family.labels.items())
    about = f"{family.about} Only {family.present}." if family.present else family.about
    return "| " + " | ".join((f"`{family.exposed}`", family.kind, labels, about, family.alert)) + " |"
