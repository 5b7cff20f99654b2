"""/api/v1/notifications: a user's notifications, their counters, and what the user has read."""

from functools import partial
from typing import Annotated

import msgspec
from litestar import Controller, Response, delete, get, put
from litestar.params import FromPath, JSONBody, QueryParameter

from application.notifications.commands import Dismiss, MarkRead, NoSuchNotification
from application.notifications.queries import ListNotifications, ReadNews
from application.notifications.read_stream import CursorAhead, FindStream
from domain.notifications import NotificationKind
from domain.shared import FieldError, id_from
from entrypoints.http.auth import AuthenticatedRequest
from entrypoints.http.bodies import In
from entrypoints.http.errors import QueryInvalid
from entrypoints.http.fragments import Fragments
from entrypoints.http.notifications.shapes import (
    MAX_SEQ,
    Notification,
    NotificationGroup,
    NotificationGroups,
    NotificationNews,
    Notifications,
    NotificationsOrNews,
    StreamState,
)
from entrypoints.http.openapi import policy
from entrypoints.http.paging import Cursor, Limit, Pager
from entrypoints.http.responses import ReadyResponse, as_json

_KIND = f"({'|'.join(NotificationKind)})"
Kinds = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=200,
        pattern=f"^{_KIND}(,{_KIND}){{0,{len(NotificationKind) - 1}}}$",
        description=f"Only notifications of these kinds. A comma-separated list of {', '.join(NotificationKind)}.",
    ),
]
Grouped = Annotated[
    bool,
    QueryParameter(
        description="List the likes of a post as one group, and its reposts as another, at the position of the newest."
    ),
]
After = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        le=MAX_SEQ,
        description="A sequence number. Returns the entries of the stream after it, lowest first. Can be combined with `epoch` and "
        "`limit` only.",
    ),
]
Epoch = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=32,
        pattern=r"^[0-9a-f]{1,32}$",
        description="The epoch that belongs to the number in `after`, in hexadecimal digits.",
    ),
]


class MarkReadIn(In):
    seq: Annotated[
        int,
        msgspec.Meta(ge=0, le=MAX_SEQ, description="A number beyond the end of the stream means its end."),
    ]


class NotificationsController(Controller):
    find_stream: FindStream
    list_notifications: ListNotifications
    read_news: ReadNews
    mark_read: MarkRead
    dismiss: Dismiss
    pager: Pager
    fragments: Fragments

    path = "/notifications"
    tags = ("notifications",)

    @get(operation_id="listNotifications", summary="List notifications", opt=policy("token", CursorAhead))
    async def listed(
        self,
        request: AuthenticatedRequest,
        *,
        limit: Limit = 20,
        cursor: Cursor = None,
        kinds: Kinds = None,
        grouped: Grouped = False,
        after: After = None,
        epoch: Epoch = None,
    ) -> Response[NotificationsOrNews]:
        """Newest first. Notifications are kept for 30 days, at most 5,000 entries. With `after` the response contains the
        entries since that number instead, as the stream would have sent them, for clients that poll. Notifications that
        you may not see any more are left out and do not count as unread."""
        user = request.user.user_id
        if after is not None:
            _refuse_together(cursor=cursor, kinds=kinds, grouped=grouped or None)
            news = await self.read_news(user, after, epoch, limit)
            return ReadyResponse(as_json(NotificationNews.of(news, self.fragments), []))
        if epoch is not None:
            raise QueryInvalid(
                FieldError("?epoch", "needs_after", "epoch needs `after`, whose stream it identifies")
            )
        # The path is the same for every user, and a cursor is valid for one list only.
        of = f"{user}\0{kinds}\0{grouped}"
        wanted = (
            tuple(NotificationKind)
            if kinds is None
            else [NotificationKind(kind) for kind in set(kinds.split(","))]
        )
        window = self.pager.window(request, limit, cursor, of)
        stream, page = await self.list_notifications(user, window, wanted, in_groups=grouped)
        items = [
            NotificationGroup.of(group, stream, self.fragments)
            if grouped
            else Notification.of(group.newest[0], stream, self.fragments)
            for group in page.items
        ]
        listing = NotificationGroups if grouped else Notifications
        return self.pager.response(request, page, items, of, partial(listing.of, stream))

    @get(
        "/unread",
        operation_id="countUnreadNotifications",
        summary="Count unread notifications",
        opt=policy("token"),
    )
    async def unread(self, request: AuthenticatedRequest) -> StreamState:
        """The counters are exact."""
        return StreamState.of(await self.find_stream(request.user.user_id))

    @put("/read", operation_id="markNotificationsRead", summary="Mark as read", opt=policy("token"))
    async def put_read(self, request: AuthenticatedRequest, data: JSONBody[MarkReadIn]) -> StreamState:
        """Marks everything up to a sequence number as read. The marker never moves back. The stream informs your other
        devices."""
        return StreamState.of(await self.mark_read(request.user.user_id, data.seq))

    @delete(
        "/{seq:str}",
        operation_id="dismissNotification",
        summary="Dismiss a notification",
        opt=policy("token", NoSuchNotification),
    )
    async def delete_one(self, request: AuthenticatedRequest, seq: FromPath[str]) -> None:
        """Permanently, on all devices."""
        number = id_from(seq)
        if number is None:
            raise NoSuchNotification("there is no such notification")
        await self.dismiss(request.user.user_id, number)

    @delete(operation_id="dismissAllNotifications", summary="Dismiss all notifications", opt=policy("token"))
    async def delete_all(self, request: AuthenticatedRequest) -> None:
        """Dismisses all notifications that exist when the request begins."""
        await self.dismiss.all(request.user.user_id)


def _refuse_together(**others: object) -> None:
    field_errors = [
        FieldError(f"?{name}", "either_or", f"{name} is for the list and cannot be combined with `after`")
        for name, value in others.items()
        if value is not None
    ]
    if field_errors:
        raise QueryInvalid(*field_errors)
