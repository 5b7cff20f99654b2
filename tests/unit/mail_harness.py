"""Mails about notifications over stores in memory, with a clock and a mail server under control of the test."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from adapters.memory.notifications.mails import MemoryMailQueue
from application.notifications.compose_mail import ComposeMail
from application.notifications.send_mails import SendMails
from application.shared.mail import Message, Site
from application.shared.people import AuthorCard
from domain.notifications import Channel, NotificationKind
from domain.shared import PostId, UserId
from tests.unit.stream_harness import POST, StreamHarness

MAYA, WILLY, FLIP, THEKLA = (UserId(number) for number in (1, 2, 3, 4))
ADDRESS = "maya@canary.example"
DELAY, COOLDOWN = timedelta(minutes=2), timedelta(minutes=15)
NAMES = {
    MAYA: AuthorCard(MAYA, "maya", "Maya"),
    WILLY: AuthorCard(WILLY, "willy", "Willy"),
    FLIP: AuthorCard(FLIP, "flip", ""),
}


@dataclass
class MailHarness(StreamHarness):
    """Users who want mails, a clock, and the mails that were sent."""

    time: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    names: dict[UserId, AuthorCard] = field(default_factory=lambda: dict(NAMES))
    addresses: dict[UserId, str] = field(
        default_factory=lambda: {MAYA: ADDRESS, WILLY: "willy@canary.example"}
    )
    sent: list[Message] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    """Raised by the next deliveries, one each."""

    @property
    def queue(self) -> MemoryMailQueue:
        return MemoryMailQueue(self.store, lambda: self.time, self._seconds)

    @property
    def send_mails_now(self) -> SendMails:
        site = Site("https://hive.example", "hive.example")
        return SendMails(self.queue, ComposeMail(self.reader, self.hydrate, self, site), self, COOLDOWN)

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

    async def set_wanted(self, *kinds: NotificationKind, user: UserId = MAYA) -> None:
        await self.set_preferences(user, {Channel.EMAIL: {kind: kind in kinds for kind in NotificationKind}})

    async def notify(
        self,
        kind: NotificationKind = NotificationKind.LIKE,
        actor: UserId = WILLY,
        post: PostId | None = POST,
        user: UserId = MAYA,
    ) -> int:
        """Add a notification and schedule a mail if the user wants one, as `Notify` does."""
        seq = await self.add(user, kind, actor, post)
        async with self.open_tx() as tx:
            if (await tx.streams.preferences([user]))[user].wants(kind, Channel.EMAIL):
                await tx.streams.schedule_mail(user, seq, self.time + DELAY)
        return seq

    async def wait(self, span: timedelta = DELAY) -> list[Message]:
        """Let `span` pass. Returns the mails that were sent meanwhile."""
        self.time += span
        before = len(self.sent)
        while await self.send_mails_now():
            pass
        return self.sent[before:]
