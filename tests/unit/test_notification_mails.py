"""Mails about notifications: their content, their recipients, and when they are sent."""

import asyncio
import logging
from datetime import timedelta

import pytest

from application.notifications import compose_mail, send_mails
from application.notifications.compose_mail import plain
from application.shared.mail import MAX_TRIES, Message, Undeliverable, pause_before
from application.shared.people import AuthorCard
from domain.notifications import NotificationKind
from domain.shared import PostId, Unavailable
from tests.unit.mail_harness import ADDRESS, COOLDOWN, DELAY, FLIP, MAYA, THEKLA, WILLY, MailHarness


@pytest.fixture
async def harness() -> MailHarness:
    harness = MailHarness()
    for user in (MAYA, WILLY):
        await harness.set_wanted(*NotificationKind, user=user)
    return harness


def lines(message: Message) -> list[str]:
    return [line for line in message.text.splitlines() if line.startswith("- ")]


async def test_a_mail_reports_actions_after_a_delay(harness: MailHarness) -> None:
    await harness.notify(NotificationKind.COMMENT, WILLY)
    await harness.notify(NotificationKind.FOLLOW, FLIP, None)
    assert await harness.wait(timedelta(seconds=100)) == []

    (mail,) = await harness.wait()

    assert (mail.to, mail.subject) == (ADDRESS, "New on hive.example: 2 notifications")
    assert lines(mail) == ["- @flip followed you.", "- Willy (@willy) replied to you."]
    assert [line for line in mail.text.splitlines() if "://" in line] == ["https://hive.example"]
    assert await harness.wait(timedelta(days=1)) == []


async def test_every_mailed_kind_has_its_own_line(harness: MailHarness) -> None:
    for kind in NotificationKind:
        await harness.notify(kind)

    (mail,) = await harness.wait()

    assert [line.removeprefix("- Willy (@willy) ") for line in reversed(lines(mail))] == [
        "liked your post.",
        "reposted your post.",
        "replied to you.",
        "mentioned you.",
        "followed you.",
        "asked to follow you.",
        "accepted your follow request.",
        "edited a post that you liked, reposted or replied to.",
        "- A picture or video that you uploaded could not be processed.",
    ]


async def test_notifications_read_meanwhile_are_not_mailed(harness: MailHarness) -> None:
    first = await harness.notify(NotificationKind.COMMENT)
    await harness.mark_read(MAYA, first)
    assert await harness.wait() == []

    second = await harness.notify(NotificationKind.COMMENT)
    await harness.notify(NotificationKind.MENTION)
    await harness.mark_read(MAYA, second)

    (mail,) = await harness.wait()
    assert lines(mail) == ["- Willy (@willy) mentioned you."]


async def test_only_kinds_wanted_by_mail_are_mailed(harness: MailHarness) -> None:
    await harness.set_wanted(NotificationKind.MENTION)
    await harness.notify(NotificationKind.LIKE)
    assert await harness.wait() == []

    await harness.notify(NotificationKind.MENTION)
    await harness.notify(NotificationKind.LIKE)
    (mail,) = await harness.wait()
    assert lines(mail) == ["- Willy (@willy) mentioned you."]

    await harness.notify(NotificationKind.MENTION)
    await harness.set_wanted()  # turned off before the mail is due
    assert await harness.wait(COOLDOWN + DELAY) == []


async def test_hidden_notifications_are_not_mailed(harness: MailHarness) -> None:
    await harness.notify(NotificationKind.COMMENT, WILLY, PostId(1))
    await harness.notify(NotificationKind.COMMENT, FLIP, PostId(2))
    await harness.notify(NotificationKind.LIKE, FLIP, PostId(3))
    harness.graph.block(MAYA, WILLY)
    harness.hidden.add(PostId(2))

    (mail,) = await harness.wait()

    assert lines(mail) == ["- @flip liked your post."]
    assert "1 notification" in mail.subject
    stream = await harness.reader.stream(MAYA)
    assert stream is not None
    assert stream.unread == {NotificationKind.LIKE: 1}


async def test_no_mail_is_sent_if_everything_was_dismissed_or_hidden(harness: MailHarness) -> None:
    seq = await harness.notify(NotificationKind.COMMENT, WILLY, PostId(1))
    await harness.notify(NotificationKind.COMMENT, WILLY, PostId(2))
    await harness.dismiss(MAYA, seq)
    harness.hidden.add(PostId(2))

    assert await harness.wait() == []


async def test_a_deleted_account_gets_no_mail(harness: MailHarness) -> None:
    await harness.notify()
    del harness.addresses[MAYA]

    assert await harness.wait() == []
    harness.addresses[MAYA] = ADDRESS
    assert await harness.wait(COOLDOWN) == []


async def test_likes_of_one_post_share_a_line(harness: MailHarness) -> None:
    for actor in (THEKLA, FLIP, WILLY):
        await harness.notify(NotificationKind.LIKE, actor)
    await harness.notify(NotificationKind.LIKE, THEKLA, PostId(1))
    await harness.notify(NotificationKind.LIKE, WILLY, PostId(1))

    (mail,) = await harness.wait()

    assert "5 notifications" in mail.subject
    assert lines(mail) == [
        "- Willy (@willy) and 1 other liked your post.",
        "- Willy (@willy) and 2 others liked your post.",
    ]


async def test_a_mail_has_at_most_twenty_lines_and_counts_the_rest(harness: MailHarness) -> None:
    for _ in range(23):
        await harness.notify(NotificationKind.COMMENT)

    (mail,) = await harness.wait()

    assert len(lines(mail)) == 21
    assert lines(mail)[-1] == "- and 3 more"
    assert "23 notifications" in mail.subject


async def test_a_mail_about_very_many_only_says_that_there_are_more(harness: MailHarness) -> None:
    for _ in range(compose_mail.MAX_COVERED + 1):
        await harness.notify(NotificationKind.COMMENT)

    (mail,) = await harness.wait()

    assert lines(mail)[-1] == "- and more than 80 more"
    assert "more than 100 notifications" in mail.subject


async def test_notifications_during_the_cooldown_are_in_the_next_mail(harness: MailHarness) -> None:
    await harness.notify(NotificationKind.COMMENT)
    (first,) = await harness.wait()
    await harness.notify(NotificationKind.MENTION)
    await harness.notify(NotificationKind.FOLLOW)

    assert await harness.wait(COOLDOWN - timedelta(seconds=1)) == []
    (second,) = await harness.wait(timedelta(seconds=2))

    assert len(lines(first)) == 1
    assert lines(second) == ["- Willy (@willy) followed you.", "- Willy (@willy) mentioned you."]
    assert first.id != second.id
    assert await harness.wait(timedelta(days=1)) == []


async def test_the_delay_applies_after_the_cooldown_too(harness: MailHarness) -> None:
    await harness.notify()
    await harness.wait()
    await harness.wait(COOLDOWN - timedelta(seconds=10))
    await harness.notify(NotificationKind.MENTION)

    assert await harness.wait(timedelta(seconds=20)) == []
    (mail,) = await harness.wait()
    assert lines(mail) == ["- Willy (@willy) mentioned you."]


async def test_notifications_added_while_a_mail_is_sent_are_in_the_next(harness: MailHarness) -> None:
    await harness.notify(NotificationKind.COMMENT)
    send = harness.send

    async def meanwhile(message: Message) -> None:
        await harness.notify(NotificationKind.MENTION)
        await send(message)

    harness.send = meanwhile  # type: ignore[method-assign]
    (mail,) = await harness.wait()
    harness.send = send  # type: ignore[method-assign]
    assert lines(mail) == ["- Willy (@willy) replied to you."]

    (mail,) = await harness.wait(COOLDOWN)
    assert lines(mail) == ["- Willy (@willy) mentioned you."]


async def test_retries_back_off_while_the_mail_server_is_unavailable(
    harness: MailHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def record(attempts: int) -> timedelta:
        pauses.append(pause_before(attempts).total_seconds())
        return pause_before(attempts)

    monkeypatch.setattr(send_mails, "pause_before", record)
    harness.errors = [Unavailable("away") for _ in range(MAX_TRIES - 1)]
    await harness.notify(NotificationKind.COMMENT)
    while not harness.sent:
        await harness.notify(NotificationKind.LIKE, post=PostId(len(pauses)))
        await harness.wait(timedelta(hours=1))

    assert len(pauses) == MAX_TRIES - 1
    assert 15 <= pauses[0] <= 30 < pauses[-1] <= 3600
    assert pauses[5] > pauses[1]
    assert "13 notifications" in harness.sent[0].subject


async def test_a_retried_mail_keeps_its_id(harness: MailHarness) -> None:
    seen: list[str] = []
    send = harness.send

    async def lose_answer(message: Message) -> None:
        seen.append(message.id)
        if len(seen) == 1:
            raise Unavailable("the answer was lost")
        await send(message)

    harness.send = lose_answer  # type: ignore[method-assign]
    await harness.notify()
    await harness.notify(user=WILLY, actor=MAYA)
    await harness.wait()
    await harness.notify(NotificationKind.MENTION)
    await harness.wait(timedelta(hours=1))

    assert len(seen) == 3
    assert len(set(seen)) == 2


async def test_a_mail_is_dropped_after_too_many_attempts_and_the_next_starts_fresh(
    harness: MailHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.errors = [Unavailable("away") for _ in range(MAX_TRIES)]
    await harness.notify(NotificationKind.COMMENT)
    for _ in range(MAX_TRIES):
        await harness.wait(timedelta(hours=1))
    assert (harness.sent, harness.errors) == ([], [])
    assert "dropped the mail to user 1: away" in caplog.text

    await harness.notify(NotificationKind.MENTION)
    (mail,) = await harness.wait(COOLDOWN + DELAY)
    assert lines(mail) == ["- Willy (@willy) mentioned you."]


async def test_a_refused_address_gets_no_mail_for_a_day(harness: MailHarness) -> None:
    harness.errors = [Undeliverable("no such box (550)")]
    await harness.notify(NotificationKind.COMMENT)
    await harness.wait()
    await harness.notify(NotificationKind.MENTION)

    assert await harness.wait(timedelta(hours=23)) == []
    (mail,) = await harness.wait(timedelta(hours=1))
    assert lines(mail) == ["- Willy (@willy) mentioned you."]


async def test_a_failing_mail_stops_no_other_and_its_address_is_not_logged(
    harness: MailHarness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    harness.errors = [ValueError(f"no, {ADDRESS}")]
    await harness.notify()
    await harness.notify(user=WILLY, actor=MAYA)

    assert [mail.to for mail in await harness.wait()] == ["willy@canary.example"]
    assert "ValueError" in caplog.text
    assert "mail_harness.py" in caplog.text  # the location of the error
    assert "canary" not in caplog.text

    assert [mail.to for mail in await harness.wait(timedelta(hours=1))] == [ADDRESS]


async def test_the_mail_loop_runs_until_it_is_cancelled(harness: MailHarness) -> None:
    await harness.notify()
    harness.time += DELAY
    done = asyncio.Event()

    async def send(message: Message) -> None:
        done.set()

    harness.send = send  # type: ignore[method-assign]
    running = asyncio.create_task(harness.send_mails_now.run(poll=timedelta()))
    async with asyncio.timeout(5):
        await done.wait()
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


@pytest.mark.parametrize(
    ("display_name", "shown"),
    [
        ("Willy the 3rd", "Willy the 3rd (@willy)"),
        ("Dr. Willy", "Dr. Willy (@willy)"),
        ("林月 🏳️‍🌈", "林月 🏳️‍🌈 (@willy)"),
        ("Willy\r\nBcc: eve", "Willy Bcc: eve (@willy)"),
        ("\u202egnp\u2028x", "gnp x (@willy)"),
        ("your bank https://eve.example", "@willy"),
        ("eve.example", "@willy"),
        ("eve。example", "@willy"),
        ("eve@example", "@willy"),
        ("\u200b", "@willy"),
    ],
)
async def test_a_display_name_is_plain_text_without_links(
    display_name: str, shown: str, harness: MailHarness
) -> None:
    harness.names[WILLY] = AuthorCard(WILLY, "willy", display_name)
    await harness.notify()

    (mail,) = await harness.wait()

    assert lines(mail) == [f"- {shown} liked your post."]
    assert mail.text.count("\n") == 8


def test_text_in_a_mail_is_reduced_to_one_line() -> None:
    assert plain(" a\x00b\u2029c\u200d \t d\n") == "a b c\u200d d"
