"""Parsing multipart/form-data (RFC 7578) with one file and some text fields."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from litestar.exceptions import HTTPException
from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from domain.media import CENTRE, FocalPoint
from domain.shared import FieldError, Invalid
from entrypoints.http.bodies import is_utf8
from entrypoints.http.errors import BodyMalformed, WrongMediaType
from entrypoints.http.expectations import pointer_to
from entrypoints.http.media.receiving import Spool, pieces

MAX_PARTS = 20
MAX_HEADER, MAX_HEADERS = 8 * 1024, 8
"""Bytes per header line, and header lines per part."""
MAX_TEXT = 64 * 1024
FIELDS = ("alt_text", "focal_x", "focal_y")
OVERHEAD = 256 * 1024
"""The limit in bytes for fields, boundaries and headers, in addition to the file."""
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_DECIMAL = re.compile(r"[+-]?(\d{1,3}(\.\d{0,9})?|\.\d{1,9})", re.ASCII)


@dataclass(slots=True)
class Form:
    size: int = 0
    sha256: str = ""
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def alt_text(self) -> str:
        return self.texts.get("alt_text", "")

    @property
    def focal_point(self) -> FocalPoint:
        """Raises Invalid."""
        given = [name for name in ("focal_x", "focal_y") if name in self.texts]
        if not given:
            return CENTRE
        if len(given) == 1:
            (absent,) = {"focal_x", "focal_y"} - {*given}
            raise Invalid(FieldError(absent, "missing", "focal_x and focal_y belong together"))
        return FocalPoint(*(_number(name, self.texts[name]) for name in given))

    @property
    def fingerprint(self) -> bytes:
        """The whole form in few bytes: requests with equal fingerprints are the same request."""
        return repr((sorted(self.texts.items()), self.size, self.sha256)).encode(errors="replace")


async def receive(request: Any, into: Path, max_file: int) -> Form:
    """Write the file to `into`, and return the form. Raises WrongMediaType, BodyMalformed and Invalid; 413 as soon as the
    file or the form is too large; and what `pieces` raises."""
    parser = PushMultipartParser(
        _boundary(request.headers.get("content-type", "")),
        max_header_size=MAX_HEADER,
        max_header_count=MAX_HEADERS,
        max_segment_count=MAX_PARTS,
    )
    spool = Spool(into, hashed=True)
    try:
        gathered = _Gathered(spool, max_file)
        async for piece in pieces(request, max_file + OVERHEAD):
            events = parser.parse(piece)
            while (event := _next(events)) is not _END:
                await gathered.take(event)
        with _understood():
            parser.close()
        return await gathered.form()
    finally:
        spool.drop()


_END = object()


def _next(events: Iterator[Any]) -> Any:
    with _understood():
        return next(events, _END)


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except ParserLimitReached:
        raise HTTPException(status_code=413) from None
    except MultipartError:
        raise BodyMalformed(
            "the body is not valid multipart/form-data (RFC 7578), or is incomplete"
        ) from None


class _Gathered:
    """The parts of a form that have arrived."""

    def __init__(self, spool: Spool, max_file: int) -> None:
        self._spool, self._max_file = spool, max_file
        self._names: list[str] = []
        self._errors: list[FieldError] = []
        self._texts: dict[str, bytearray] = {}
        self._text: bytearray | None = None
        self._is_file = False

    async def take(self, event: MultipartSegment | bytes | None) -> None:
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif event is None:
            self._is_file, self._text = False, None
        elif self._is_file:
            if self._spool.size + len(event) > self._max_file:
                raise HTTPException(status_code=413)
            await self._spool.write(event)
        elif self._text is not None:
            if len(self._text) + len(event) > MAX_TEXT:
                raise HTTPException(status_code=413)
            self._text += event

    def _begin(self, part: MultipartSegment) -> None:
        name = part.name or ""
        if name in self._names:
            self._errors.append(FieldError(name, "twice", f"there must be only one {name}"))
        elif any(
            "filename*" in value.lower() for key, value in part.headerlist if key == "Content-Disposition"
        ):
            self._errors.append(FieldError("file", "filename", "RFC 7578 does not allow filename* here"))
        elif _is_encoded(part):
            self._errors.append(
                FieldError(name, "encoding", "parts must not be encoded, and text must be in UTF-8")
            )
        elif name == "file":
            self._is_file = True
        elif name in FIELDS and part.filename is None:
            self._text = self._texts[name] = bytearray()
        else:
            self._errors.append(FieldError(pointer_to(name), "unknown", "there is no such part"))
        if name == "file" or name in FIELDS:
            self._names.append(name)

    async def form(self) -> Form:
        """Raises Invalid with all errors."""
        sha256 = await self._spool.close()
        form = Form(self._spool.size, sha256)
        for name, raw in self._texts.items():
            try:
                form.texts[name] = raw.decode()
            except UnicodeDecodeError:
                self._errors.append(FieldError(name, "characters", f"{name} is not in UTF-8"))
        if "file" not in self._names:
            self._errors.append(FieldError("file", "missing", "file is required"))
        if self._errors:
            raise Invalid(*self._errors)
        return form


def _is_encoded(part: MultipartSegment) -> bool:
    """Return whether a part has a transfer encoding, or text in another charset than UTF-8."""
    for key, value in part.headerlist:
        if key.lower() in {"content-encoding", "content-transfer-encoding"}:
            if value.strip().lower() not in {"identity", "binary", "8bit", "7bit"}:
                return True
        elif key.lower() == "content-type" and part.filename is None and not is_utf8(value):
            return True
    return False


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data":
        raise WrongMediaType("the body must be declared as multipart/form-data")
    if not is_utf8(content_type):
        raise WrongMediaType("the charset must be utf-8")
    boundary: str = options.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise BodyMalformed("the Content-Type has no valid boundary (RFC 2046)")
    return boundary.encode()


def _number(name: str, text: str) -> float:
    if not _DECIMAL.fullmatch(text):
        raise Invalid(FieldError(name, "type", f"{name} must be a number from -1 to 1"))
    if not -1 <= float(text) <= 1:
        raise Invalid(FieldError(name, "range", f"{name} must be a number from -1 to 1"))
    return float(text)
