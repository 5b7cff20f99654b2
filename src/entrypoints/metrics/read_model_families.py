"""The metric families of kept responses (`entrypoints/http/kept_responses.py`)."""

from entrypoints.metrics.family import Family

_PRESENT = "where responses are kept (WAGGLE_READ_MODEL)"
_CHANGES = (
    "`rows` (a row of it has changed), `other process` (one has written), `store` (not all changes are known at this moment), "
    "`viewer context`, `timeline`, `popular authors`, `cached value` (what the process has in memory of these has changed, or is due to be "
    "read again)"
)

READ_MODEL = (
    Family(
        "waggle_read_model_hits",
        "counter",
        "Responses that were sent again since nothing had changed.",
        present=_PRESENT,
    ),
    Family(
        "waggle_read_model_misses",
        "counter",
        "Looks that found no response that could be sent again. A request may look twice.",
        {"reason": f"`absent` (none is kept), {_CHANGES}"},
        present=_PRESENT,
    ),
    Family(
        "waggle_read_model_refused",
        "counter",
        "Responses that were made and could not be kept.",
        {
            "reason": f"{_CHANGES}, `media` (not everybody may see them), `keys` (it depends on too many rows), `size`",
        },
        present=_PRESENT,
    ),
    Family(
        "waggle_read_model_evictions",
        "counter",
        "Responses that were dropped for others.",
        alert="many, with few hits: raise WAGGLE_READ_MODEL_MB",
        present=_PRESENT,
    ),
    Family("waggle_read_model_responses", "gauge", "Responses that are kept.", present=_PRESENT),
    Family(
        "waggle_read_model_bytes",
        "gauge",
        "The memory that is counted for them. With the rows that they are made of, at most WAGGLE_READ_MODEL_MB.",
        present=_PRESENT,
    ),
)
