"""The metric families that the metrics library has of itself."""

from collections.abc import Sequence

from entrypoints.metrics.family import Family

LIBRARY: Sequence[Family] = (
    Family("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes."),
    Family("process_resident_memory_bytes", "gauge", "Resident memory size in bytes."),
    Family("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds."),
    Family("process_cpu_seconds", "counter", "Total user and system CPU time spent in seconds."),
    Family("process_open_fds", "gauge", "Number of open file descriptors."),
    Family(
        "process_max_fds",
        "gauge",
        "Maximum number of open file descriptors.",
        alert="`process_open_fds` close to it",
    ),
    Family(
        "python_gc_objects_collected",
        "counter",
        "Objects collected during gc.",
        {"generation": "`0`, `1`, `2`"},
    ),
    Family(
        "python_gc_objects_uncollectable",
        "counter",
        "Uncollectable objects found during GC.",
        {"generation": "`0`, `1`, `2`"},
    ),
    Family(
        "python_gc_collections",
        "counter",
        "Number of times this generation was collected.",
        {"generation": "`0`, `1`, `2`"},
    ),
    Family(
        "python_info",
        "gauge",
        "Python platform information.",
        {
            "implementation": "`CPython`",
            "major": "`3`",
            "minor": "a number",
            "patchlevel": "a number",
            "version": "`3.11.7`",
        },
    ),
)
"""The families that the metrics library measures (Linux only)."""
