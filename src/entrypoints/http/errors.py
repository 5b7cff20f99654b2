"""Errors as RFC 9457 problem details: the only place that maps error classes to HTTP statuses."""

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
from application.shared.log import log
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
from entrypoints.http.expectations import expected_of, pointer_to
from entrypoints.http.responses import RawHeaders, Ready, ReadyResponse, as_json
from entrypoints.log_events import UnexpectedError

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
    """The request itself is malformed, whatever it asks for."""

    code = "bad_request"


class BodyMalformed(BadRequest):
    """The body is missing, is not JSON in UTF-8, or is nested too deeply."""

    code = "body_malformed"


class QueryInvalid(BadRequest):
    """A query parameter or a header is missing or out of range; `errors` names it."""

    code = "query_invalid"

    def __init__(self, *field_errors: FieldError) -> None:
        super().__init__("; ".join(field_error.detail for field_error in field_errors))
        self.field_errors = field_errors


class NotAcceptable(DomainError):
    """The resource is not available in any of the media types in `Accept`."""

    code = "not_acceptable"


class WrongMediaType(DomainError):
    """The `Content-Type` of the body is not one that this operation accepts."""

    code = "unsupported_media_type"


class BodyEncoded(WrongMediaType):
    """The body has a `Content-Encoding`. Send it without one."""

    code = "content_encoding_unsupported"


class HostInvalid(BadRequest):
    """The request has no `Host` header, more than one, or an invalid one."""

    code = "host_invalid"


class CorsRefused(BadRequest):
    """Pages of this origin may not send such a request: the operator of the server configures the allowed origins."""

    code = "cors_refused"


OF_HTTP: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "The request cannot be understood."),
    404: ("not_found", "There is nothing at this address."),
    405: (
        "method_not_allowed",
        "This address does not support the method; Allow lists the methods that it supports.",
    ),
    408: ("body_too_slow", "The body did not arrive in time. Send it again over a faster connection."),
    413: ("body_too_large", "The body is larger than this operation accepts."),
    431: ("headers_too_large", "The request line and the headers are larger than 32 KB together."),
    500: ("internal", "The server failed unexpectedly. The error is logged with the request id."),
    503: ("overloaded", "The server is overloaded. Try again after Retry-After seconds."),
    504: ("deadline_exceeded", "The request took too long and was cancelled; it may have had its effect."),
}
"""The codes of errors that no use case raises, with their meanings."""


class FieldErrorOut(msgspec.Struct):
    pointer: str
    code: str
    detail: str


class Problem(msgspec.Struct, omit_defaults=True):
    """RFC 9457. `code` is stable; `errors` lists every error found in the input."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldErrorOut] = []


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
            FieldErrorOut(_pointer(field_error.field), field_error.code, field_error.detail)
            for field_error in field_errors
        ],
    )


def _pointer(field: str) -> str:
    """The JSON Pointer (RFC 6901) of a field: a member of the body, `/query/…` for a field `?…`, and `/header/…` for a field
    `header:…`. No body has members with these two names."""
    if field.startswith("?"):
        return "/query" + pointer_to(field[1:])
    if field.startswith("header:"):
        return "/header" + pointer_to(field.removeprefix("header:"))
    return field if not field or field.startswith("/") else pointer_to(field)


AnyRequest = Request[Any, Any, Any]


def refusal(error: DomainError, request_id: str) -> Ready:
    """The response for a domain error."""
    headers: RawHeaders = []
    if isinstance(error, Unauthenticated):
        # RFC 6750: an error code only where a token was sent
        refused = ', error="invalid_token"' if isinstance(error, TokenInvalid) else ""
        headers.append((b"www-authenticate", f'Bearer realm="waggle"{refused}'.encode()))
    if isinstance(error, Unavailable | TooMany | KeyInFlight):
        headers.append((b"retry-after", str(error.retry_after).encode()))
    field_errors = tuple(error.field_errors) if isinstance(error, Invalid | QueryInvalid) else ()
    return problem_response(
        problem(request_id, status_of(type(error)), error.code, str(error), field_errors), headers
    )


def problem_response(body: Problem, headers: RawHeaders) -> Ready:
    return as_json(body, [*headers, (b"cache-control", b"no-store")], body.status, PROBLEM.encode())


def refuse(request: AnyRequest, error: DomainError) -> ReadyResponse:
    return ReadyResponse(refusal(error, _id(request)))


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


def refuse_http(request: AnyRequest, error: HTTPException) -> ReadyResponse:
    """The response for an error of Litestar itself: routes, methods, sizes, parameters."""
    if isinstance(error, ValidationException):
        return refuse(request, _parameters(request, error))
    if isinstance(error, InternalServerException) and "disconnected" in error.detail:
        return refuse(request, BodyMalformed("the body is incomplete"))  # the client is gone
    status = error.status_code if error.status_code in OF_HTTP else 400 if error.status_code < 500 else 500
    code, detail = OF_HTTP[status]
    headers = [(b"allow", ", ".join(_allowed(request)).encode())] if status == 405 else []
    if status == 408:
        headers.append((b"connection", b"close"))
    return ReadyResponse(problem_response(problem(_id(request), status, code, detail), headers))


def _allowed(request: AnyRequest) -> list[str]:
    """The methods that the router supports at this address. Litestar does not list them itself."""
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
    if not field_errors and (
        missing := _MISSING.match(error.detail)
    ):  # Litestar reports it only in its message
        field_errors = [FieldError(f"?{missing[1]}", "missing", f"{missing[1]} is required")]
    return QueryInvalid(*field_errors)


def _of_parameter(field: FieldDefinition) -> FieldError:
    rules = field.kwarg_definition
    name = getattr(rules, "name", None) or field.name
    where = "header:" if isinstance(rules, HeaderParameter) else "?"
    return FieldError(f"{where}{name}", "out_of_range", f"{name} must be {expected_of(field)}")


def fail(request: AnyRequest, error: Exception) -> ReadyResponse:
    """The response for a bug. The log has the traceback; the client gets only the request id to quote."""
    log(UnexpectedError(error_type=type(error).__name__, part="a handler"), error)
    code, detail = OF_HTTP[500]
    return ReadyResponse(problem_response(problem(_id(request), 500, code, detail), []))
