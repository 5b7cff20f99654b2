"""Secrets and e-mail addresses are removed from free text before it gets into the log."""

import logging
import string
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.shared.log_events import MailFailed
from entrypoints.logs import JsonFormatter
from entrypoints.redaction import redacted
from tests.log_lines import SERVICE, problems_of

TOKEN = st.text(string.ascii_letters + string.digits + "_-", min_size=16, max_size=64)
LEAKS = (
    "refused wgr_117_3_{}",
    "wgs_1_2_{} is no stream",
    "eyJhbGciOiJFZERTQSJ9.{}.sig",
    "Authorization: Bearer {}",
    "{{'authorization': 'Basic {}'}}",
    "cannot connect to postgresql://waggle:{}@db.internal:5432/waggle",
    "redis://:{}@127.0.0.1:6379/0 does not answer",
    "GET https://files.example.org/a/b?X-Amz-Signature={}&x=1 failed",
    "PUT /api/v1/media/uploads/1?until=1&sig={}",
    "password={}, user=ann",
    '"refresh_token": "{}"',
    "mail to {}@example.org refused",
    "DETAIL: Key (email)=({}) already exists.",
    "(sqlite3.IntegrityError) UNIQUE failed\n[SQL: INSERT INTO x VALUES ('{}')]\n[parameters: ('{}',)]",
)


@given(secret=TOKEN, leak=st.sampled_from(LEAKS))
def test_secrets_in_known_forms_are_removed_from_free_text(secret: str, leak: str) -> None:
    text = leak.format(secret, secret)
    record = logging.makeLogRecord({"name": "a.library", "levelname": "WARNING", "msg": text})
    event = logging.makeLogRecord({"name": "waggle.mail", "msg": MailFailed(user_id=1, reason=text)})
    formatter = JsonFormatter(SERVICE)

    for line in (formatter.format(record), formatter.format(event)):
        assert secret not in line
        assert [*problems_of([line])] == []


PASSWORD = st.text(string.ascii_letters + string.digits + string.punctuation + " é", min_size=16, max_size=64)
NAMED = (
    'password="{}"',
    "password: {}",
    '{{"password": "{}"}}',
    '{{"new_password":["{}"]}}',
    '{{\\"password\\":\\"{}\\"}}',
    "X-Api-Key: {}",
    "access_key={}",
    "passphrase={}",
    "pwd={}",
    "secret_key_base => {}",
    "refresh_token%3D{}",
    "Proxy-Authorization: Digest {}",
    "Cookie: session={}",
)


@given(secret=PASSWORD, leak=st.sampled_from(NAMED))
def test_a_secret_with_a_name_is_removed_whatever_characters_it_has(secret: str, leak: str) -> None:
    assert secret not in redacted(f"refused: {leak.format(secret)}, and more")


@pytest.mark.parametrize(
    "address",
    ["ann@example.org", "ann%40example.org", '"ann lee"@example.org', "redis://:a/ann@b@cache:6379/0"],
)
def test_addresses_are_removed_however_they_are_written(address: str) -> None:
    assert "ann" not in redacted(f"no mail to {address} now")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece", ["a", "a.", "?a=", "wg", "password", "://", "authorization ", "a%4", "a-", "eyJ-"]
)
def test_long_texts_are_searched_in_a_time_that_grows_with_their_length(piece: str) -> None:
    """The count of steps is not visible, so this only ends what would take minutes: the search runs on the event loop."""
    texts = [piece * (200_000 // len(piece)) + end for end in ("", "@", "=", " x")]
    with patch("entrypoints.redaction.MAX_TEXT", 1_000_000):
        for text in texts:
            assert len(redacted(text)) <= len(text) + len("[redacted]") * (text.count(piece) + 1)


@pytest.mark.parametrize(
    "text",
    [
        "it does not answer",
        "TimeoutError: no connection within 5.0 s",
        "Published 117706103369170944 to feeds.add_entry failed: KeyError: 'post'",
        "cannot listen on 127.0.0.1:8000: Address already in use",
        'relation "posts" does not exist',
    ],
)  # fmt: skip
def test_other_text_stays(text: str) -> None:
    assert redacted(text) == text
