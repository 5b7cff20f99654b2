"""The module graph: follows, follow requests, blocks and mutes."""

from collections.abc import Callable, Sequence
from typing import Self

from application.graph.event_handlers import AcceptFollowRequests, EraseRelationships, opens_account
from application.graph.followers import ReadFollowers
from application.graph.ports import AccountDirectory
from application.graph.queries import ListPeople, ReadFollowSummary, ReadRelationships
from application.graph.relationships import (
    AcceptRequest,
    Block,
    ChangeRelationship,
    Follow,
    Mute,
    RejectRequest,
    RemoveFollower,
    Unblock,
    Unfollow,
    Unmute,
)
from application.graph.repair import RepairFollowCounts
from application.graph.stores import GraphStores
from application.graph.viewer_contexts import CachedViewerContexts
from application.shared.events import AccountDeleted, ProfileChanged
from application.shared.people import Cards
from application.shared.ports import Clock, NewId, PurgeExpired
from application.shared.subscriptions import Subscription, on_long
from domain.dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphNeeds:
    """The dependencies of graph: other modules and services."""

    accounts: AccountDirectory
    cards: Cards
    now: Clock
    monotonic: Callable[[], float]
    new_id: NewId


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphModule:
    """The use cases of graph, and what it offers to other modules."""

    # Changes
    follow: Follow
    unfollow: Unfollow
    block: Block
    unblock: Unblock
    mute: Mute
    unmute: Unmute
    accept: AcceptRequest
    reject: RejectRequest
    remove_follower: RemoveFollower

    # Queries
    read_relationships: ReadRelationships
    read_follow_summary: ReadFollowSummary
    list_people: ListPeople

    # For operators
    repair_follow_counts: RepairFollowCounts
    purge_expired: PurgeExpired

    # For other modules
    viewer_contexts: CachedViewerContexts
    followers: ReadFollowers

    # Handlers of events
    accept_follow_requests: AcceptFollowRequests
    erase_relationships: EraseRelationships

    @classmethod
    def build(cls, *, stores: GraphStores, needs: GraphNeeds) -> Self:
        open_tx, reader = stores.open_tx, stores.reader
        accounts, clock, monotonic, new_id = needs.accounts, needs.now, needs.monotonic, needs.new_id
        viewer_contexts = CachedViewerContexts(reader=reader, clock=clock, monotonic=monotonic)
        forget = viewer_contexts.forget
        change_relationship = ChangeRelationship(open_tx=open_tx, new_id=new_id, forget=forget)
        return cls(
            follow=Follow(change_relationship=change_relationship, accounts=accounts, clock=clock),
            unfollow=Unfollow(change_relationship=change_relationship, accounts=accounts, clock=clock),
            block=Block(change_relationship=change_relationship, accounts=accounts, clock=clock),
            unblock=Unblock(change_relationship=change_relationship, accounts=accounts, clock=clock),
            mute=Mute(change_relationship=change_relationship, accounts=accounts, clock=clock),
            unmute=Unmute(change_relationship=change_relationship, accounts=accounts, clock=clock),
            accept=AcceptRequest(change_relationship=change_relationship, accounts=accounts, clock=clock),
            reject=RejectRequest(change_relationship=change_relationship, accounts=accounts, clock=clock),
            remove_follower=RemoveFollower(
                change_relationship=change_relationship, accounts=accounts, clock=clock
            ),
            read_relationships=ReadRelationships(reader=reader, accounts=accounts, clock=clock),
            read_follow_summary=ReadFollowSummary(reader=reader, clock=clock),
            list_people=ListPeople(
                reader=reader,
                viewer_contexts=viewer_contexts,
                accounts=accounts,
                cards=needs.cards,
                clock=clock,
            ),
            repair_follow_counts=RepairFollowCounts(stores.counters),
            viewer_contexts=viewer_contexts,
            followers=ReadFollowers(reader=reader, monotonic=monotonic),
            accept_follow_requests=AcceptFollowRequests(
                open_tx=open_tx, accounts=accounts, new_id=new_id, forget=forget, monotonic=monotonic
            ),
            erase_relationships=EraseRelationships(
                open_tx=open_tx, new_id=new_id, forget=forget, monotonic=monotonic
            ),
            purge_expired=stores.purge_expired,
        )

    def subscriptions(self) -> Sequence[Subscription]:
        return [
            on_long(
                ProfileChanged, "graph.accept_follow_requests", self.accept_follow_requests, opens_account
            ),
            on_long(AccountDeleted, "graph.erase_relationships", self.erase_relationships),
        ]
