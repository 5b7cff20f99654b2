"""Composes mails about notifications. A mail says which accounts did what, but never contains text of posts: some posts
are not public, and machines on the way read mail."""

import re
import unicodedata
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from application.notifications.grouping import grouped
from application.notifications.hydration import HydratedEntry, HydrateStream
from application.notifications.ports import DueMail, MailAddresses, StreamReader
from application.shared.mail import Message, Site
from application.shared.paging import Window
from application.shared.people import AuthorCard
from domain.dataclasses import dataclass
from domain.notifications import Channel, NotificationKind

MAX_LINES = 20
MAX_COVERED = 100
"""Most notifications that one mail covers, the newest. If there are more, the mail only says so."""

_ACTIONS = {
    NotificationKind.LIKE: "liked your post",
    NotificationKind.REPOST: "reposted your post",
    NotificationKind.COMMENT: "replied to you",
    NotificationKind.MENTION: "mentioned you",
    NotificationKind.FOLLOW: "followed you",
    NotificationKind.FOLLOW_REQUEST: "asked to follow you",
    NotificationKind.FOLLOW_ACCEPTED: "accepted your follow request",
    NotificationKind.EDIT: "edited a post that you liked, reposted or replied to",
}
_EVENTS = {
    NotificationKind.MEDIA_FAILED: "A picture or video that you uploaded could not be processed",
}


class ComposedMail(NamedTuple):
    message: Message | None
    """None if there is nothing to report, or no address."""
    up_to: int
    """The mail covers notifications up to this sequence number."""


@dataclass(frozen=True, slots=True)
class ComposeMail:
    """Composes one mail about the notifications that the user has not read, may still see, and wants by mail, starting
    where the last mail ended."""

    reader: StreamReader
    hydrate: HydrateStream
    addresses: MailAddresses
    site: Site

    async def __call__(self, mail: DueMail) -> ComposedMail:
        stream = await self.reader.stream(mail.user)
        if stream is None:
            return ComposedMail(None, mail.since)
        nothing = ComposedMail(None, stream.head)
        preferences = await self.reader.preferences(mail.user)
        wanted = [
            kind for kind in NotificationKind if not kind.is_quiet and preferences.wants(kind, Channel.EMAIL)
        ]
        first = max(mail.since, stream.read + 1)
        if not wanted or first > stream.head:
            return nothing
        newest = await self.reader.latest(mail.user, Window(MAX_COVERED, stream.head + 1), wanted)
        entries = [entry for entry in newest if entry.seq >= first]
        seen = [one for one in await self.hydrate(mail.user, entries[:MAX_COVERED]) if not one.void]
        address = await self.addresses.of(mail.user) if seen else None
        if address is None:
            return nothing
        id_ = sha256(f"{mail.user} {stream.epoch} {mail.since}".encode()).hexdigest()[:32]
        more = "more than " if len(entries) > MAX_COVERED else ""
        message = Message(address, self._subject(len(seen), more), self._text(seen, more), id_)
        return ComposedMail(message, stream.head)

    def _subject(self, count: int, more: str) -> str:
        things = "notification" if count == 1 else "notifications"
        return f"New on {self.site.host}: {more}{count} {things}"

    def _text(self, seen: Sequence[HydratedEntry], more: str) -> str:
        at, groups = {one.entry.seq: one for one in seen}, grouped(one.entry for one in seen)
        lines = [f"- {_line(at[group.seq], group.count)}" for group in groups[:MAX_LINES]]
        if left := sum(group.count for group in groups[MAX_LINES:]):
            lines.append(f"- and {more}{left} more")
        elif more:
            lines.append("- and more")
        return "\n".join(
            (
                f"You have unread notifications on {self.site.host}:",
                "",
                *lines,
                "",
                self.site.url,
                "",
                "You receive this mail because you turned on notifications by mail. You can turn them off in your",
                "notification preferences.",
                "",
            )
        )


def _line(newest: HydratedEntry, count: int) -> str:
    kind = NotificationKind(newest.entry.type)
    if (event := _EVENTS.get(kind)) is not None:
        return f"{event}."
    who = _name(newest.actor) if newest.actor else "Somebody"
    if count > 1:
        who += f" and {count - 1} {'other' if count == 2 else 'others'}"
    return f"{who} {_ACTIONS[kind]}."


_LINKLIKE = re.compile(r"[./:@\u3002\uff0e\uff61]\S")
"""Matches what mail programs turn into links. A display name must not put a link into somebody's mailbox."""


def _name(card: AuthorCard) -> str:
    shown = plain(card.display_name)
    if not shown or _LINKLIKE.search(shown):
        return f"@{card.username}"
    return f"{shown} (@{card.username})"


_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"
"""Required by Persian and by emoji."""


def plain(text: str) -> str:
    """The text on one line, without invisible characters."""
    seen = (char in _JOINERS or unicodedata.category(char) not in _UNSEEN for char in text)
    return " ".join(
        "".join(char if is_seen else " " for char, is_seen in zip(text, seen, strict=True)).split()
    )
