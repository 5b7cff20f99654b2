"""Refusals as RFC 9457 problem details: the one place where a kind of error meets a status."""

import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import HTTPException, InternalServerException, ValidationException
from litestar.params import HeaderParameter
from litestar.typing import FieldDefinition

from application.shared.errors import KeyInFlight, StorageFull, TokenInvalid
from domain.shared import (
    Conflict,
    DomainError,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    Stale,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from entrypoints.access.cursors import CursorInvalid
from entrypoints.http.answers import Answer, RawHeaders, Ready, as_json
from entrypoints.http.expectations import expected_of, pointer_to

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"

STATUS: Mapping[type[DomainError], int] = {
    CursorInvalid: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Stale: 412,
    Invalid: 422,
    TooMany: 429,
    StorageFull: 507,
    Unavailable: 503,
}


class BadRequest(DomainError):
    """The request itself, not what it asks for, is wrong."""

    code = "bad_request"


class BodyMalformed(BadRequest):
    """The body is missing, or it is not JSON in UTF-8, or nested too deep."""

    code = "body_malformed"


class QueryInvalid(BadRequest):
    """A query parameter or a header is missing or out of its range; `errors` names it."""

    code = "query_invalid"

    def __init__(self, *field_errors: FieldError) -> None:
        super().__init__("; ".join(field_error.detail for field_error in field_errors))
        self.field_errors = field_errors


class NotAcceptable(DomainError):
    """The resource cannot be given in any of the forms that `Accept` names."""

    code = "not_acceptable"


class WrongMediaType(DomainError):
    """The body is not declared to be what this route takes."""

    code = "unsupported_media_type"


class BodyEncoded(WrongMediaType):
    """The body has a Content-Encoding. Send it as it is."""

    code = "content_encoding_unsupported"


class HostInvalid(BadRequest):
    """The request has no `Host` header, more than one, or one that names no host."""

    code = "host_invalid"


class CorsRefused(BadRequest):
    """Pages of this origin may not send such a request: the server's operator lists the origins that may."""

    code = "cors_refused"


OF_HTTP: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "The request cannot be understood."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "The address does not take this method; Allow names those that it takes."),
    408: ("body_too_slow", "The body did not arrive in time. Send it again over a better connection."),
    413: ("body_too_large", "The body is larger than this route takes."),
    431: ("headers_too_large", "The request line and the headers are larger than 32 KB together."),
    500: ("internal", "Something went wrong on our side. It is logged under the request id."),
    503: ("overloaded", "Too much at once. Try again after Retry-After seconds."),
    504: ("deadline_exceeded", "The request took too long and was given up; it may have had its effect."),
}
"""The codes of refusals that no use case makes."""


class FaultOut(msgspec.Struct):
    pointer: str
    code: str
    detail: str


class Problem(msgspec.Struct, omit_defaults=True):
    """RFC 9457. `code` is stable; `errors` lists every fault that was found in the input."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FaultOut] = []


def problem(
    request_id: str, status: int, code: str, detail: str, field_errors: tuple[FieldError, ...] = ()
) -> Problem:
    return Problem(
        type=f"/api/errors#{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        request_id=request_id,
        errors=[
            FaultOut(_pointer(field_error.field), field_error.code, field_error.detail)
            for field_error in field_errors
        ],
    )


def _pointer(field: str) -> str:
    """JSON Pointer (RFC 6901): a member of the body, `/query/…` for what code calls `?…`, and `/header/…` for `header:…`.
    No body has members of these two names."""
    if field.startswith("?"):
        return "/query" + pointer_to(field[1:])
    if field.startswith("header:"):
        return "/header" + pointer_to(field.removeprefix("header:"))
    return field if not field or field.startswith("/") else pointer_to(field)


AnyRequest = Request[Any, Any, Any]


def refusal(error: DomainError, request_id: str) -> Ready:
    """A domain error as an answer."""
    headers: RawHeaders = []
    if isinstance(error, Unauthenticated):
        # RFC 6750: an error code only where a token was sent
        refused = ', error="invalid_token"' if isinstance(error, TokenInvalid) else ""
        headers.append((b"www-authenticate", f'Bearer realm="waggle"{refused}'.encode()))
    if isinstance(error, Unavailable | TooMany | KeyInFlight):
        headers.append((b"retry-after", str(error.retry_after).encode()))
    field_errors = tuple(error.field_errors) if isinstance(error, Invalid | QueryInvalid) else ()
    return answer(problem(request_id, status_of(type(error)), error.code, str(error), field_errors), headers)


def answer(body: Problem, headers: RawHeaders) -> Ready:
    return as_json(body, [*headers, (b"cache-control", b"no-store")], body.status, PROBLEM.encode())


def refuse(request: AnyRequest, error: DomainError) -> Answer:
    return Answer(refusal(error, _id(request)))


def _id(request: AnyRequest) -> str:
    return str(request.scope.get("request_id", ""))


def status_of(error: type[DomainError]) -> int:
    if issubclass(error, BadRequest):
        return 400
    if issubclass(error, WrongMediaType):
        return 415
    if issubclass(error, NotAcceptable):
        return 406
    return next(status for kind, status in STATUS.items() if issubclass(error, kind))


def refuse_http(request: AnyRequest, error: HTTPException) -> Answer:
    """What Litestar refuses by itself: routes, methods, sizes, parameters."""
    if isinstance(error, ValidationException):
        return refuse(request, _parameters(request, error))
    if isinstance(error, InternalServerException) and "disconnected" in error.detail:
        return refuse(request, BodyMalformed("the body ended before it was whole"))  # nobody reads this
    status = error.status_code if error.status_code in OF_HTTP else 400 if error.status_code < 500 else 500
    code, detail = OF_HTTP[status]
    headers = [(b"allow", ", ".join(_allowed(request)).encode())] if status == 405 else []
    if status == 408:
        headers.append((b"connection", b"close"))
    return Answer(answer(problem(_id(request), status, code, detail), headers))


def _allowed(request: AnyRequest) -> list[str]:
    """The methods that the router takes at this address; it does not say so by itself."""
    router, path = request.app.asgi_router, request.scope["path"].rstrip("/") or "/"
    found = []
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        with suppress(HTTPException):
            router.handle_routing(path=path, method=method)
            found.append(method)
    return ["HEAD", *found] if "GET" in found else found


_MISSING = re.compile(r"Missing required \w+ parameter '([\w-]+)'")


def _parameters(request: AnyRequest, error: ValidationException) -> BadRequest:
    extra: Any = error.extra if isinstance(error.extra, list) else []
    if any(str(field_error.get("key", "")).startswith("data") for field_error in extra):
        return BodyMalformed("the body is missing")
    fields = request.route_handler.parsed_fn_signature.parameters
    field_errors = [_of_parameter(fields[str(field_error.get("key"))]) for field_error in extra]
    if not field_errors and (missing := _MISSING.match(error.detail)):  # Litestar says it in words only
        field_errors = [FieldError(f"?{missing[1]}", "missing", f"{missing[1]} is required")]
    return QueryInvalid(*field_errors)


def _of_parameter(field: FieldDefinition) -> FieldError:
    rules = field.kwarg_definition
    name = getattr(rules, "name", None) or field.name
    where = "header:" if isinstance(rules, HeaderParameter) else "?"
    return FieldError(f"{where}{name}", "out_of_range", f"{name} must be {expected_of(field)}")


def fail(request: AnyRequest, error: Exception) -> Answer:
    """A mistake of ours. The log has it whole, the client only the id to quote."""
    log.error("unexpected %s", type(error).__name__, exc_info=error)
    code, detail = OF_HTTP[500]
    return Answer(answer(problem(_id(request), 500, code, detail), []))
