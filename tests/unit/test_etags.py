"""Entity tags in the forms in which browsers and proxies send them back."""

import pytest

from domain.shared import Stale
from entrypoints.http.etags import is_known, versions_in, weak
from entrypoints.http.resources import version_in
from entrypoints.http.responses import tagged
from entrypoints.http.shapes import PostCounts

HASH = "0123456789abcdef"
TAG = f'"3.{HASH}"'
CHANGED_ON_THE_WAY = [
    TAG,
    f"W/{TAG}",
    f'"3.{HASH}-gzip"',
    f'W/"3.{HASH}-gzip"',
    f'"3.{HASH};gzip"',
    f'"3.{HASH}--gzip"',
    f'"3.{HASH}-zstd"',
    f'W/"3.{HASH}-br"',
    f'"3.{HASH}+deflate"',
    f'"other", W/{TAG}',
    f'"2.{HASH}" ,{TAG}',
    f'W/"2.{HASH}-gzip","3.{HASH}-gzip" , "x"',
]
OTHERS = [
    "",
    "3",
    f"3.{HASH}",
    '""',
    f'"3.{HASH[:-1]}"',
    f'"3.{HASH}',
    f'"3.{HASH}x"',
    f'"13.{HASH}"x',
    '"-gzip"',
    "W/*",
]


@pytest.mark.parametrize("sent", CHANGED_ON_THE_WAY)
def test_an_etag_is_recognised_in_the_forms_that_proxies_make_of_it(sent: str) -> None:
    assert is_known(sent, TAG)
    assert version_in(sent) == 3


@pytest.mark.parametrize("sent", OTHERS)
def test_etags_of_other_servers_are_not_recognised(sent: str) -> None:
    assert not is_known(sent, TAG)
    with pytest.raises(Stale):
        version_in(sent) if "13." not in sent else version_in("x")


def test_an_asterisk_matches_any_etag() -> None:
    assert is_known(" * ", TAG)
    assert version_in("*") is None
    assert not is_known(None, TAG)
    assert version_in(None) is None


def test_a_version_with_too_many_digits_is_not_recognised() -> None:
    assert versions_in(f'"{"9" * 16}.{HASH}"') == []
    assert versions_in(f'"٣.{HASH}"') == []


def test_a_weak_etag_stays_weak() -> None:
    assert weak(TAG.encode()) == f"W/{TAG}".encode()
    assert weak(weak(TAG.encode())) == weak(TAG.encode())


@pytest.mark.parametrize("change", ["{}", "W/{}", '"x", {}'])
def test_a_resource_that_the_client_has_is_not_sent_again(change: str) -> None:
    whole = tagged(PostCounts(1, 2, 3), 3, None)
    tag = dict(whole.headers)[b"etag"].decode()

    again = tagged(PostCounts(1, 2, 3), 3, change.format(tag))
    other = tagged(PostCounts(1, 2, 4), 3, change.format(tag))

    assert (again.status, again.body, dict(again.headers)[b"etag"].decode()) == (304, b"", tag)
    assert other.status == 200


def test_long_lists_of_tags_are_parsed_quickly() -> None:
    for hostile in ('"' + "-" * 998, '"-' * 499, '"a' + "-a" * 499, 'W/"' * 333):
        assert versions_in(hostile) == []
