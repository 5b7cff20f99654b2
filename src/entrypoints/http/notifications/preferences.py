"""/api/v1/me/notification-preferences: the notifications that a user wants, per channel."""

from typing import Self

import msgspec
from litestar import Controller, get, put
from litestar.params import JSONBody

from application.notifications.commands import SetPreferences
from application.notifications.ports import StreamReader
from domain.notifications import Channel, NotificationKind, Preferences
from entrypoints.http.auth import AuthenticatedRequest
from entrypoints.http.bodies import In
from entrypoints.http.openapi import policy
from entrypoints.http.responses import Out


class Wanted(Out):
    """The kinds of notifications that you want."""

    like: bool
    repost: bool
    comment: bool
    mention: bool
    follow: bool
    follow_request: bool
    follow_accepted: bool
    edit: bool
    """A post was edited that you liked, reposted or replied to."""
    media_ready: bool
    """An upload of yours can be shown. Such a notification is listed, but is never unread and never mailed."""
    media_failed: bool


class NotificationPreferences(Out):
    app: Wanted
    """In the list and in the stream. A kind that is off here is not stored at all."""
    email: Wanted

    @classmethod
    def of(cls, preferences: Preferences) -> Self:
        return cls(_wanted(preferences, Channel.APP), _wanted(preferences, Channel.EMAIL))


class WantedIn(In):
    """Members that are not sent keep their value."""

    like: bool | None = None
    repost: bool | None = None
    comment: bool | None = None
    mention: bool | None = None
    follow: bool | None = None
    follow_request: bool | None = None
    follow_accepted: bool | None = None
    edit: bool | None = None
    media_ready: bool | None = None
    media_failed: bool | None = None

    def changes(self) -> dict[NotificationKind, bool]:
        return {
            NotificationKind(kind): on for kind, on in msgspec.structs.asdict(self).items() if on is not None
        }


class NotificationPreferencesIn(In):
    """Members that are not sent keep their value."""

    app: WantedIn | None = None
    email: WantedIn | None = None

    def changes(self) -> dict[Channel, dict[NotificationKind, bool]]:
        sent = {Channel.APP: self.app, Channel.EMAIL: self.email}
        return {channel: wanted.changes() for channel, wanted in sent.items() if wanted is not None}


class PreferencesController(Controller):
    reader: StreamReader
    set_preferences: SetPreferences

    path = "/me/notification-preferences"
    tags = ("notifications",)

    @get(
        operation_id="getNotificationPreferences", summary="Get notification preferences", opt=policy("token")
    )
    async def read(self, request: AuthenticatedRequest) -> NotificationPreferences:
        """By default you get everything in the app, and nothing by mail."""
        return NotificationPreferences.of(await self.reader.preferences(request.user.user_id))

    @put(
        operation_id="updateNotificationPreferences",
        summary="Change notification preferences",
        opt=policy("token"),
    )
    async def change(
        self, request: AuthenticatedRequest, data: JSONBody[NotificationPreferencesIn]
    ) -> NotificationPreferences:
        """Applies to future notifications; existing ones stay."""
        return NotificationPreferences.of(await self.set_preferences(request.user.user_id, data.changes()))


def _wanted(preferences: Preferences, channel: Channel) -> Wanted:
    return Wanted(**{kind.value: preferences.wants(kind, channel) for kind in NotificationKind})
