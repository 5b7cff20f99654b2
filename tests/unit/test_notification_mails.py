"""Mails about notifications: what they say, to whom, and when they are sent."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from adapters.memory.notifications import MemoryMailQueue
from application.notifications import compose_mail, send_mails
from application.notifications.compose_mail import ComposeMail, plain
from application.notifications.send_mails import SendMails
from application.shared.mail import MAX_TRIES, Message, Site, Undeliverable, pause_before
from application.shared.people import AuthorCard
from domain.notifications import Channel, Kind
from domain.shared import PostId, Unavailable, UserId
from tests.unit.stream_harness import POST, Streams

MAYA, WILLY, FLIP, THEKLA = (UserId(number) for number in (1, 2, 3, 4))
ADDRESS = "maya@canary.example"
DELAY, EVERY = timedelta(minutes=2), timedelta(minutes=15)
NAMES = {
    MAYA: AuthorCard(MAYA, "maya", "Maya"),
    WILLY: AuthorCard(WILLY, "willy", "Willy"),
    FLIP: AuthorCard(FLIP, "flip", ""),
}


@dataclass
class PostOffice(Streams):
    """People who want mail, and the mail that they got."""

    time: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    names: dict[UserId, AuthorCard] = field(default_factory=lambda: dict(NAMES))
    addresses: dict[UserId, str] = field(
        default_factory=lambda: {MAYA: ADDRESS, WILLY: "willy@canary.example"}
    )
    sent: list[Message] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    """What the mail server does first, instead of taking mails."""

    @property
    def queue(self) -> MemoryMailQueue:
        return MemoryMailQueue(self.store, lambda: self.time, self._seconds)

    @property
    def work(self) -> SendMails:
        site = Site("https://hive.example", "hive.example")
        return SendMails(self.queue, ComposeMail(self.reader, self.show, self, site), self, EVERY)

    def _seconds(self) -> float:
        return self.time.timestamp()

    async def send(self, message: Message) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(message)

    async def of(self, user: UserId) -> str | None:
        return self.addresses.get(user)

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        return {id_: self.names.get(id_) or AuthorCard(id_, f"bee_{id_}", "") for id_ in ids}

    async def wants(self, *kinds: Kind, user: UserId = MAYA) -> None:
        await self.set_preferences(user, {Channel.EMAIL: {kind: kind in kinds for kind in Kind}})

    async def told(
        self, kind: Kind = Kind.LIKE, actor: UserId = WILLY, post: PostId | None = POST, user: UserId = MAYA
    ) -> int:
        """As telling does: a mail will be due if it is wanted."""
        seq = await self.add(user, kind, actor, post)
        async with self.open_tx() as tx:
            if (await tx.streams.preferences([user]))[user].wants(kind, Channel.EMAIL):
                await tx.streams.schedule_mail(user, seq, self.time + DELAY)
        return seq

    async def wait(self, span: timedelta = DELAY) -> list[Message]:
        """The mails that are sent when `span` has passed."""
        self.time += span
        before = len(self.sent)
        while await self.work():
            pass
        return self.sent[before:]


@pytest.fixture
async def office() -> PostOffice:
    office = PostOffice()
    for user in (MAYA, WILLY):
        await office.wants(*Kind, user=user)
    return office


def lines(message: Message) -> list[str]:
    return [line for line in message.text.splitlines() if line.startswith("- ")]


async def test_a_mail_tells_who_did_what_a_while_after_it_happened(office: PostOffice) -> None:
    await office.told(Kind.COMMENT, WILLY)
    await office.told(Kind.FOLLOW, FLIP, None)
    assert await office.wait(timedelta(seconds=100)) == []

    (mail,) = await office.wait()

    assert (mail.to, mail.subject) == (ADDRESS, "New on hive.example: 2 notifications")
    assert lines(mail) == ["- @flip followed you.", "- Willy (@willy) replied to you."]
    assert [line for line in mail.text.splitlines() if "://" in line] == ["https://hive.example"]
    assert await office.wait(timedelta(days=1)) == []


async def test_every_kind_that_is_mailed_has_its_words(office: PostOffice) -> None:
    for kind in Kind:
        await office.told(kind)

    (mail,) = await office.wait()

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


async def test_what_was_read_meanwhile_is_not_mailed(office: PostOffice) -> None:
    first = await office.told(Kind.COMMENT)
    await office.mark_read(MAYA, first)
    assert await office.wait() == []

    second = await office.told(Kind.COMMENT)
    await office.told(Kind.MENTION)
    await office.mark_read(MAYA, second)

    (mail,) = await office.wait()
    assert lines(mail) == ["- Willy (@willy) mentioned you."]


async def test_only_what_is_wanted_by_mail_is_mailed(office: PostOffice) -> None:
    await office.wants(Kind.MENTION)
    await office.told(Kind.LIKE)
    assert await office.wait() == []

    await office.told(Kind.MENTION)
    await office.told(Kind.LIKE)
    (mail,) = await office.wait()
    assert lines(mail) == ["- Willy (@willy) mentioned you."]

    await office.told(Kind.MENTION)
    await office.wants()  # enough of it, before the mail is due
    assert await office.wait(EVERY + DELAY) == []


async def test_what_may_not_be_seen_any_more_is_not_mailed(office: PostOffice) -> None:
    await office.told(Kind.COMMENT, WILLY, PostId(1))
    await office.told(Kind.COMMENT, FLIP, PostId(2))
    await office.told(Kind.LIKE, FLIP, PostId(3))
    office.graph.block(MAYA, WILLY)
    office.hidden.add(PostId(2))

    (mail,) = await office.wait()

    assert lines(mail) == ["- @flip liked your post."]
    assert "1 notification" in mail.subject
    stream = await office.reader.stream(MAYA)
    assert stream is not None
    assert stream.unread == {Kind.LIKE: 1}


async def test_what_was_dismissed_or_is_hidden_altogether_gives_no_mail(office: PostOffice) -> None:
    seq = await office.told(Kind.COMMENT, WILLY, PostId(1))
    await office.told(Kind.COMMENT, WILLY, PostId(2))
    await office.dismiss(MAYA, seq)
    office.hidden.add(PostId(2))

    assert await office.wait() == []


async def test_whose_account_is_gone_gets_none(office: PostOffice) -> None:
    await office.told()
    del office.addresses[MAYA]

    assert await office.wait() == []
    office.addresses[MAYA] = ADDRESS
    assert await office.wait(EVERY) == []


async def test_likes_of_one_post_are_one_line(office: PostOffice) -> None:
    for actor in (THEKLA, FLIP, WILLY):
        await office.told(Kind.LIKE, actor)
    await office.told(Kind.LIKE, THEKLA, PostId(1))
    await office.told(Kind.LIKE, WILLY, PostId(1))

    (mail,) = await office.wait()

    assert "5 notifications" in mail.subject
    assert lines(mail) == [
        "- Willy (@willy) and 1 other liked your post.",
        "- Willy (@willy) and 2 others liked your post.",
    ]


async def test_a_mail_has_twenty_lines_and_says_how_many_there_are_beside_them(office: PostOffice) -> None:
    for _ in range(23):
        await office.told(Kind.COMMENT)

    (mail,) = await office.wait()

    assert len(lines(mail)) == 21
    assert lines(mail)[-1] == "- and 3 more"
    assert "23 notifications" in mail.subject


async def test_of_very_many_it_says_that_there_are_more(office: PostOffice) -> None:
    for _ in range(compose_mail.MAX_COVERED + 1):
        await office.told(Kind.COMMENT)

    (mail,) = await office.wait()

    assert lines(mail)[-1] == "- and more than 80 more"
    assert "more than 100 notifications" in mail.subject


async def test_between_two_mails_there_is_a_rest_and_nothing_is_lost(office: PostOffice) -> None:
    await office.told(Kind.COMMENT)
    (first,) = await office.wait()
    await office.told(Kind.MENTION)
    await office.told(Kind.FOLLOW)

    assert await office.wait(EVERY - timedelta(seconds=1)) == []
    (second,) = await office.wait(timedelta(seconds=2))

    assert len(lines(first)) == 1
    assert lines(second) == ["- Willy (@willy) followed you.", "- Willy (@willy) mentioned you."]
    assert first.id != second.id
    assert await office.wait(timedelta(days=1)) == []


async def test_after_the_rest_a_mail_still_waits_until_it_may_have_been_read(office: PostOffice) -> None:
    await office.told()
    await office.wait()
    await office.wait(EVERY - timedelta(seconds=10))
    await office.told(Kind.MENTION)

    assert await office.wait(timedelta(seconds=20)) == []
    (mail,) = await office.wait()
    assert lines(mail) == ["- Willy (@willy) mentioned you."]


async def test_what_is_told_while_a_mail_is_on_its_way_is_in_the_next(office: PostOffice) -> None:
    await office.told(Kind.COMMENT)
    send = office.send

    async def meanwhile(message: Message) -> None:
        await office.told(Kind.MENTION)
        await send(message)

    office.send = meanwhile  # type: ignore[method-assign]
    (mail,) = await office.wait()
    office.send = send  # type: ignore[method-assign]
    assert lines(mail) == ["- Willy (@willy) replied to you."]

    (mail,) = await office.wait(EVERY)
    assert lines(mail) == ["- Willy (@willy) mentioned you."]


async def test_while_the_mail_server_is_away_the_mail_waits_longer_and_longer(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def noted(attempts: int) -> timedelta:
        pauses.append(pause_before(attempts).total_seconds())
        return pause_before(attempts)

    monkeypatch.setattr(send_mails, "pause_before", noted)
    office.errors = [Unavailable("away") for _ in range(MAX_TRIES - 1)]
    await office.told(Kind.COMMENT)
    while not office.sent:
        await office.told(Kind.LIKE, post=PostId(len(pauses)))
        await office.wait(timedelta(hours=1))

    assert len(pauses) == MAX_TRIES - 1
    assert 15 <= pauses[0] <= 30 < pauses[-1] <= 3600
    assert pauses[5] > pauses[1]
    assert "13 notifications" in office.sent[0].subject


async def test_a_mail_has_the_same_id_when_it_is_tried_again(office: PostOffice) -> None:
    seen: list[str] = []
    send = office.send

    async def lost(message: Message) -> None:
        seen.append(message.id)
        if len(seen) == 1:
            raise Unavailable("the answer was lost")
        await send(message)

    office.send = lost  # type: ignore[method-assign]
    await office.told()
    await office.told(user=WILLY, actor=MAYA)
    await office.wait()
    await office.told(Kind.MENTION)
    await office.wait(timedelta(hours=1))

    assert len(seen) == 3
    assert len(set(seen)) == 2


async def test_after_many_tries_a_mail_is_dropped_and_the_next_begins_anew(
    office: PostOffice, caplog: pytest.LogCaptureFixture
) -> None:
    office.errors = [Unavailable("away") for _ in range(MAX_TRIES)]
    await office.told(Kind.COMMENT)
    for _ in range(MAX_TRIES):
        await office.wait(timedelta(hours=1))
    assert (office.sent, office.errors) == ([], [])
    assert "dropped the mail to user 1: away" in caplog.text

    await office.told(Kind.MENTION)
    (mail,) = await office.wait(EVERY + DELAY)
    assert lines(mail) == ["- Willy (@willy) mentioned you."]


async def test_an_address_that_is_refused_is_left_alone_for_a_day(office: PostOffice) -> None:
    office.errors = [Undeliverable("no such box (550)")]
    await office.told(Kind.COMMENT)
    await office.wait()
    await office.told(Kind.MENTION)

    assert await office.wait(timedelta(hours=23)) == []
    (mail,) = await office.wait(timedelta(hours=1))
    assert lines(mail) == ["- Willy (@willy) mentioned you."]


async def test_one_mail_that_fails_stops_no_other_and_tells_nobody_the_address(
    office: PostOffice, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    office.errors = [ValueError(f"no, {ADDRESS}")]
    await office.told()
    await office.told(user=WILLY, actor=MAYA)

    assert [mail.to for mail in await office.wait()] == ["willy@canary.example"]
    assert "ValueError" in caplog.text
    assert "test_notification_mails.py" in caplog.text  # where it was
    assert "canary" not in caplog.text

    assert [mail.to for mail in await office.wait(timedelta(hours=1))] == [ADDRESS]


async def test_it_runs_until_it_is_stopped(office: PostOffice) -> None:
    await office.told()
    office.time += DELAY
    done = asyncio.Event()

    async def send(message: Message) -> None:
        done.set()

    office.send = send  # type: ignore[method-assign]
    running = asyncio.create_task(office.work.run(poll=timedelta()))
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
async def test_a_name_is_plain_text_and_carries_no_link(
    display_name: str, shown: str, office: PostOffice
) -> None:
    office.names[WILLY] = AuthorCard(WILLY, "willy", display_name)
    await office.told()

    (mail,) = await office.wait()

    assert lines(mail) == [f"- {shown} liked your post."]
    assert mail.text.count("\n") == 8


def test_plain_text_is_one_line() -> None:
    assert plain(" a\x00b\u2029c\u200d \t d\n") == "a b c\u200d d"
