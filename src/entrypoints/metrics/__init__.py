"""Metrics for Prometheus: the families (`families.py`), where their values come from (`reading.py`), their text
(`exposition.py`). `docs/metrics.md` is generated from the families."""
