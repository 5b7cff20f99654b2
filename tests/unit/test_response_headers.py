"""The headers that every answer carries for browsers, caches and proxies."""

import gzip
import json
from typing import Any

import pytest
from litestar.types import Receive, Scope, Send

from adapters.memory.limits import MemoryLimiter
from entrypoints.access.limits import RateLimits
from entrypoints.access.networks import Networks
from entrypoints.http.app import hsts
from entrypoints.http.cors import EXPOSED, Cors, Origins
from entrypoints.http.request_middleware import MAX_HEADER_BYTES, RequestMiddleware
from entrypoints.http.responses import Ready, as_json
from entrypoints.settings import Settings

PAGE = b"https://app.example"
LARGE = {"text": "waggle " * 500}


def a_middleware(app: Any, hsts: str = "") -> RequestMiddleware:
    return RequestMiddleware(
        app,
        access_log="off",
        hsts=hsts,
        networks=Networks(),
        limits=RateLimits(MemoryLimiter(lambda: 0.0), None),
        cors=Cors(Origins([PAGE.decode()], r"http://localhost(:\d+)?")),
    )


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    tag = (b"etag", b'"3.0123456789abcdef"')
    await as_json(LARGE, [tag])(scope, receive, send)


async def ask(
    app: Any,
    *headers: tuple[bytes, bytes],
    method: str = "GET",
    path: str = "/api/v1/x",
    hosts: tuple[bytes, ...] = (b"waggle.test",),
    **more: Any,
) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [*((b"host", host) for host in hosts), *headers],
        "http_version": "1.1",
        **more,
    }
    await (app if isinstance(app, RequestMiddleware) else a_middleware(app))(scope, receive, send)
    start, *rest = sent
    names = [name for name, _ in start["headers"]]
    assert len(names) == len(set(names)), f"a header is repeated: {names}"
    return start["status"], dict(start["headers"]), b"".join(message["body"] for message in rest)


async def refused(*headers: tuple[bytes, bytes], **how: Any) -> tuple[int, str]:
    status, answered, body = await ask(plain, *headers, **how)
    assert answered[b"content-type"] == b"application/problem+json"
    return status, json.loads(body)["code"]


@pytest.mark.parametrize(
    ("hosts", "good"),
    [
        ((b"a",), True),
        ((b"waggle.example.org:8000",), True),
        ((b"192.0.2.1",), True),
        ((b"[2001:db8::1]:80",), True),
        ((b"xn--bcher-kva.example",), True),
        ((b"a_b",), True),
        ((), False),
        ((b"a", b"a"), False),
        ((b"a", b"b"), False),
        ((b"",), False),
        ((b"a, b",), False),
        ((b"a b",), False),
        ((b"user@a",), False),
        ((b"a/b",), False),
        ((b"a:port",), False),
        ((b"a:1:2",), False),
        ((b"[::1",), False),
    ],
)
async def test_a_request_needs_exactly_one_valid_host(hosts: tuple[bytes, ...], *, good: bool) -> None:
    if good:
        assert (await ask(plain, hosts=hosts))[0] == 200
    else:
        assert await refused(hosts=hosts) == (400, "host_invalid")


async def test_a_request_in_http_1_0_needs_no_host() -> None:
    assert (await ask(plain, hosts=(), http_version="1.0"))[0] == 200
    assert await refused(hosts=(b"a", b"b"), http_version="1.0") == (400, "host_invalid")


async def test_headers_above_32_kb_are_refused() -> None:
    assert (await ask(plain, header_bytes=MAX_HEADER_BYTES))[0] == 200
    assert await refused(header_bytes=MAX_HEADER_BYTES + 1) == (431, "headers_too_large")


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"zstd", b"deflate", b"gzip, identity", b""])
async def test_bodies_with_a_content_encoding_are_refused(coding: bytes) -> None:
    status, headers, body = await ask(plain, (b"content-encoding", coding), method="POST")

    assert (status, json.loads(body)["code"]) == (415, "content_encoding_unsupported")
    assert headers[b"accept-encoding"] == b"identity"


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-encoding", b"gzip"), (b"content-encoding", b"identity")],
        [(b"content-encoding", b"identity"), (b"content-encoding", b"gzip")],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"transfer-encoding", b"gzip"), (b"transfer-encoding", b"chunked")],
    ],
)
async def test_an_encoding_in_any_of_several_headers_is_found(headers: list[tuple[bytes, bytes]]) -> None:
    status, _, body = await ask(plain, *headers, method="POST")

    assert (status, json.loads(body)["code"]) == (415, "content_encoding_unsupported")


@pytest.mark.parametrize(
    "header", [(b"content-encoding", b"Identity"), (b"transfer-encoding", b"Chunked")], ids=str
)
async def test_the_encodings_identity_and_chunked_are_accepted(header: tuple[bytes, bytes]) -> None:
    assert (await ask(plain, header, method="POST"))[0] == 200


@pytest.mark.parametrize("origin", [None, PAGE, b"https://evil.example"])
@pytest.mark.parametrize(
    ("path", "vary"),
    [
        ("/media/1/2/3.webp", b"Origin"),
        ("/api/v1/posts/1", b"Accept-Encoding, Authorization, Origin"),
        ("/api/v1/stream", b"Accept, Authorization, Origin"),
        ("/livez", b"Accept-Encoding, Origin"),
    ],
)
@pytest.mark.parametrize("status", [200, 304, 404])
async def test_vary_does_not_depend_on_the_request_headers(
    origin: bytes | None, path: str, vary: bytes, status: int
) -> None:
    asked = [] if origin is None else [(b"origin", origin)]

    _, headers, _ = await ask(Ready(status, [], b""), *asked, path=path)

    assert headers[b"vary"] == vary
    assert (headers.get(b"access-control-allow-origin") == PAGE) is (origin == PAGE)
    assert (b"access-control-expose-headers" in headers) is (origin == PAGE)


async def test_cors_headers_are_on_the_middlewares_own_refusals() -> None:
    _, headers, _ = await ask(plain, (b"origin", PAGE), (b"content-encoding", b"gzip"), method="POST")

    assert headers[b"access-control-allow-origin"] == PAGE
    assert headers[b"access-control-expose-headers"] == ", ".join(EXPOSED).encode()


def preflight(origin: bytes = PAGE, method: bytes = b"GET", wanted: bytes = b"") -> list[tuple[bytes, bytes]]:
    asked = [(b"origin", origin), (b"access-control-request-method", method)]
    return [*asked, (b"access-control-request-headers", wanted)] if wanted else asked


@pytest.mark.parametrize(
    "asked",
    [
        preflight(),
        preflight(b"http://localhost:3000", b"PUT"),
        preflight(method=b"DELETE", wanted=b"authorization,if-match"),
        preflight(wanted=b"Last-Event-ID, Cache-Control".replace(b", Cache-Control", b"")),
        preflight(wanted=b"last-event-id"),
        preflight(wanted=b"content-type , idempotency-key"),
    ],
)
async def test_an_allowed_preflight_gets_204(asked: list[tuple[bytes, bytes]]) -> None:
    status, headers, body = await ask(plain, *asked, method="OPTIONS")

    assert (status, body) == (204, b"")
    assert headers[b"access-control-allow-origin"] == asked[0][1]
    assert asked[1][1] in headers[b"access-control-allow-methods"]
    assert b"last-event-id" in headers[b"access-control-allow-headers"].lower()
    assert b"access-control-allow-credentials" not in headers
    assert headers[b"vary"] == b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


@pytest.mark.parametrize(
    "asked",
    [
        preflight(b"https://evil.example"),
        preflight(b"null"),
        preflight(b"http://localhost.evil.example"),
        preflight(method=b"TRACE"),
        preflight(method=b"get"),
        preflight(wanted=b"x-odd"),
    ],
)
async def test_a_refused_preflight_gets_a_problem(
    asked: list[tuple[bytes, bytes]],
) -> None:
    assert await refused(*asked, method="OPTIONS") == (400, "cors_refused")


async def test_an_asterisk_allows_every_origin() -> None:
    middleware = a_middleware(plain)
    middleware.cors = Cors(Origins(["*"]))

    assert (await ask(middleware, (b"origin", b"https://any.example")))[1][
        b"access-control-allow-origin"
    ] == b"https://any.example"


async def test_answers_get_a_strict_content_security_policy_unless_they_have_their_own() -> None:
    own = (b"content-security-policy", b"default-src 'self'")

    _, data, _ = await ask(plain)
    _, page, _ = await ask(Ready(200, [own], b""))

    assert data[b"content-security-policy"] == b"default-src 'none'; frame-ancestors 'none'"
    assert page[own[0]] == own[1]


async def test_hsts_is_sent_as_configured() -> None:
    _, without, _ = await ask(a_middleware(plain))
    _, headers, _ = await ask(a_middleware(plain, "max-age=31536000; includeSubDomains"))

    assert b"strict-transport-security" not in without
    assert headers[b"strict-transport-security"] == b"max-age=31536000; includeSubDomains"


@pytest.mark.parametrize(
    ("url", "subdomains", "value"),
    [
        ("http://waggle.example.org", "on", ""),
        ("https://waggle.example.org", "off", "max-age=31536000"),
        ("https://waggle.example.org", "on", "max-age=31536000; includeSubDomains"),
    ],
)
def test_hsts_needs_an_https_url(url: str, subdomains: str, value: str) -> None:
    assert hsts(Settings(public_url=url, hsts_subdomains=subdomains)) == value


GZIP = (b"accept-encoding", b"gzip")


async def test_a_large_answer_is_compressed_if_the_client_accepts_it() -> None:
    _, whole, body = await ask(plain)
    status, headers, small = await ask(plain, GZIP)

    assert status == 200
    assert headers[b"content-encoding"] == b"gzip"
    assert gzip.decompress(small) == body
    assert headers[b"content-length"] == b"%d" % len(small)
    assert len(small) < len(body) / 10
    assert (whole[b"etag"], headers[b"etag"]) == (b'"3.0123456789abcdef"', b'W/"3.0123456789abcdef"')
    assert b"content-encoding" not in whole


@pytest.mark.parametrize(
    "answer",
    [
        as_json({"text": "short"}, []),
        Ready(200, [(b"content-type", b"image/webp"), (b"content-length", b"5000")], b"x" * 5000),
        Ready(
            206,
            [(b"content-type", b"video/mp4"), (b"content-length", b"5000")],
            b"x" * 5000,
        ),
        Ready(204, [], b""),
    ],
)
async def test_small_answers_and_media_are_not_compressed(answer: Ready) -> None:
    _, headers, body = await ask(answer, GZIP)

    assert b"content-encoding" not in headers
    assert body == answer.body


@pytest.mark.parametrize(
    "path", ["/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/stream/ticket", "/api/v1/media/uploads"]
)
async def test_answers_with_tokens_are_never_compressed(path: str) -> None:
    _, headers, _ = await ask(plain, GZIP, path=path, method="POST")

    assert b"content-encoding" not in headers


async def test_an_answer_in_several_messages_is_not_compressed() -> None:
    async def in_pieces(_scope: Any, _receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/html"), (b"content-length", b"4000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"a" * 2000, "more_body": True})
        await send({"type": "http.response.body", "body": b"b" * 2000, "more_body": False})

    _, headers, body = await ask(in_pieces, GZIP)

    assert b"content-encoding" not in headers
    assert body == b"a" * 2000 + b"b" * 2000


async def test_not_modified_repeats_the_weak_tag_of_a_compressed_answer() -> None:
    not_modified = Ready(304, [(b"etag", b'"3.0123456789abcdef"')], b"")

    _, weakly, _ = await ask(not_modified, GZIP, (b"if-none-match", b'W/"3.0123456789abcdef"'))
    _, strongly, _ = await ask(not_modified, (b"if-none-match", b'"3.0123456789abcdef"'))

    assert (weakly[b"etag"], strongly[b"etag"]) == (b'W/"3.0123456789abcdef"', b'"3.0123456789abcdef"')
