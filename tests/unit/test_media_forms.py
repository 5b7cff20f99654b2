"""Multipart bodies of uploads: in chunks of any size, with strict parsing, limits and timeouts."""

import asyncio
import hashlib
import os
import random
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from litestar.exceptions import HTTPException

from application.media.uploading import UPLOAD_TYPES
from application.shared.errors import Overloaded
from domain.media import CENTRE, FocalPoint
from domain.shared import Invalid
from entrypoints.http import openapi
from entrypoints.http.errors import BodyMalformed, WrongMediaType
from entrypoints.http.media import forms, receiving
from entrypoints.http.media.receiving import TooManyUploads, Uploads

FORM = "multipart/form-data; boundary=X"
FILE = b"\x89PNG\r\n--Y\r" + b"\r\n--" * 50 + bytes(range(256))


class Client:
    """A request whose body arrives in these chunks. After a None, nothing arrives any more."""

    def __init__(self, body: Iterable[bytes | None], content_type: str = FORM, **headers: str) -> None:
        self.headers = {"content-type": content_type, **headers}
        self.scope = {"drop_deadline": lambda: None}
        self._body = iter([*body])
        self.asked = 0

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        await asyncio.sleep(0)
        try:
            piece = next(self._body)
        except StopIteration:
            return {"type": "http.disconnect"}
        if piece is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": piece, "more_body": piece != b""}


def part(name: str, value: bytes, extra: str = "", headers: str = "") -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"{extra}\r\n{headers}\r\n'
    return b"--X\r\n" + disposition.encode() + value + b"\r\n"


def whole(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--X--\r\n"


GOOD = whole(
    part("alt_text", "a cat, «Müsli»".encode()),
    part("file", FILE, '; filename="../../etc/passwd"', "Content-Type: text/html\r\n"),
    part("focal_x", b"-0.5"),
    part("focal_y", b"1"),
)


def cut(body: bytes, sizes: Iterable[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(body[at : at + size])
        at += size
    return [piece for piece in [*pieces, body[at:]] if piece] + [b""]


async def sent(client: Client, folder: Path, max_file: int = 10_000) -> forms.Form:
    return await forms.receive(client, folder / "upload", max_file)


@pytest.mark.usefixtures("inline_threads")
async def test_a_form_is_parsed_from_chunks_of_any_size(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - no secret
    cuts = [[1] * len(GOOD), [len(GOOD)], *([chance.randint(1, 60) for _ in range(90)] for _ in range(40))]
    for number, sizes in enumerate(cuts):
        folder = tmp_path / str(number)
        folder.mkdir()
        form = await sent(Client(cut(GOOD, sizes)), folder)

        assert (form.alt_text, form.focal_point) == ("a cat, «Müsli»", FocalPoint(-0.5, 1))
        assert (folder / "upload").read_bytes() == FILE
        assert (form.size, form.sha256) == (len(FILE), hashlib.sha256(FILE).hexdigest())
        assert [path.name for path in folder.iterdir()] == ["upload"]


async def test_different_forms_have_different_fingerprints(tmp_path: Path) -> None:
    fingerprints = set()
    bodies = [
        GOOD,
        GOOD.replace(b"cat", b"dog"),
        GOOD.replace(b"-0.5", b"-0.4"),
        GOOD.replace(b"PNG", b"JPG"),
        whole(part("file", FILE)),
    ]
    for number, body in enumerate([*bodies, GOOD]):
        (tmp_path / str(number)).mkdir()
        fingerprints.add((await sent(Client([body, b""]), tmp_path / str(number))).fingerprint)
    assert len(fingerprints) == len(bodies)


async def test_omitted_fields_have_defaults(tmp_path: Path) -> None:
    form = await sent(Client([whole(part("file", b"x")), b""]), tmp_path)

    assert (form.alt_text, form.focal_point) == ("", CENTRE)


BAD: dict[str, tuple[bytes, type[Exception]]] = {
    "nothing": (b"", BodyMalformed),
    "no boundary": (FILE, BodyMalformed),
    "another boundary": (GOOD.replace(b"--X", b"--Y"), BodyMalformed),
    "no end": (GOOD.removesuffix(b"--X--\r\n"), BodyMalformed),
    "cut in the file": (GOOD[:200], BodyMalformed),
    "cut in a header": (GOOD[:20], BodyMalformed),
    "only the end": (b"--X--\r\n", Invalid),
    "LF for line ends": (GOOD.replace(b"\r\n", b"\n"), BodyMalformed),
    "no name": (whole(b"--X\r\nContent-Disposition: form-data\r\n\r\nx\r\n"), Invalid),
    "no disposition": (whole(b"--X\r\n\r\nx\r\n"), BodyMalformed),
    "an attachment": (
        whole(b'--X\r\nContent-Disposition: attachment; name="file"\r\n\r\nx\r\n'),
        BodyMalformed,
    ),
    "a header without a colon": (whole(b"--X\r\nContent-Disposition\r\n\r\nx\r\n"), BodyMalformed),
    "a header that is no UTF-8": (
        whole(b'--X\r\nContent-Disposition: form-data; name="\xff"\r\n\r\nx\r\n'),
        BodyMalformed,
    ),
    "a wrong length": (whole(part("file", b"x", headers="Content-Length: 7\r\n")), BodyMalformed),
    "a length that is no number": (
        whole(part("file", b"x", headers="Content-Length: -1\r\n")),
        BodyMalformed,
    ),
    "no file": (whole(part("alt_text", b"x")), Invalid),
    "two files": (whole(part("file", b"x"), part("file", b"y")), Invalid),
    "alt_text twice": (whole(part("file", b"x"), part("alt_text", b"y"), part("alt_text", b"z")), Invalid),
    "an unknown part": (whole(part("file", b"x"), part("owner", b"1")), Invalid),
    "an unknown name like a pointer": (whole(part("file", b"x"), part("a/~b", b"1")), Invalid),
    "alt_text as a file": (whole(part("file", b"x"), part("alt_text", b"y", '; filename="a"')), Invalid),
    "filename*": (whole(part("file", b"x", "; filename*=utf-8''a")), Invalid),
    "alt_text in Latin-1": (whole(part("file", b"x"), part("alt_text", b"\xe9")), Invalid),
    "half of a focal point": (whole(part("file", b"x"), part("focal_x", b"0")), Invalid),
    "a focal point that is no number": (
        whole(part("file", b"x"), part("focal_x", b"nan"), part("focal_y", b"0")),
        Invalid,
    ),
    "a focal point in Arabic digits": (
        whole(part("file", b"x"), part("focal_x", "٠".encode()), part("focal_y", b"0")),
        Invalid,
    ),
    "a focal point outside": (
        whole(part("file", b"x"), part("focal_x", b"2"), part("focal_y", b"0")),
        Invalid,
    ),
    "too many parts": (whole(part("file", b"x"), *(part(f"n{n}", b"") for n in range(20))), HTTPException),
    "a long header": (whole(part("file", b"x", f'; filename="{"n" * 9000}"')), HTTPException),
    "many headers": (whole(part("file", b"x", headers="X-A: b\r\n" * 9)), HTTPException),
    "a long text": (whole(part("file", b"x"), part("alt_text", b"x" * 65_537)), HTTPException),
    "a large file": (whole(part("file", b"x" * 10_001)), HTTPException),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("piece", [1_000_000, 7])
async def test_an_invalid_form_is_refused(tmp_path: Path, name: str, piece: int) -> None:
    body, error = BAD[name]
    pieces = cut(body, [piece] * (len(body) // piece))

    with pytest.raises(error) as refused:
        _ = (await sent(Client(pieces), tmp_path)).focal_point

    if error is HTTPException:
        assert getattr(refused.value, "status_code", None) == 413


@pytest.mark.parametrize(
    ("content_type", "error"),
    [
        ("", WrongMediaType),
        ("image/png", WrongMediaType),
        ("application/json", WrongMediaType),
        ("application/x-www-form-urlencoded", WrongMediaType),
        ("multipart/mixed; boundary=X", WrongMediaType),
        ("multipart/form-data", BodyMalformed),
        ("multipart/form-data; boundary=", BodyMalformed),
        (f"multipart/form-data; boundary={'X' * 71}", BodyMalformed),
        ('multipart/form-data; boundary="X\n"', BodyMalformed),
        ('multipart/form-data; boundary="é"', BodyMalformed),
    ],
)
async def test_another_content_type_is_refused_before_the_body_is_read(
    tmp_path: Path, content_type: str, error: type[Exception]
) -> None:
    client = Client([GOOD, b""], content_type)

    with pytest.raises(error):
        await sent(client, tmp_path)

    assert client.asked == 0


@pytest.mark.usefixtures("inline_threads")
async def test_a_randomly_damaged_form_is_accepted_or_refused_and_never_an_internal_error(
    tmp_path: Path,
) -> None:
    chance = random.Random(11)  # noqa: S311 - no secret
    signs = [
        b"--X",
        b"\r\n",
        b"--",
        b":",
        b";",
        b'"',
        b"=",
        b"\\",
        b"\xff",
        b" ",
        b"file",
        b"form-data",
        b"name",
        b"A",
    ]
    for _ in range(1_500 if os.environ.get("WAGGLE_TEST_LONG") == "1" else 500):
        body = bytearray(GOOD)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(body))
            body[at : at + chance.randint(0, 9)] = chance.choice(signs)
        (tmp_path / "upload").unlink(missing_ok=True)
        try:
            _ = (await sent(Client(cut(bytes(body), [50] * 3)), tmp_path)).focal_point
        except (BodyMalformed, Invalid):
            pass
        except HTTPException as error:
            assert error.status_code == 413  # noqa: PT017 - the form may also be valid


async def test_a_body_that_is_too_large_is_refused_as_soon_as_possible(tmp_path: Path) -> None:
    announced = Client([GOOD, b""], **{"content-length": str(10**9)})
    with pytest.raises(HTTPException) as refused:
        await sent(announced, tmp_path)
    assert (refused.value.status_code, announced.asked) == (413, 0)

    endless = Client([part("file", b"")[:-2], *([b"x" * 1000] * 1000)])
    (tmp_path / "endless").mkdir()
    with pytest.raises(HTTPException) as refused:
        await sent(endless, tmp_path / "endless")
    assert refused.value.status_code == 413
    assert endless.asked < 15


async def test_a_client_that_pauses_or_disconnects_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "PATIENCE", 0.05)
    bodies: list[list[bytes | None]] = [[GOOD[:100], None], [None]]
    for number, body in enumerate(bodies):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(HTTPException) as refused:
            await sent(Client(body), tmp_path / str(number))
        assert refused.value.status_code == 408
    with pytest.raises(BodyMalformed):
        await sent(Client([GOOD[:100]]), tmp_path)


def test_the_number_of_concurrent_uploads_is_limited_in_total_and_per_client() -> None:
    uploads = Uploads()
    held = [uploads.one(str(number % 4)) for number in range(32)]
    for one in held:
        one.__enter__()

    with pytest.raises(Overloaded), uploads.one("someone"):
        pass
    for one in held[:4]:
        one.__exit__(None, None, None)
    for _ in range(2):
        with uploads.one("someone"):
            pass

    other = Uploads()
    kept = [other.one("greedy") for _ in range(receiving.UNDER_WAY_OF_ONE)]
    for one in kept:
        one.__enter__()
    with pytest.raises(TooManyUploads), other.one("greedy"):
        pass
    with other.one("modest"):
        pass


def test_the_openapi_pattern_matches_the_supported_types() -> None:
    pattern = openapi._RULES["BeginUploadIn", "type"]["pattern"]
    assert {kind for kind in UPLOAD_TYPES if re.match(pattern, kind)} == UPLOAD_TYPES
    assert max(map(len, UPLOAD_TYPES)) == openapi._RULES["BeginUploadIn", "type"]["maxLength"]
