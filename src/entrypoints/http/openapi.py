"""The OpenAPI document: Litestar derives it from the handlers, and this module adds what Litestar cannot know."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from litestar import Litestar
from litestar.routes import HTTPRoute

from application.shared.errors import KeyInFlight, KeyReused, Overloaded, StorageFull, TokenInvalid
from application.shared.limits import RateLimited
from domain.languages import LANGUAGE_PATTERN, MAX_LANGUAGE
from domain.shared import (
    Conflict,
    DomainError,
    Forbidden,
    Invalid,
    Stale,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from entrypoints.access.authentication import TokenMissing
from entrypoints.access.cursors import CursorInvalid
from entrypoints.access.limits import Cost
from entrypoints.http.auth import BY_ADDRESS, Access
from entrypoints.http.bodies import In
from entrypoints.http.errors import (
    OF_HTTP,
    BodyEncoded,
    BodyMalformed,
    QueryInvalid,
    WrongMediaType,
    status_of,
)
from entrypoints.http.problem_schemas import SCHEMAS as PROBLEM_SCHEMAS
from entrypoints.http.problem_schemas import add_problems
from entrypoints.http.responses import OneOf, Out
from entrypoints.http.unions import add_discriminator, simplified

ID_SCHEMA = {
    "type": "string",
    "pattern": "^[1-9][0-9]{0,18}$",
    "maxLength": 19,
    "description": "A 64-bit id in decimal digits. Ids are ordered by time.",
    "examples": ["116847632498755841"],
}


TAGS = {
    "auth": "Accounts and sessions: register, log in, refresh, log out.",
    "users": "Profiles, and the relationships between users.",
    "posts": "Posts, comments, likes, reposts, bookmarks and pins.",
    "media": "Images, animations and videos.",
    "feeds": "The home, public and hashtag feeds, and trending posts and hashtags.",
    "search": "Search for posts, users and hashtags.",
    "notifications": "The notifications of a user, as a list and as a stream.",
    "operations": "Probes and public keys.",
}


def policy(access: Access, *errors: type[DomainError], limit: Cost | None = None) -> dict[str, Any]:
    """The options of a route: its access, the errors of its use case, and the cost class of its rate limit. The default
    class is the controller's, else `read` for GET and `write` for other methods."""
    return {"access": access, "errors": errors} | ({"limit": limit} if limit else {})


def document(app: Litestar) -> dict[str, Any]:
    schema = _renamed(app.openapi_schema.to_schema())
    schemas = schema["components"]["schemas"]
    for name, described in schemas.items():
        _complete_schema(name, described)
    for name in {struct.__name__ for struct in _structs(OneOf)} & schemas.keys():
        add_discriminator(name, schemas[name], schemas)
    schemas |= PROBLEM_SCHEMAS
    schema["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "streamToken": {
            "type": "apiKey",
            "in": "query",
            "name": BY_ADDRESS,
            "description": "A token for the stream only, as part of the address that `POST /api/v1/stream/address` returns.",
        },
    }
    for path, method, opt in _routes(app):
        operation = schema["paths"].get(path, {}).get(method)
        if operation is not None:
            schemas |= _complete(operation, opt)
    # Litestar collects a controller's routes from a set; the published document has a fixed order.
    schema["paths"] = {path: dict(sorted(item.items())) for path, item in sorted(schema["paths"].items())}
    schema["components"]["schemas"] = dict(sorted(schemas.items()))
    schema["tags"] = [{"name": name, "description": about} for name, about in TAGS.items()]
    return schema


def require_operation_id(handler: Any, method: Any, path: Any) -> str:
    """Litestar calls this for handlers without an operation id. Generators name functions after the ids, so none is invented."""
    route = f"{method} /{'/'.join(map(str, path))}, {handler.handler_name}"
    raise RuntimeError(f"{route}: give it an operation_id of verb and noun, such as unbookmarkPost")


def _routes(app: Litestar) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                for method in handler.http_methods:
                    yield route.path_format, method.lower(), handler.opt


def catalogue() -> dict[str, tuple[int, str]]:
    """Every code of a problem, with its status and meaning."""
    codes = {code: (status, meaning) for status, (code, meaning) in OF_HTTP.items()}
    for error in _subclasses(DomainError):
        if "code" in vars(error) and error not in {
            Unauthenticated,
            Forbidden,
            Conflict,
            TooMany,
        }:  # base classes, never raised
            codes[error.code] = (status_of(error), " ".join((error.__doc__ or error.code).split()))
    return dict(sorted(codes.items()))


def _subclasses(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    for sub in kind.__subclasses__():
        if sub.__module__ != __name__:
            yield sub
            yield from _subclasses(sub)


def _security(access: Access, *, by_address: bool) -> list[dict[str, list[str]]]:
    ways: dict[Access, list[dict[str, list[str]]]] = {
        "token": [{"bearer": []}],
        "optional": [{}, {"bearer": []}],
        "public": [],
    }
    return ways[access] + ([{"streamToken": []}] if by_address else [])


def _complete(operation: dict[str, Any], opt: Mapping[str, Any]) -> dict[str, Any]:
    """Complete the operation. Returns the schema of its problems, by its name."""
    access: Access = opt.get("access", "token")
    if "body" in opt:  # not JSON, and unknown to Litestar
        operation["requestBody"] = opt["body"]
    parameters = operation.get("parameters", [])
    names = {parameter["name"] for parameter in parameters}
    operation["security"] = _security(access, by_address=BY_ADDRESS in opt)
    for parameter in parameters:
        _complete_parameter(parameter)
    errors: list[type[DomainError]] = [*opt.get("errors", ()), Unavailable, Overloaded, StorageFull, Invalid]
    http = {500, 504}
    limited = opt.get("limit") != "none"
    if limited:
        errors.append(RateLimited)
    if access != "public":
        errors.append(TokenInvalid)
    if access == "token":
        errors.append(TokenMissing)
    if "requestBody" in operation:
        errors += [BodyMalformed, WrongMediaType, BodyEncoded]
        http |= {408, 413}
    if any(parameter["in"] in {"query", "header"} for parameter in parameters):
        errors.append(QueryInvalid)
    if "cursor" in names:
        errors.append(CursorInvalid)
    if "If-Match" in names:
        errors.append(Stale)
    if "Idempotency-Key" in names:
        errors += [KeyReused, KeyInFlight]
    problems = add_problems(operation, errors, http)
    if "If-None-Match" in names:
        operation["responses"]["304"] = {"description": "The client has the current version."}
    _add_headers(operation["responses"], names, limited=limited)
    operation.setdefault("description", f"{operation['summary']}.")
    return problems


def _complete_parameter(parameter: dict[str, Any]) -> None:
    parameter.pop("allowEmptyValue", None)
    parameter.pop("allowReserved", None)
    if parameter["in"] == "path":
        parameter["schema"] = ID_SCHEMA
    schema = parameter["schema"]
    simplified(schema)
    if "maximum" in schema:
        schema.setdefault("minimum", 0)  # Litestar leaves out a bound of 0


def _add_headers(responses: dict[str, Any], names: set[str], *, limited: bool) -> None:
    for status, response in responses.items():
        headers = response.setdefault("headers", {})
        headers["X-Request-Id"] = _header("The id of this request, to quote when you report a problem.")
        if status == "401":
            headers["WWW-Authenticate"] = _header("How to authenticate (RFC 6750).")
        if status in {"429", "503", "507"}:
            headers["Retry-After"] = _header("The number of seconds after which to try again.")
        if limited:
            headers["RateLimit"] = _header(
                "The remaining budget: `r` requests now, and the full budget again after `t` seconds."
            )
            headers["RateLimit-Policy"] = _header("The limit: `q` requests in `w` seconds.")
        if status == "201" or (status == "202" and "Idempotency-Key" in names):
            if status == "201" or "201" not in responses:  # else nothing was created yet
                headers["Location"] = _header("The address of the created resource.")
            headers["Idempotency-Replayed"] = _header(
                "`true` if an earlier request with this key had the effect."
            )
        if status in {"200", "304"} and names & {"If-None-Match", "If-Match"}:
            headers["ETag"] = _header(
                "Weak, of `items` and `next`, for If-None-Match. With a 304, the `prev` that you have is still right."
                if "cursor" in names
                else "The version of the resource, for If-None-Match and If-Match."
            )
        if status == "200" and "cursor" in names:
            headers["Link"] = _header(
                "Links to the next and the previous page (RFC 8288), `next` and `prev`."
            )


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _renamed(schema: dict[str, Any]) -> dict[str, Any]:
    """The document with the names for client generators: `Post` for the class PostOut, `PostPage` for a page of posts."""
    text = msgspec.json.encode(schema).decode()
    for name in schema["components"]["schemas"]:
        published = _NAMES.get(name, re.sub(r"^PageOut_.*\.(\w+?)(Out)?_$", r"\1Page", name))
        text = text.replace(f'"{name}"', f'"{published.removesuffix("Out")}"')
        text = text.replace(f'schemas/{name}"', f'schemas/{published.removesuffix("Out")}"')
    renamed: dict[str, Any] = msgspec.json.decode(text)
    if doubled := [name for name in renamed["components"]["schemas"] if "_" in name]:
        raise RuntimeError(
            f"{', '.join(doubled)}: two classes have one name; rename one, or add it to _NAMES"
        )
    return renamed


_NAMES = {
    "FailureReason": "MediaReason",
    "NotificationKind": "Kind",
}
"""Names of enumerations that only their modules distinguish."""


def _complete_schema(name: str, schema: dict[str, Any]) -> None:
    """Complete a schema with what the decoder does: an input refuses undeclared members."""
    is_input = name.endswith("In")
    if is_input:
        schema["additionalProperties"] = False
    schema["title"] = name
    if name in {struct.__name__ for struct in _structs(OneOf)}:
        alternatives = schema.pop("properties")
        for member in ("type", "required"):
            schema.pop(member, None)
        schema["oneOf"] = list(alternatives.values())
    if description := _descriptions().get("Page" if name.endswith("Page") else name):
        schema["description"] = description
    if schema.get("properties") == {}:
        schema["maxProperties"] = 0  # else it would match every object
    for member_name, member in schema.get("properties", {}).items():
        simplified(member)
        _describe_default(member, is_input=is_input)
        if is_input and "string" in member.get("type", ()):
            member.update(_RULES.get((name, member_name), _RULES.get(member_name, {})))
        if member_name in {"id", "reply_to", "post_id"} and "$ref" not in member:
            member.update({key: value for key, value in ID_SCHEMA.items() if key != "type"})
        if member_name.endswith("_ids") and "items" in member:  # Litestar describes them only as strings
            member["items"] = ID_SCHEMA
        if member_name == "at" or member_name.endswith("_at"):
            member.update({"format": "date-time", "examples": ["2026-01-31T12:00:00.000Z"]})


def _describe_default(member: dict[str, Any], *, is_input: bool) -> None:
    """Describe the default in the text: generators treat a member with a `default` as required, and make clients send it."""
    default = member.pop("default", None)
    if is_input and (isinstance(default, bool) or default):
        text = f"Default: {msgspec.json.encode(default).decode()}."
        member["description"] = " ".join(filter(None, (member.get("description"), text)))


def _descriptions() -> dict[str, str]:
    structs = {struct.__name__.removesuffix("Out"): struct for base in (In, Out) for struct in _structs(base)}
    own = {name: vars(struct).get("__doc__") for name, struct in structs.items()}
    return {name: " ".join(doc.split()) for name, doc in own.items() if doc}


def _structs(base: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for sub in base.__subclasses__():
        yield sub
        yield from _structs(sub)


_CONTROLS = r"\u0000-\u001f\u007f-\u009f"
_CONTROLS_BUT_LINES = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"
_BLANKS = r"\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_FORMATS = (  # invisible characters with up to four digits
    r"\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
)
_IN_ADDRESS = rf"[^@.{_CONTROLS}{_BLANKS}{_FORMATS}]"
_LINE = f"^[^{_CONTROLS}]*$"
_LINES = f"^[^{_CONTROLS_BUT_LINES}]*$"

_RULES: dict[Any, dict[str, Any]] = {
    "username": {"pattern": "^[A-Za-z0-9_]{3,30}$", "minLength": 3, "maxLength": 30},
    "email": {
        "pattern": rf"^{_IN_ADDRESS}{{1,64}}@({_IN_ADDRESS}{{1,63}}\.){{1,8}}{_IN_ADDRESS}{{2,63}}$",
        "maxLength": 254,
    },
    "alt_text": {"pattern": _LINES, "maxLength": 1500},
    ("BeginUploadIn", "type"): {
        "pattern": "^(image/(avif|gif|jpeg|png|webp)|video/(mp4|webm))$",
        "maxLength": 10,
    },
    ("RegisterIn", "password"): {"minLength": 8, "maxLength": 256},
    "display_name": {"pattern": _LINE, "maxLength": 50},
    "bio": {"pattern": _LINES, "maxLength": 500},
    "text": {
        "pattern": f"^[^{_CONTROLS_BUT_LINES}]*[^{_CONTROLS}{_BLANKS}{_FORMATS}][^{_CONTROLS_BUT_LINES}]*$",
        "minLength": 1,
        "maxLength": 2000,
    },
    "content_warning": {"pattern": _LINE, "maxLength": 200},
    "language": {"pattern": LANGUAGE_PATTERN, "maxLength": MAX_LANGUAGE},
}
"""The rules of the domain, as far as JSON Schema can express them. An input that follows them is accepted. Lengths count
code points here and graphemes in the domain, so some texts that are too long here are accepted as well."""
