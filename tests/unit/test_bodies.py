"""Bodies that two parsers could read differently are refused."""

from typing import Any

import pytest

from domain.shared import Invalid
from entrypoints.http.bodies import In, decode, is_utf8
from entrypoints.http.errors import BodyMalformed


class Inner(In):
    a: int = 0
    b: list[dict[str, Any]] | None = None


class Outer(In):
    a: int = 0
    text: str = ""
    inner: Inner | None = None
    anything: Any = None


def field_errors(body: bytes) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        decode(body, Outer)
    return [(error.field, error.code) for error in refused.value.field_errors]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (b'{"a": 1, "a": 1}', ["/a"]),
        (b'{"a": 1, "text": "x", "\\u0061": 2}', ["/a"]),  # the same name in another spelling
        (b'{"inner": {"a": 1, "a": 2}}', ["/inner/a"]),
        (b'{"inner": {"b": [{}, {"x/y~": 1, "x/y~": 2}]}}', ["/inner/b/1/x~1y~0"]),
        (b'{"a": 1, "a": 2, "inner": {"a": 1, "a": 2}}', ["/a", "/inner/a"]),
        (b'{"a": 1, "a": 2, "a": 3}', ["/a"]),
    ],
)
def test_repeated_members_are_refused_at_any_depth(body: bytes, pointers: list[str]) -> None:
    assert field_errors(body) == [(pointer, "duplicate") for pointer in pointers]


def test_repeated_members_are_reported_together_with_other_errors() -> None:
    assert field_errors(b'{"a": "x", "a": 1, "z": 1}') == [("/a", "duplicate"), ("/z", "unknown")]


def test_the_same_name_in_two_objects_is_accepted() -> None:
    inner = decode(b'{"a": 1, "inner": {"a": 2, "b": [{"a": 1}, {"a": 1}]}}', Outer).inner

    assert inner is not None
    assert inner.a == 2


def test_long_numbers_and_unusual_characters_do_not_break_the_search() -> None:
    big = b"9" * 5000
    assert decode(b'{"text": "\\u0001\\ud83d\\ude00", "anything": 1e300}', Outer).text == "\x01😀"
    with pytest.raises((Invalid, BodyMalformed)):
        decode(b'{"a": %b, "a": %b}' % (big, big), Outer)


@pytest.mark.parametrize("deep", [b'{"anything":' * 2000, b'{"anything": ' + b"[" * 2000])
def test_a_body_that_is_nested_too_deeply_is_malformed(deep: bytes) -> None:
    closing = b"}" * 2000 if deep.endswith(b":") else b"]" * 2000 + b"}"
    filled = deep + (b"1" if deep.endswith(b":") else b"") + closing
    with pytest.raises((BodyMalformed, Invalid)):
        decode(filled, Outer)


@pytest.mark.parametrize(
    ("declared", "good"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ('application/json;charset="UTF-8"', True),
        ("application/json; Charset = utf8", True),
        ("application/json; charset=iso-8859-1", False),
        ("application/json; charset=utf-16", False),
        ("application/json; x=1; charset=latin1", False),
        ("application/json; charset=us-ascii", False),
        ("application/json; charset=", False),
    ],
)
def test_only_utf_8_is_accepted(declared: str, *, good: bool) -> None:
    assert is_utf8(declared) is good
