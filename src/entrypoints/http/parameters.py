"""Query parameters that a route does not know: refused as members of a body are, so that no misspelt one is passed over."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from domain.shared import FieldError, Invalid
from entrypoints.http.expectations import MAX_UNKNOWN

ANY_QUERY: dict[str, Any] = {"query": None}
"""For pages and documents that are no part of the API: what follows the `?` there is not for Waggle."""


def refuse_unknown(sent: Sequence[str], handler: BaseRouteHandler) -> None:
    """Raises Invalid, for names that are sent twice too. A handler that reads its parameters by itself names them as
    `query` in its `opt`."""
    own: Iterable[str] | None = handler.opt.get("query", ())
    if own is None:
        return
    known = sorted({*own, *_declared(handler)})
    field_errors = {name: "unknown" for name in sent if name not in known}
    field_errors |= {name: "twice" for name, times in Counter(sent).items() if times > 1 and name in known}
    if field_errors:
        takes = f"this takes {', '.join(known)}" if known else "this takes none"
        details = {"unknown": f"there is no such parameter; {takes}", "twice": "it may be sent once only"}
        listed = [FieldError(f"?{name}", code, details[code]) for name, code in field_errors.items()]
        raise Invalid(*listed[:MAX_UNKNOWN])


@cache
def _declared(handler: BaseRouteHandler) -> tuple[str, ...]:
    return tuple(
        field.kwarg_definition.name or field.name
        for field in handler.parsed_fn_signature.parameters.values()
        if isinstance(field.kwarg_definition, QueryParameter)
    )
