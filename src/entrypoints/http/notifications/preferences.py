"""/api/v1/me/notification-preferences: what one wants to be told, and how."""

from typing import Self

import msgspec
from litestar import Controller, get, put
from litestar.params import JSONBody

from application.notifications.commands import SetPreferences
from application.notifications.ports import StreamReader
from domain.notifications import Channel, Kind, Preferences
from entrypoints.http.answers import Out
from entrypoints.http.auth import AuthenticatedRequest
from entrypoints.http.bodies import In
from entrypoints.http.openapi import policy


class Wanted(Out):
    """Which notifications are wanted."""

    like: bool
    repost: bool
    comment: bool
    mention: bool
    follow: bool
    follow_request: bool
    follow_accepted: bool
    edit: bool
    """A post was edited that one liked, reposted or answered."""
    media_ready: bool
    """An upload of one's own can be shown. It is listed without being unread, and never mailed."""
    media_failed: bool


class NotificationPreferences(Out):
    app: Wanted
    """In the list and in the stream. What is not wanted here is not noted at all."""
    email: Wanted

    @classmethod
    def of(cls, preferences: Preferences) -> Self:
        return cls(_wanted(preferences, Channel.APP), _wanted(preferences, Channel.EMAIL))


class WantedIn(In):
    """What is not sent stays as it is."""

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

    def changes(self) -> dict[Kind, bool]:
        return {Kind(kind): on for kind, on in msgspec.structs.asdict(self).items() if on is not None}


class NotificationPreferencesIn(In):
    """What is not sent stays as it is."""

    app: WantedIn | None = None
    email: WantedIn | None = None

    def changes(self) -> dict[Channel, dict[Kind, bool]]:
        sent = {Channel.APP: self.app, Channel.EMAIL: self.email}
        return {channel: wanted.changes() for channel, wanted in sent.items() if wanted is not None}


class PreferencesController(Controller):
    reader: StreamReader
    set_preferences: SetPreferences

    path = "/me/notification-preferences"
    tags = ("notifications",)

    @get(operation_id="getNotificationPreferences", summary="What you want to be told", opt=policy("token"))
    async def read(self, request: AuthenticatedRequest) -> NotificationPreferences:
        """At first everything in the app, and nothing by mail."""
        return NotificationPreferences.of(await self.reader.preferences(request.user.user_id))

    @put(
        operation_id="updateNotificationPreferences",
        summary="Say what you want to be told",
        opt=policy("token"),
    )
    async def change(
        self, request: AuthenticatedRequest, data: JSONBody[NotificationPreferencesIn]
    ) -> NotificationPreferences:
        """What was told before stays."""
        return NotificationPreferences.of(await self.set_preferences(request.user.user_id, data.changes()))


def _wanted(preferences: Preferences, channel: Channel) -> Wanted:
    return Wanted(**{kind.value: preferences.wants(kind, channel) for kind in Kind})
