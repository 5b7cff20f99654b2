"""What a mail about notifications says: who did what, and never in whose words. Posts stay on this server, since some
are not for everybody, and mail is read by machines on its way."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from application.notifications.grouping import grouped
from application.notifications.hydration import HydratedEntry, HydrateStream
from application.notifications.ports import Addresses, DueMail, StreamReader
from application.shared.mail import Message, Site
from application.shared.paging import Window
from application.shared.people import AuthorCard
from domain.notifications import Channel, Kind

LINES = 20
LOOKED_AT = 100
"""Notifications a mail is about, at most, the newest. Of more it only says that there are more."""

_DID = {
    Kind.LIKE: "liked your post",
    Kind.REPOST: "reposted your post",
    Kind.COMMENT: "replied to you",
    Kind.MENTION: "mentioned you",
    Kind.FOLLOW: "follows you now",
    Kind.FOLLOW_REQUEST: "asks to follow you",
    Kind.FOLLOW_ACCEPTED: "lets you follow them",
    Kind.EDIT: "edited a post that you liked, reposted or replied to",
}
_HAPPENED = {
    Kind.MEDIA_FAILED: "A picture or film that you uploaded cannot be shown",
}


class ComposedMail(NamedTuple):
    message: Message | None
    """None if there is nothing to say, or nobody to say it to."""
    up_to: int
    """It tells of what stands up to this number."""


@dataclass(frozen=True, slots=True)
class ComposeMail:
    """One mail of what the user has not read, may still see, and wants by mail, from where the last one ended."""

    reader: StreamReader
    show: HydrateStream
    addresses: Addresses
    site: Site

    async def __call__(self, mail: DueMail) -> ComposedMail:
        stream = await self.reader.stream(mail.user)
        if stream is None:
            return ComposedMail(None, mail.since)
        nothing = ComposedMail(None, stream.head)
        preferences = await self.reader.preferences(mail.user)
        wanted = [kind for kind in Kind if not kind.is_quiet and preferences.wants(kind, Channel.EMAIL)]
        first = max(mail.since, stream.read + 1)
        if not wanted or first > stream.head:
            return nothing
        newest = await self.reader.latest(mail.user, Window(LOOKED_AT, stream.head + 1), wanted)
        entries = [entry for entry in newest if entry.seq >= first]
        seen = [one for one in await self.show(mail.user, entries[:LOOKED_AT]) if not one.void]
        address = await self.addresses.of(mail.user) if seen else None
        if address is None:
            return nothing
        id_ = sha256(f"{mail.user} {stream.epoch} {mail.since}".encode()).hexdigest()[:32]
        more = "more than " if len(entries) > LOOKED_AT else ""
        message = Message(address, self._subject(len(seen), more), self._text(seen, more), id_)
        return ComposedMail(message, stream.head)

    def _subject(self, count: int, more: str) -> str:
        things = "notification" if count == 1 else "notifications"
        return f"New on {self.site.host}: {more}{count} {things}"

    def _text(self, seen: Sequence[HydratedEntry], more: str) -> str:
        at, groups = {one.entry.seq: one for one in seen}, grouped(one.entry for one in seen)
        lines = [f"- {_line(at[group.seq], group.count)}" for group in groups[:LINES]]
        if left := sum(group.count for group in groups[LINES:]):
            lines.append(f"- and {more}{left} more")
        elif more:
            lines.append("- and more")
        return "\n".join(
            (
                f"On {self.site.host}, where you have not been for a while:",
                "",
                *lines,
                "",
                self.site.url,
                "",
                "You get this mail because you asked for it. What is mailed to you, if anything, is set in your",
                "notification preferences.",
                "",
            )
        )


def _line(newest: HydratedEntry, count: int) -> str:
    kind = Kind(newest.entry.type)
    if (happened := _HAPPENED.get(kind)) is not None:
        return f"{happened}."
    who = _name(newest.actor) if newest.actor else "Somebody"
    if count > 1:
        who += f" and {count - 1} {'other' if count == 2 else 'others'}"
    return f"{who} {_DID[kind]}."


_LINKLIKE = re.compile(r"[./:@\u3002\uff0e\uff61]\S")
"""What mail programs make a link of: a strange name must not carry one into somebody's mailbox."""


def _name(card: AuthorCard) -> str:
    shown = plain(card.display_name)
    if not shown or _LINKLIKE.search(shown):
        return f"@{card.username}"
    return f"{shown} (@{card.username})"


_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"
"""Persian and emoji need them."""


def plain(text: str) -> str:
    """On one line, without what cannot be seen."""
    seen = (char in _JOINERS or unicodedata.category(char) not in _UNSEEN for char in text)
    return " ".join(
        "".join(char if is_seen else " " for char, is_seen in zip(text, seen, strict=True)).split()
    )
