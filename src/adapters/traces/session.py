"""The HTTP session of the export, which bounds the time and the memory of a collector's answer."""

import time
from typing import Any

from requests import PreparedRequest, Response, Session
from requests.exceptions import ChunkedEncodingError, ReadTimeout, TooManyRedirects

ANSWER_BYTES = 64 * 1024
"""The longest body of an answer that is read. An answer of OTLP is a few bytes."""


class BoundedSession(Session):
    """Reads the body of an answer only until the timeout of the request. Alone, that timeout bounds each single read: a body
    that arrives byte by byte would take forever. Bodies of any length would be kept in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False  # no proxy, and no password from ~/.netrc

    def send(self, request: PreparedRequest, **options: Any) -> Response:  # Any: as the library declares it
        """Send with `timeout`, in seconds, which is required. Raises RequestException also for a body that is too long or
        not complete in time, and for a redirect: the library takes its status for success, and reads its body unbounded."""
        deadline = time.monotonic() + options["timeout"]
        response = super().send(request, **(options | {"stream": True, "allow_redirects": False}))
        try:
            body = _body(response, deadline)
        except BaseException:
            response.close()
            raise
        response.raw.release_conn()
        response._content = body  # noqa: SLF001 - what `content` returns, as after a read by the library
        return response


def _body(response: Response, deadline: float) -> bytes:
    if response.is_redirect:
        raise TooManyRedirects("the collector redirects to another address")
    body = b""
    while piece := response.raw.read1(ANSWER_BYTES):
        body += piece
        if len(body) > ANSWER_BYTES:
            raise ChunkedEncodingError("the answer of the collector is too long")
        if time.monotonic() > deadline:
            raise ReadTimeout("the answer of the collector is not complete in time")
    return body
