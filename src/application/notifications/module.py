"""The module notifications: what users are notified of, the stream of it, and mails about it."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import NewType, Self

from application.notifications.commands import Dismiss, MarkRead, SetPreferences
from application.notifications.compose_mail import ComposeMail
from application.notifications.event_handlers import (
    NotifyOfEdit,
    NotifyOfEngagement,
    NotifyOfFollow,
    NotifyOfMedia,
    NotifyOfPost,
    may_have_addressees,
)
from application.notifications.hub import Hub
from application.notifications.hydration import HydrateStream
from application.notifications.notify import Notify
from application.notifications.ports import (
    HydrateNotificationPosts,
    MailAddresses,
    NotificationPosts,
    StreamHints,
    StreamReader,
    StreamTokens,
)
from application.notifications.queries import ListNotifications, ReadNews
from application.notifications.read_stream import FindStream, OpenStream, ReadAfter, ReadCoalesced
from application.notifications.remove import RemoveNotifications
from application.notifications.retract import (
    EraseNotifications,
    RetractNotifications,
    RetractPostNotifications,
)
from application.notifications.send_mails import SendMails
from application.notifications.stores import NotificationsStores
from application.notifications.stream_maintenance import RenewStreams, TrimStreams
from application.notifications.tickets import IssueTicket, RedeemStreamToken, RedeemTicket
from application.shared.events import (
    AccountDeleted,
    Blocked,
    Edited,
    Followed,
    FollowRequested,
    FollowRequestEnded,
    Liked,
    MediaSettled,
    PostDeleted,
    Published,
    Reposted,
    Unfollowed,
    Unliked,
    Unreposted,
)
from application.shared.mail import Mail, Site
from application.shared.people import Cards
from application.shared.ports import ActiveSessions, Clock, NewId, PurgeExpired, ViewerContexts
from application.shared.subscriptions import Subscription, in_turn, on, on_long
from domain.dataclasses import dataclass

MailDelay = NewType("MailDelay", timedelta)
"""From a notification to the mail about it."""
MailPause = NewType("MailPause", timedelta)
"""Between two mails to one user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationsNeeds:
    """The dependencies of notifications: other modules, services and settings."""

    viewer_contexts: ViewerContexts
    cards: Cards
    addresses: MailAddresses
    sessions: ActiveSessions
    posts: NotificationPosts
    hydrate_posts: HydrateNotificationPosts
    hub: Hub
    """The clients of this process."""
    hints: StreamHints
    """Reaches the hubs of all processes."""
    stream_tokens: StreamTokens
    mail: Mail
    mail_delay: MailDelay
    mail_pause: MailPause
    site: Site
    now: Clock
    monotonic: Callable[[], float]
    new_id: NewId
    random_bytes: Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationsModule:
    """The use cases of notifications, and what it offers to other modules."""

    # Questions
    find_stream: FindStream
    list_notifications: ListNotifications
    read_news: ReadNews
    reader: StreamReader

    # Changes
    mark_read: MarkRead
    dismiss: Dismiss
    set_preferences: SetPreferences

    # The stream
    hub: Hub
    open_stream: OpenStream
    read_coalesced: ReadCoalesced
    issue_ticket: IssueTicket
    redeem_ticket: RedeemTicket
    stream_tokens: StreamTokens
    redeem_stream_token: RedeemStreamToken

    # Background work, for operators
    send_mails: SendMails
    trim_streams: TrimStreams
    renew_streams: RenewStreams
    purge_expired: PurgeExpired

    # For other modules
    hints: StreamHints

    # Handlers of events
    notify: Notify
    notify_of_engagement: NotifyOfEngagement
    notify_of_post: NotifyOfPost
    notify_of_edit: NotifyOfEdit
    notify_of_follow: NotifyOfFollow
    notify_of_media: NotifyOfMedia
    retract_notifications: RetractNotifications
    retract_post_notifications: RetractPostNotifications
    erase_notifications: EraseNotifications

    @classmethod
    def build(cls, *, stores: NotificationsStores, needs: NotificationsNeeds) -> Self:
        open_tx, reader = stores.open_tx, stores.reader
        find_stream = FindStream(open_tx=open_tx, reader=reader)
        remove = RemoveNotifications(open_tx=open_tx, new_id=needs.new_id, hints=needs.hints)
        hydrate_stream = HydrateStream(
            viewer_contexts=needs.viewer_contexts,
            hydrate_posts=needs.hydrate_posts,
            cards=needs.cards,
            prune=remove,
        )
        open_stream = OpenStream(find_stream)
        read_after = ReadAfter(find=find_stream, reader=reader, hydrate=hydrate_stream)
        notify = Notify(
            open_tx=open_tx,
            viewer_contexts=needs.viewer_contexts,
            people=needs.cards,
            posts=needs.posts,
            new_id=needs.new_id,
            hints=needs.hints,
            now=needs.now,
            mail_delay=needs.mail_delay,
        )
        compose_mail = ComposeMail(
            reader=reader, hydrate=hydrate_stream, addresses=needs.addresses, site=needs.site
        )
        return cls(
            find_stream=find_stream,
            list_notifications=ListNotifications(find=find_stream, reader=reader, hydrate=hydrate_stream),
            read_news=ReadNews(find=find_stream, open_stream=open_stream, read_after=read_after),
            reader=reader,
            mark_read=MarkRead(open_tx=open_tx, new_id=needs.new_id, hints=needs.hints),
            dismiss=Dismiss(reader=reader, remove=remove),
            set_preferences=SetPreferences(open_tx),
            hub=needs.hub,
            open_stream=open_stream,
            read_coalesced=ReadCoalesced(read_after),
            issue_ticket=IssueTicket(tickets=stores.tickets, random=needs.random_bytes),
            redeem_ticket=RedeemTicket(tickets=stores.tickets, sessions=needs.sessions),
            stream_tokens=needs.stream_tokens,
            redeem_stream_token=RedeemStreamToken(
                tokens=needs.stream_tokens, sessions=needs.sessions, clock=needs.now
            ),
            send_mails=SendMails(
                queue=stores.mail_queue, compose=compose_mail, mail=needs.mail, every=needs.mail_pause
            ),
            trim_streams=TrimStreams(open_tx=open_tx, reader=reader, now=needs.now),
            renew_streams=RenewStreams(open_tx=open_tx, reader=reader, random=needs.random_bytes),
            hints=needs.hints,
            notify=notify,
            notify_of_engagement=NotifyOfEngagement(notify),
            notify_of_post=NotifyOfPost(notify=notify, posts=needs.posts),
            notify_of_edit=NotifyOfEdit(notify=notify, posts=needs.posts, monotonic=needs.monotonic),
            notify_of_follow=NotifyOfFollow(notify),
            notify_of_media=NotifyOfMedia(notify),
            retract_notifications=RetractNotifications(reader=reader, remove=remove),
            retract_post_notifications=RetractPostNotifications(
                reader=reader, remove=remove, monotonic=needs.monotonic
            ),
            erase_notifications=EraseNotifications(
                reader=reader, remove=remove, open_tx=open_tx, monotonic=needs.monotonic
            ),
            purge_expired=stores.purge_expired,
        )

    def subscriptions(self) -> Sequence[Subscription]:
        """Handlers that must see the events of an aggregate in order share a subscriber. Otherwise a retried notification
        of a like could be added after the like was undone."""
        return [
            on(Published, "notifications.notify_of_post", self.notify_of_post, may_have_addressees),
            on(Edited, "notifications.notify_of_post", self.notify_of_post, may_have_addressees),
            on_long(Edited, "notifications.notify_of_edit", self.notify_of_edit),
            on_long(PostDeleted, "notifications.retract_post", self.retract_post_notifications),
            on(Liked, "notifications.track_engagements", self.notify_of_engagement),
            on(Unliked, "notifications.track_engagements", self.retract_notifications),
            on(Reposted, "notifications.track_engagements", self.notify_of_engagement),
            on(Unreposted, "notifications.track_engagements", self.retract_notifications),
            on(
                Followed,
                "notifications.track_relationships",
                in_turn(self.retract_notifications, self.notify_of_follow),
            ),
            on(Unfollowed, "notifications.track_relationships", self.retract_notifications),
            on(FollowRequested, "notifications.track_relationships", self.notify_of_follow),
            on(FollowRequestEnded, "notifications.track_relationships", self.retract_notifications),
            on(Blocked, "notifications.track_relationships", self.retract_notifications),
            on(MediaSettled, "notifications.notify_media_owner", self.notify_of_media),
            on_long(AccountDeleted, "notifications.erase_account", self.erase_notifications),
        ]
