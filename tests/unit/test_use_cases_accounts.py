"""Private accounts, and accounts that are deleted."""

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
    return await waggle.joins("ann")


@pytest.fixture
async def bob(waggle: Waggle) -> UserId:
    return await waggle.somebody("bob")


async def set_private(waggle: Waggle, ann: LoggedIn, *, private: bool) -> None:
    await waggle.edit_profile(ann.user.id, None, None, None, private=private)
    await waggle.relay.deliver()


async def delete(waggle: Waggle, who: LoggedIn, confirmed: str | None) -> None:
    principal = await waggle.authenticate(who.tokens.access_token)
    await waggle.delete_account(principal.user_id, principal.session_id, confirmed)


class TestPrivateAccounts:
    @pytest.mark.parametrize("visibility", [PUBLIC, UNLISTED])
    async def test_az4_what_is_written_before_and_after_is_hidden_from_strangers(
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

    async def test_whom_it_mentions_sees_it(self, waggle: Waggle, ann: LoggedIn, bob: UserId) -> None:
        await set_private(waggle, ann, private=True)

        post_id = (await waggle.post(ann.user.id, "hello @bob")).post.id

        assert (await waggle.read(bob, post_id)).post.id == post_id

    async def test_az4_nothing_is_done_to_what_is_hidden(
        self, waggle: Waggle, ann: LoggedIn, bob: UserId
    ) -> None:
        post_id = (await waggle.post(ann.user.id)).post.id
        await set_private(waggle, ann, private=True)

        assert await refused(waggle.like(bob, post_id, liked=True)) is PostNotFound
        assert await refused(waggle.says(bob, "hm", reply_to=post_id)) is PostNotFound

    async def test_it_can_be_opened_again(self, waggle: Waggle, ann: LoggedIn, bob: UserId) -> None:
        post_id = (await waggle.post(ann.user.id)).post.id
        await set_private(waggle, ann, private=True)
        await set_private(waggle, ann, private=False)

        assert (await waggle.read(bob, post_id)).post.id == post_id

    async def test_everybody_is_told_what_changed_and_only_then(self, waggle: Waggle, ann: LoggedIn) -> None:
        user = ann.user.id

        await waggle.edit_profile(user, None, None, None, private=True)
        await waggle.edit_profile(user, "Anna", None, None, private=True)
        await waggle.edit_profile(user, "Anna", None, None, private=True)

        changes = [event for event in await waggle.told() if isinstance(event, ProfileChanged)]
        assert changes == [
            ProfileChanged(user_id=user, private=True, version=2),
            ProfileChanged(user_id=user, version=3),
        ]
        assert (await waggle.read_profile(user)).private is True


class TestDeletion:
    async def test_it_has_to_be_confirmed_with_the_name(self, waggle: Waggle, ann: LoggedIn) -> None:
        for wrong in (None, "", "bob", "ann "):
            assert await refused(delete(waggle, ann, wrong)) is ConfirmationNeeded

        assert (await waggle.read_profile(ann.user.id)).username == "ann"

    async def test_the_question_tells_what_is_lost_and_how_to_go_on(
        self, waggle: Waggle, ann: LoggedIn
    ) -> None:
        with pytest.raises(ConfirmationNeeded, match=r"@ann for good: .* posts, .*\?confirm=ann"):
            await delete(waggle, ann, None)

    async def test_it_needs_a_session_that_has_just_given_its_password(
        self, waggle: Waggle, ann: LoggedIn
    ) -> None:
        waggle.time.pass_by(timedelta(minutes=5, seconds=1))

        assert await refused(delete(waggle, ann, "ann")) is RecentLoginRequired
        assert (await waggle.read_profile(ann.user.id)).username == "ann"

    async def test_id7_a_session_that_was_ended_elsewhere_cannot_delete(
        self, waggle: Waggle, ann: LoggedIn
    ) -> None:
        principal = await waggle.authenticate(ann.tokens.access_token)
        await waggle.log_out(principal.session_id)

        deleting = waggle.delete_account(principal.user_id, principal.session_id, "ann")
        assert await refused(deleting) is SessionEnded
        assert (await waggle.read_profile(ann.user.id)).username == "ann"

    async def test_logging_out_of_an_account_that_is_gone_is_harmless(
        self, waggle: Waggle, ann: LoggedIn
    ) -> None:
        principal = await waggle.authenticate(ann.tokens.access_token)
        await delete(waggle, ann, "ann")

        await waggle.log_out(principal.session_id)

    async def test_di7_nothing_of_the_account_answers_any_more(self, waggle: Waggle, ann: LoggedIn) -> None:
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
        assert (await waggle.told())[-1] == AccountDeleted(user_id=ann.user.id)

    async def test_di7_its_posts_are_hidden_before_anybody_is_told(
        self, waggle: Waggle, ann: LoggedIn, bob: UserId
    ) -> None:
        post_id = (await waggle.post(ann.user.id)).post.id
        thread = (await waggle.post(bob)).post.id
        comments = [(await waggle.post(ann.user.id, reply_to=thread)).post.id for _ in range(3)]
        last = (await waggle.post(bob, reply_to=thread)).post.id
        waggle.time.pass_by(timedelta(seconds=2))  # what was kept of names is too old

        await delete(waggle, ann, "ann")

        assert await refused(waggle.read(bob, post_id)) is PostNotFound
        page = await waggle.comments(bob, thread, Window(2))
        assert (list(page.items), page.next) == ([], Window(2, comments[1]))  # short, and not the end
        assert page.next is not None
        rest = await waggle.comments(bob, thread, page.next)
        assert [comment.item for comment in rest.items] == [await waggle.read(bob, last)]

    async def test_its_list_of_posts_is_gone_with_it(self, waggle: Waggle, ann: LoggedIn) -> None:
        await waggle.post(ann.user.id)
        await delete(waggle, ann, "ann")
        await waggle.relay.deliver()

        assert await refused(waggle.by_author(None, ann.user.id, Window(10))) is UserNotFound

    async def test_a_login_that_was_under_way_is_refused(self, waggle: Waggle, ann: LoggedIn) -> None:
        logging_in = waggle.log_in._open_session
        found, _ = await waggle.log_in._verify("ann", PASSWORD, UNKNOWN_CLIENT.network)
        await delete(waggle, ann, "ann")

        assert await refused(logging_in(found, None, None, UNKNOWN_CLIENT)) is WrongCredentials

    async def test_a_post_that_was_under_way_is_refused(self, waggle: Waggle, ann: LoggedIn) -> None:
        await delete(waggle, ann, "ann")
        await waggle.relay.deliver()

        assert await refused(waggle.says(ann.user.id)) is TokenInvalid

    async def test_di4_the_name_rests_and_the_address_is_free(self, waggle: Waggle, ann: LoggedIn) -> None:
        await delete(waggle, ann, "ann")

        assert await refused(waggle.register("ann", "new@example.org", PASSWORD, "", None)) is UsernameTaken
        assert await refused(waggle.register("Ann", "new@example.org", PASSWORD, "", None)) is UsernameTaken
        await waggle.register("anna", "Ann@example.org", PASSWORD, "", None)
        assert await refused(waggle.register("anne", "ann@example.org", PASSWORD, "", None)) is EmailTaken

    async def test_di4_other_names_do_not_rest(self, waggle: Waggle, ann: LoggedIn) -> None:
        await delete(waggle, ann, "ann")

        assert (await waggle.joins("anna")).user.username == "anna"

    async def test_di7_what_its_keys_brought_is_forgotten(self, waggle: Waggle) -> None:
        key = IdempotentRequest("anyone:open_account", "key", "fingerprint")
        first = await waggle.register("ann", "a@example.org", PASSWORD, "Ann", key)
        await delete(waggle, first, "ann")

        assert await refused(waggle.register("ann", "a@example.org", PASSWORD, "Ann", key)) is UsernameTaken

    async def test_the_operator_is_not_asked(self, waggle: Waggle, ann: LoggedIn) -> None:
        waggle.time.pass_by(NAME_REST)

        await waggle.delete_account.by_operator(ann.user.id)

        assert await refused(waggle.read_profile(ann.user.id)) is UserNotFound
        assert await refused(waggle.delete_account.by_operator(ann.user.id)) is UserNotFound
