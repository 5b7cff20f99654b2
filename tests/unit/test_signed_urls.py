"""URLs of the media storage: parsing the configured one, signing tickets, and signing the URLs of renditions."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from adapters.clock import utc_now
from adapters.storage.address import S3Address, folder_of
from adapters.storage.signing import MediaAddresses, TicketSigner
from application.media.ports import TicketRefused

ORIGIN = "https://waggle.example"
UPLOADS = TicketSigner(b"k" * 32, ORIGIN)


class TestTickets:
    def test_a_ticket_that_was_signed_with_another_key_is_refused(self) -> None:
        ticket = TicketSigner(b"x" * 32, ORIGIN).ticket(
            "a/b", 5, "image/png", utc_now() + timedelta(minutes=1)
        )

        with pytest.raises(TicketRefused, match="is invalid"):
            UPLOADS.check("a/b", dict(parse_qsl(urlsplit(ticket.url).query)))

    @pytest.mark.parametrize("name", ["until", "size", "type", "sig"])
    @pytest.mark.parametrize("value", ["", "1", "99999999999999999999", "٣", "\ud800", "a\nb", None])
    def test_a_changed_parameter_is_refused(self, name: str, value: str | None) -> None:
        ticket = UPLOADS.ticket("a/b", 5, "image/png", utc_now() + timedelta(minutes=1))
        query = dict(parse_qsl(urlsplit(ticket.url).query))
        if value is None:
            del query[name]
        else:
            query[name] = value

        with pytest.raises(TicketRefused):
            UPLOADS.check("a/b", query)

    def test_the_signature_of_a_rendition_is_not_valid_for_an_upload(self) -> None:
        address = MediaAddresses(UPLOADS.key, ORIGIN).signed("/media/uploads/a")
        query = dict(parse_qsl(urlsplit(address).query))

        with pytest.raises(TicketRefused):
            UPLOADS.check("a", query)


class TestAddresses:
    def test_an_open_url_never_changes(self) -> None:
        assert MediaAddresses(b"k" * 32, ORIGIN).permanent("/media/1/s/large.webp") == (
            f"{ORIGIN}/media/1/s/large.webp"
        )

    def test_a_closed_url_changes_every_minute_and_is_valid_for_four_to_five(self) -> None:
        at = [1_700_000_040.0]  # a whole minute
        addresses = MediaAddresses(b"k" * 32, ORIGIN, lambda: at[0])
        path = "/media/1/s/large.webp"
        first = addresses.signed(path)
        query = dict(parse_qsl(urlsplit(first).query))
        assert addresses.until() == datetime.fromtimestamp(at[0] + 60, UTC)

        at[0] += 59.9
        assert addresses.signed(path) == first
        assert addresses.check(path, query["until"], query["sig"])
        at[0] += 0.2
        assert addresses.signed(path) != first
        at[0] += 239
        assert addresses.check(path, query["until"], query["sig"])
        at[0] += 1
        assert not addresses.check(path, query["until"], query["sig"])

    @pytest.mark.parametrize(
        ("until", "signature"),
        [
            ("", ""),
            ("٣", "x"),
            ("99999999999", "\ud800"),
            ("-1", ""),
            ("1" * 5000, "ä"),
            ("1700000340", "A" * 24),
        ],
    )
    def test_an_invalid_signature_is_refused(self, until: str, signature: str) -> None:
        addresses = MediaAddresses(b"k" * 32, ORIGIN, lambda: 1_700_000_040.0)

        assert not addresses.check("/media/1/s/large.webp", until, signature)

    def test_a_signature_is_valid_only_for_its_path(self) -> None:
        addresses = MediaAddresses(b"k" * 32, ORIGIN)
        query = dict(parse_qsl(urlsplit(addresses.signed("/media/1/s/large.webp")).query))

        assert addresses.check("/media/1/s/large.webp", query["until"], query["sig"])
        assert not addresses.check("/media/1/s/small.webp", query["until"], query["sig"])


class TestUrls:
    def test_an_s3_url_contains_all_settings(self) -> None:
        address = S3Address.of(
            "s3://bee:h%2Fney@files:9000/hive?region=eu-west-1&tls=off&public=https://files.example"
        )

        assert address == S3Address(
            "files",
            9000,
            "hive",
            "bee",
            "h/ney",
            region="eu-west-1",
            tls=False,
            public="https://files.example",
        )
        assert address.origin == "http://files:9000"
        assert "ney" not in repr(address)

    def test_the_optional_parts_of_an_s3_url_have_defaults(self) -> None:
        address = S3Address.of("s3://bee:honey@files/hive")

        assert (address.tls, address.region, address.origin) == (True, "us-east-1", "https://files")

    @pytest.mark.parametrize(
        "url",
        [
            "s3://files/hive",
            "s3://bee@files/hive",
            "s3://bee:hunter2@files",
            "s3://bee:hunter2@files/a",
            "s3://bee:hunter2@files/hive/below",
            "s3://bee:hunter2@files/HIVE",
            "s3://bee:hunter2@files:99999/hive",
            "s3://bee:hunter2/more@files/hive",
            "s3://bee:hunter2@files/hive?tls=perhaps",
            "s3://bee:hunter2@files/hive?secure=off",
            "s3://bee:hunter2@files/hive?public=files",
            "s3://bee:hunter2@files/hive?public=https://files/path",
            "s3://bee:hunter2@files/hive?region=E U",
            "s3://bee:hunter2@files/hive#part",
            "https://bee:hunter2@files/hive",
        ],
    )
    def test_an_invalid_s3_url_is_refused_without_revealing_the_secret(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"\w") as caught:
            S3Address.of(url)

        assert "hunter2" not in str(caught.value)

    def test_a_folder_url_has_an_absolute_path(self) -> None:
        assert folder_of("file:///srv/the%20media") == Path("/srv/the media")
        for url in ("file:media", "file://host/media", "/srv/media", "file:///srv?x=1"):
            with pytest.raises(ValueError, match="must be like"):
                folder_of(url)
