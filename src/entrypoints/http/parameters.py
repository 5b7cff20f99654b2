"""Refuse unknown query parameters, as unknown members of a body are refused, so that none is silently misspelt."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from domain.shared import FieldError, Invalid
from entrypoints.http.expectations import MAX_UNKNOWN

ANY_QUERY: dict[str, Any] = {"query": None}
"""For pages and documents that are not part of the API: any query string is accepted there."""


def refuse_unknown(sent: Sequence[str], handler: BaseRouteHandler) -> None:
    """Raises Invalid for unknown and for repeated names. A handler that reads parameters itself lists them as `query` in
    its `opt`."""
    own: Iterable[str] | None = handler.opt.get("query", ())
    if own is None:
        return
    known = sorted({*own, *_declared(handler)})
    field_errors = {name: "unknown" for name in sent if name not in known}
    field_errors |= {name: "twice" for name, times in Counter(sent).items() if times > 1 and name in known}
    if field_errors:
        takes = f"known are {', '.join(known)}" if known else "this operation has none"
        details = {"unknown": f"unknown parameter; {takes}", "twice": "this parameter must not be repeated"}
        listed = [FieldError(f"?{name}", code, details[code]) for name, code in field_errors.items()]
        raise Invalid(*listed[:MAX_UNKNOWN])


@cache
def _declared(handler: BaseRouteHandler) -> tuple[str, ...]:
    return tuple(
        field.kwarg_definition.name or field.name
        for field in handler.parsed_fn_signature.parameters.values()
        if isinstance(field.kwarg_definition, QueryParameter)
    )
