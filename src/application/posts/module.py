"""The module posts: posts, comments, and likes, reposts, bookmarks and pins of them."""

from collections.abc import Callable, Sequence
from typing import Self

from application.posts.audience import PostAudience
from application.posts.deleting import DeletePost, EraseAuthor, ListRecentlyDeleted
from application.posts.editing import EditPost, RemoveVersion
from application.posts.engagement_lists import ListEngagedPosts, ListEngagedUsers, ListPinned
from application.posts.engagements import PinPost, SetEngagement
from application.posts.event_handlers import (
    ApplyPrivacy,
    ApplyPrivacyToComment,
    UpdateAttachedMedia,
    changes_privacy,
    is_open_comment,
)
from application.posts.hydration import ContentCache, HydrateEntries, ReadPostViews
from application.posts.ports import (
    AuthorDirectory,
    AuthoredPosts,
    RestrictedAuthors,
)
from application.posts.publishing import PublishPost
from application.posts.queries import HydratePosts, ListByAuthor, ReadHistory, ReadPost, ReadPosts
from application.posts.repair import RepairPosts
from application.posts.searching import SearchHashtags, SearchPosts
from application.posts.stores import PostsStores
from application.posts.threads import ListComments, ReadContext
from application.shared.attachments import Attachable
from application.shared.events import (
    AccountDeleted,
    AttachedMediaChanged,
    PostDeleted,
    ProfileChanged,
    Published,
)
from application.shared.feed_entries import FeedEntries
from application.shared.ports import Clock, NewId, PurgeExpired, ViewerContexts
from application.shared.subscriptions import Subscription, on, on_long
from domain.dataclasses import dataclass
from domain.posts import hashtag
from domain.shared import CountGraphemes


@dataclass(frozen=True, slots=True, kw_only=True)
class PostsNeeds:
    """The dependencies of posts: other modules, services and settings."""

    viewer_contexts: ViewerContexts
    people: AuthorDirectory
    attachable: Attachable
    graphemes: CountGraphemes
    now: Clock
    monotonic: Callable[[], float]
    new_id: NewId


@dataclass(frozen=True, slots=True, kw_only=True)
class PostsModule:
    """The use cases of posts, and what it offers to other modules."""

    # Changes
    publish_post: PublishPost
    edit_post: EditPost
    remove_version: RemoveVersion
    delete_post: DeletePost
    set_engagement: SetEngagement
    pin_post: PinPost

    # Questions
    read_post: ReadPost
    read_posts: ReadPosts
    read_history: ReadHistory
    list_by_author: ListByAuthor
    list_comments: ListComments
    read_context: ReadContext
    list_engaged_users: ListEngagedUsers
    list_engaged_posts: ListEngagedPosts
    list_pinned: ListPinned
    search_posts: SearchPosts
    search_hashtags: SearchHashtags

    # Background work, for operators
    list_recently_deleted: ListRecentlyDeleted
    repair_posts: RepairPosts
    purge_expired: PurgeExpired

    # For other modules
    hydrate_entries: HydrateEntries
    feed_entries: FeedEntries
    canonical_tag: Callable[[str], str | None]
    """The canonical form of a hashtag; None if it is none."""
    authored: AuthoredPosts
    restricted_authors: RestrictedAuthors
    audience: PostAudience

    # Handlers of events
    content_cache: ContentCache
    update_attached_media: UpdateAttachedMedia
    apply_privacy: ApplyPrivacy
    apply_privacy_to_comment: ApplyPrivacyToComment
    erase_author: EraseAuthor

    @classmethod
    def build(cls, *, stores: PostsStores, needs: PostsNeeds) -> Self:
        open_tx, reader, engagements = stores.open_tx, stores.reader, stores.engagements
        viewer_contexts, people, new_id = needs.viewer_contexts, needs.people, needs.new_id
        hydrate, content_cache = HydratePosts(people), ContentCache()
        read_post = ReadPost(viewer_contexts=viewer_contexts, reader=reader, hydrate=hydrate)
        return cls(
            publish_post=PublishPost(
                open_tx=open_tx,
                viewer_contexts=viewer_contexts,
                people=people,
                attachable=needs.attachable,
                new_id=new_id,
                graphemes=needs.graphemes,
            ),
            edit_post=EditPost(
                open_tx=open_tx,
                viewer_contexts=viewer_contexts,
                people=people,
                now=needs.now,
                graphemes=needs.graphemes,
                read=read_post,
            ),
            remove_version=RemoveVersion(open_tx=open_tx, viewer_contexts=viewer_contexts),
            delete_post=DeletePost(open_tx=open_tx, viewer_contexts=viewer_contexts),
            set_engagement=SetEngagement(open_tx=open_tx, viewer_contexts=viewer_contexts, new_id=new_id),
            pin_post=PinPost(open_tx=open_tx, viewer_contexts=viewer_contexts, new_id=new_id),
            read_post=read_post,
            read_posts=ReadPosts(viewer_contexts=viewer_contexts, reader=reader, hydrate=hydrate),
            read_history=ReadHistory(viewer_contexts=viewer_contexts, reader=reader),
            list_by_author=ListByAuthor(
                viewer_contexts=viewer_contexts, reader=reader, people=people, hydrate=hydrate
            ),
            list_comments=ListComments(viewer_contexts=viewer_contexts, reader=reader, hydrate=hydrate),
            read_context=ReadContext(viewer_contexts=viewer_contexts, reader=reader, hydrate=hydrate),
            list_engaged_users=ListEngagedUsers(
                viewer_contexts=viewer_contexts, posts=reader, engagements=engagements, people=people
            ),
            list_engaged_posts=ListEngagedPosts(
                viewer_contexts=viewer_contexts, engagements=engagements, hydrate=hydrate
            ),
            list_pinned=ListPinned(
                viewer_contexts=viewer_contexts, engagements=engagements, people=people, hydrate=hydrate
            ),
            search_posts=SearchPosts(
                search=stores.search,
                viewer_contexts=viewer_contexts,
                people=people,
                reader=reader,
                hydrate=hydrate,
                graphemes=needs.graphemes,
            ),
            search_hashtags=SearchHashtags(
                search=stores.search, viewer_contexts=viewer_contexts, graphemes=needs.graphemes
            ),
            list_recently_deleted=ListRecentlyDeleted(open_tx),
            repair_posts=RepairPosts(stores.counters),
            hydrate_entries=HydrateEntries(
                read_post_views=ReadPostViews(parts=stores.parts, cache=content_cache), people=people
            ),
            feed_entries=stores.feed_entries,
            canonical_tag=hashtag,
            authored=stores.authored,
            restricted_authors=stores.restricted_authors,
            audience=PostAudience(parts=stores.parts, engagements=engagements),
            content_cache=content_cache,
            update_attached_media=UpdateAttachedMedia(open_tx=open_tx, attachable=needs.attachable),
            apply_privacy=ApplyPrivacy(open_tx=open_tx, monotonic=needs.monotonic),
            apply_privacy_to_comment=ApplyPrivacyToComment(
                open_tx=open_tx, authors=stores.restricted_authors
            ),
            erase_author=EraseAuthor(open_tx=open_tx, monotonic=needs.monotonic),
            purge_expired=stores.purge_expired,
        )

    def subscriptions(self) -> Sequence[Subscription]:
        return [
            on(Published, "posts.restrict_comment", self.apply_privacy_to_comment, is_open_comment),
            on(PostDeleted, "posts.forget_content", self.content_cache.forget),
            on(AttachedMediaChanged, "posts.update_attached_media", self.update_attached_media),
            on_long(ProfileChanged, "posts.restrict_author", self.apply_privacy, changes_privacy),
            on_long(AccountDeleted, "posts.erase_author", self.erase_author),
        ]
