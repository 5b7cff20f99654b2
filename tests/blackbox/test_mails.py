"""Notifications by mail, with a mail server run by the test."""

from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.smtp import mail_server

from .client import Api, Member, done, eventually
from .conftest import RUNNING, SHAPES, a_waggle

SITE = "https://hive.example"


def turn_on_mails(member: Member, *kinds: str) -> None:
    done(member.put("/api/v1/me/notification-preferences", json={"email": dict.fromkeys(kinds, True)}))


def check_one_unread(member: Member) -> None:
    assert done(member.get("/api/v1/notifications/unread"))["unread"]["total"] == 1


@pytest.mark.parametrize(
    "shape", [] if RUNNING else [one for one in SHAPES if one in {"embedded", "postgres"}]
)
def test_unread_notifications_arrive_in_one_mail(
    request: pytest.FixtureRequest, shape: str, tmp_path: Path
) -> None:
    with mail_server() as box:
        settings = {
            "WAGGLE_PUBLIC_URL": SITE,
            "WAGGLE_MAIL_URL": f"smtp://127.0.0.1:{box.port}?from=bees@hive.example",
            "WAGGLE_MAIL_DELAY_SECONDS": "5",  # thekla marks hers as read within this time
            "WAGGLE_MAIL_EVERY_SECONDS": "0",
        }
        with a_waggle(request, shape, tmp_path, **settings) as waggle, closing(Api(waggle.base_url)) as api:
            maya, willy, thekla = api.someone(), api.someone(), api.someone()
            for member in (maya, thekla):
                turn_on_mails(member, "like", "mention")
            willy.likes(thekla.publishes())
            eventually(lambda: check_one_unread(thekla))
            done(thekla.put("/api/v1/notifications/read", json={"seq": 1}))
            willy.likes(maya.publishes())
            willy.publishes(f"@{maya.username} Have you seen the clover? @{thekla.username} has not.")

            mails = {received.recipient: received for received in box.wait_for(2)}

            assert set(mails) == {maya.email, thekla.email}
            sender, _, mail, *_ = mails[maya.email]
            assert (sender, mail["Subject"]) == ("bees@hive.example", "New on hive.example: 2 notifications")
            text = mail.get_content()
            assert f"- @{willy.username} mentioned you." in text
            assert f"- @{willy.username} liked your post." in text
            assert SITE in text
            assert "clover" not in text
            assert mails[thekla.email].mail["Subject"] == "New on hive.example: 1 notification"
            assert "liked" not in mails[thekla.email].mail.get_content()
        # No further mail was sent before the server ended.
        assert len(box.received) == 2
        log = waggle.log.read_text()
        assert not [member for member in (maya, willy, thekla) if member.email in log]
