"""Private accounts, and the deletion of accounts."""

from datetime import timedelta

import pytest

from application.identity.sessions import UNKNOWN_CLIENT, LoggedIn
from application.shared.errors import TokenInvalid
from application.shared.events import AccountDeleted, ProfileChanged
from application.shared.paging import Window
from application.shared.ports import IdempotentRequest
from domain.identity import (
    NAME_REST,
    ConfirmationNeeded,
    EmailTaken,
    RecentLoginRequired,
    SessionEnded,
    UsernameTaken,
    WrongCredentials,
)
from domain.posts import PostNotFound, Visibility
from domain.shared import UserId, UserNotFound
from tests.unit.people import PASSWORD, Waggle, refused

PUBLIC, UNLISTED, FOLLOWERS, DIRECT = Visibility


@pytest.fixture
async def ann(waggle: Waggle) -> LoggedIn:
    return await waggle.register_user("ann")


async def set_private(waggle: Waggle, ann: LoggedIn, *, private: bool) -> None:
    await waggle.edit_profile(ann.user.id, None, None, None, private=private)
    await waggle.relay.deliver()


async def delete(waggle: Waggle, who: LoggedIn, confirmed: str | None) -> None:
    principal = await waggle.authenticate(who.tokens.access_token)
    await waggle.delete_account(principal.user_id, principal.session_id, confirmed)


class TestPrivateAccounts:
    @pytest.mark.parametrize("visibility", [PUBLIC, UNLISTED])
    async def test_posts_of_a_private_account_are_hidden_from_strangers(
        self, waggle: Waggle, ann: LoggedIn, bob: UserId, visibility: Visibility
    ) -> None:
        before = (await waggle.post(ann.user.id, "before", visibility)).post.id
        await set_private(waggle, ann, private=True)
        after = (await waggle.post(ann.user.id, "after", visibility)).post.id

        for post_id in (before, after):
            assert await refused(waggle.read(None, post_id)) is PostNotFound
            assert await refused(waggle.read(bob, post_id)) is PostNotFound
            assert (await waggle.read(ann.user.id, post_id)).post.id == post_id
        assert (await waggle.by_author(bob, ann.user.id, Window(10))).items == []

    async def test_a_mentioned_user_sees_the_post_of_a_private_account(
        self, waggle: Waggle, ann: LoggedIn, bob: UserId
    ) -> None:
        await set_private(waggle, ann, private=True)

        post_id = (await waggle.post(ann.user.id, "hello @bob")).post.id

        assert (await waggle.read(bob, post_id)).post.id == post_id

    async def test_strangers_cannot_act_on_posts_of_a_private_account(
        self, waggle: Waggle, ann: LoggedIn, bob: UserId
    ) -> None:
        post_id = (await waggle.post(ann.user.id)).post.id
        await set_private(waggle, ann, private=True)

        assert await refused(waggle.like(bob, post_id, liked=True)) is PostNotFound
        assert await refused(waggle.publish_text(bob, "hm", reply_to=post_id)) is PostNotFound

    async def test_a_private_account_can_become_public_again(
        self, waggle: Waggle, ann: LoggedIn, bob: UserId
    ) -> None:
        post_id = (await waggle.post(ann.user.id)).post.id
        await set_private(waggle, ann, private=True)
        await set_private(waggle, ann, private=False)

        assert (await waggle.read(bob, post_id)).post.id == post_id

    async def test_a_change_of_privacy_is_published_only_if_it_changed(
        self, waggle: Waggle, ann: LoggedIn
    ) -> None:
        user = ann.user.id

        await waggle.edit_profile(user, None, None, None, private=True)
        await waggle.edit_profile(user, "Anna", None, None, private=True)
        await waggle.edit_profile(user, "Anna", None, None, private=True)

        changes = [event for event in await waggle.pending_events() if isinstance(event, ProfileChanged)]
        assert changes == [
            ProfileChanged(user_id=user, private=True, version=2),
            ProfileChanged(user_id=user, version=3),
        ]
        assert (await waggle.read_profile(user)).private is True


class TestDeletion:
    async def test_a_deletion_must_be_confirmed_with_the_username(
        self, waggle: Waggle, ann: LoggedIn
    ) -> None:
        for wrong in (None, "", "bob", "ann "):
            assert await refused(delete(waggle, ann, wrong)) is ConfirmationNeeded

        assert (await waggle.read_profile(ann.user.id)).username == "ann"

    async def test_the_refusal_describes_the_loss_and_the_confirmation(
        self, waggle: Waggle, ann: LoggedIn
    ) -> None:
        with pytest.raises(ConfirmationNeeded, match=r"@ann for good: .* posts, .*\?confirm=ann"):
            await delete(waggle, ann, None)

    async def test_a_deletion_needs_a_recent_password(self, waggle: Waggle, ann: LoggedIn) -> None:
        waggle.time.advance(timedelta(minutes=5, seconds=1))

        assert await refused(delete(waggle, ann, "ann")) is RecentLoginRequired
        assert (await waggle.read_profile(ann.user.id)).username == "ann"

    async def test_an_ended_session_cannot_delete_the_account(self, waggle: Waggle, ann: LoggedIn) -> None:
        principal = await waggle.authenticate(ann.tokens.access_token)
        await waggle.log_out(principal.session_id)

        deleting = waggle.delete_account(principal.user_id, principal.session_id, "ann")
        assert await refused(deleting) is SessionEnded
        assert (await waggle.read_profile(ann.user.id)).username == "ann"

    async def test_a_logout_from_a_deleted_account_does_nothing(self, waggle: Waggle, ann: LoggedIn) -> None:
        principal = await waggle.authenticate(ann.tokens.access_token)
        await delete(waggle, ann, "ann")

        events = await waggle.pending_events()

        await waggle.log_out(principal.session_id)

        assert await waggle.pending_events() == events

    async def test_a_deleted_account_is_unknown_to_every_use_case(
        self, waggle: Waggle, ann: LoggedIn
    ) -> None:
        other = await waggle.log_in("ann", PASSWORD, None)
        for tokens in (ann.tokens, other.tokens):
            await waggle.authenticate(tokens.access_token)

        await delete(waggle, ann, "Ann")

        for tokens in (ann.tokens, other.tokens):
            assert await refused(waggle.authenticate(tokens.access_token)) is TokenInvalid
            assert await refused(waggle.refresh(tokens.refresh_token)) is SessionEnded
        for login in ("ann", "ann@example.org"):
            assert await refused(waggle.log_in(login, PASSWORD, None)) is WrongCredentials
        assert await refused(waggle.read_profile(ann.user.id)) is UserNotFound
        assert await refused(waggle.read_profile.named("ann")) is UserNotFound
        assert (await waggle.pending_events())[-1] == AccountDeleted(user_id=ann.user.id)

    async def test_posts_of_a_deleted_account_are_hidden_before_its_event_is_delivered(
        self, waggle: Waggle, ann: LoggedIn, bob: UserId
    ) -> None:
        post_id = (await waggle.post(ann.user.id)).post.id
        thread = (await waggle.post(bob)).post.id
        comments = [(await waggle.post(ann.user.id, reply_to=thread)).post.id for _ in range(3)]
        last = (await waggle.post(bob, reply_to=thread)).post.id
        waggle.time.advance(timedelta(seconds=2))  # the cached names have expired

        await delete(waggle, ann, "ann")

        assert await refused(waggle.read(bob, post_id)) is PostNotFound
        page = await waggle.comments(bob, thread, Window(2))
        assert (list(page.items), page.next) == (
            [],
            Window(2, comments[1]),
        )  # a short page that is not the last one
        assert page.next is not None
        rest = await waggle.comments(bob, thread, page.next)
        assert [comment.item for comment in rest.items] == [await waggle.read(bob, last)]

    async def test_a_deleted_account_has_no_list_of_posts(self, waggle: Waggle, ann: LoggedIn) -> None:
        await waggle.post(ann.user.id)
        await delete(waggle, ann, "ann")
        await waggle.relay.deliver()

        assert await refused(waggle.by_author(None, ann.user.id, Window(10))) is UserNotFound

    async def test_a_login_during_the_deletion_is_refused(self, waggle: Waggle, ann: LoggedIn) -> None:
        logging_in = waggle.log_in._open_session
        found, _ = await waggle.log_in._verify("ann", PASSWORD, UNKNOWN_CLIENT.network)
        await delete(waggle, ann, "ann")

        assert await refused(logging_in(found, None, None, UNKNOWN_CLIENT)) is WrongCredentials

    async def test_a_post_during_the_deletion_is_refused(self, waggle: Waggle, ann: LoggedIn) -> None:
        await delete(waggle, ann, "ann")
        await waggle.relay.deliver()

        assert await refused(waggle.publish_text(ann.user.id)) is TokenInvalid

    async def test_the_username_of_a_deleted_account_stays_reserved_and_the_address_is_free(
        self, waggle: Waggle, ann: LoggedIn
    ) -> None:
        await delete(waggle, ann, "ann")

        assert await refused(waggle.register("ann", "new@example.org", PASSWORD, "", None)) is UsernameTaken
        assert await refused(waggle.register("Ann", "new@example.org", PASSWORD, "", None)) is UsernameTaken
        await waggle.register("anna", "Ann@example.org", PASSWORD, "", None)
        assert await refused(waggle.register("anne", "ann@example.org", PASSWORD, "", None)) is EmailTaken

    async def test_other_usernames_stay_free(self, waggle: Waggle, ann: LoggedIn) -> None:
        await delete(waggle, ann, "ann")

        assert (await waggle.register_user("anna")).user.username == "anna"

    async def test_the_idempotent_results_of_a_deleted_account_are_deleted(self, waggle: Waggle) -> None:
        key = IdempotentRequest("anyone:open_account", "key", "fingerprint")
        first = await waggle.register("ann", "a@example.org", PASSWORD, "Ann", key)
        await delete(waggle, first, "ann")

        assert await refused(waggle.register("ann", "a@example.org", PASSWORD, "Ann", key)) is UsernameTaken

    async def test_an_operator_deletes_without_a_confirmation(self, waggle: Waggle, ann: LoggedIn) -> None:
        waggle.time.advance(NAME_REST)

        await waggle.delete_account.by_operator(ann.user.id)

        assert await refused(waggle.read_profile(ann.user.id)) is UserNotFound
        assert await refused(waggle.delete_account.by_operator(ann.user.id)) is UserNotFound
