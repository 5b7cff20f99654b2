"""Probes, public keys and the documentation pages, all of which work without internet access."""

import asyncio
from collections.abc import Callable
from html import escape
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import msgspec
from litestar import MediaType, Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import File, Redirect
from litestar.router import Router

from entrypoints.http.openapi import catalogue, policy
from entrypoints.http.parameters import ANY_QUERY
from entrypoints.http.responses import Out
from entrypoints.readiness import Readiness

ASSETS = Path(__file__).parent / "assets"

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}
_ASSET_HEADERS = {"Cache-Control": "no-cache"}
_DOCS = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Waggle API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/api/docs/assets/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/api/docs/assets/swagger-ui-bundle.js"></script>
<script src="/api/docs/assets/start.js"></script>
</body>
</html>
"""


class Health(Out):
    status: str
    """`ok`; `degraded` while an optional part is unavailable; or `unready`. `checks` has the reason."""
    checks: dict[str, str] = msgspec.field(default_factory=dict)


class Jwk(Out):
    kty: str
    crv: str
    alg: str
    use: str
    kid: str
    x: str


class Jwks(Out):
    """RFC 7517. The keys that verify the access tokens of this server."""

    keys: list[Jwk]


@get(
    "/livez",
    tags=["operations"],
    operation_id="getLiveness",
    summary="Is the process alive?",
    opt=policy("public", limit="none"),
)
async def livez() -> Response[Health]:
    """Checks nothing else: a process that starts, or whose database is unavailable, is alive."""
    return Response(Health("ok"), headers={"Cache-Control": "no-store"})


def readyz(readiness: Readiness) -> HTTPRouteHandler:
    @get(
        "/readyz",
        tags=["operations"],
        operation_id="getReadiness",
        summary="Is the process ready to serve?",
        opt=policy("public", limit="probe"),
    )
    async def readyz() -> Response[Health]:
        """Responds with 503 while the server starts, while a required part is unavailable or the database has an older schema, and
        when the server is about to stop. The result may be up to a second old."""
        report = await readiness()
        status = 503 if report.status == "unready" else 200
        health = Health(report.status, report.checks)
        return Response(health, status_code=status, headers={"Cache-Control": "no-store"})

    return readyz


@get(
    "/startupz",
    tags=["operations"],
    operation_id="getStartup",
    summary="Has the process started?",
    opt=policy("public", limit="none"),
)
async def startupz() -> Response[Health]:
    """Responds with 503 until the start is complete, then 200 until the process ends, whatever becomes of its database."""
    return Response(Health("ok"), headers={"Cache-Control": "no-store"})


def jwks(keys: Callable[[], list[dict[str, str]]]) -> HTTPRouteHandler:
    @get(
        "/.well-known/jwks.json",
        tags=["operations"],
        operation_id="getSigningKeys",
        summary="Public keys of access tokens",
        opt=policy("public", limit="none"),
    )
    async def jwks() -> Response[Jwks]:
        listed = Jwks([Jwk(**key) for key in keys()])
        return Response(listed, headers={"Cache-Control": "public, max-age=300"})

    return jwks


def documentation(
    describe: Callable[[], dict[str, Any]], describe_stream: Callable[[dict[str, Any]], dict[str, Any]]
) -> Router:
    """The OpenAPI and AsyncAPI documents, a page to browse them, and the catalogue of errors. `describe` is slow; it is
    called once, in a thread, at the first request."""
    described: list[bytes] = []

    async def document(number: int) -> Response[bytes]:
        if not described:
            openapi = await asyncio.to_thread(describe)
            described[:] = [msgspec.json.encode(made) for made in (openapi, describe_stream(openapi))]
        return Response(
            described[number], media_type="application/json", headers={"Cache-Control": "no-cache"}
        )

    @get("/openapi.json", include_in_schema=False, opt=policy("public") | ANY_QUERY)
    async def openapi() -> Response[bytes]:
        return await document(0)

    @get("/asyncapi.json", include_in_schema=False, opt=policy("public") | ANY_QUERY)
    async def stream() -> Response[bytes]:
        return await document(1)

    @get("/docs", include_in_schema=False, opt=policy("public") | ANY_QUERY)
    async def docs() -> Response[str]:
        return Response(_DOCS, media_type=MediaType.HTML, headers=_PAGE_HEADERS)

    @get("/errors", include_in_schema=False, opt=policy("public") | ANY_QUERY)
    async def errors() -> Response[str]:
        rows = "".join(
            f'<tr id="{code}"><td><code>{code}</code><td>{status}<td>{escape(meaning)}'
            for code, (status, meaning) in catalogue().items()
        )
        page = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Waggle errors</title>'
            '<link rel="icon" href="data:,">'
            "<style>body{font:16px/1.5 sans-serif;margin:2rem}td{padding:.3rem .8rem;vertical-align:top}"
            ":target{background:#ffefb0}</style>"
            f"<h1>Errors</h1><table>{rows}</table></html>"
        )
        return Response(page, media_type=MediaType.HTML, headers=_PAGE_HEADERS)

    files = {path.name: path for path in ASSETS.iterdir()}

    @get("/docs/assets/{name:str}", include_in_schema=False, opt=policy("public") | ANY_QUERY)
    async def asset(name: FromPath[str]) -> File:
        """Serve one of the listed files. The client's input never becomes a path."""
        if name not in files:
            raise NotFoundException
        kind = guess_type(name)[0] or "text/plain"
        return File(files[name], media_type=kind, content_disposition_type="inline", headers=_ASSET_HEADERS)

    return Router("/api", route_handlers=[openapi, stream, docs, errors, asset])


@get("/", include_in_schema=False, opt=policy("public") | ANY_QUERY)
async def home() -> Redirect:
    return Redirect("/api/docs")
