"""Registration with a confirmed e-mail address."""

import asyncio
import re
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from adapters.memory.identity.pending import MemoryConfirmationQueue
from adapters.security.confirmation_tokens import MacConfirmationTokens
from adapters.text import ascii_domain
from application.identity.confirming import ConfirmRegistration, RequestRegistration, digest_of
from application.identity.mailing import CONFIRMATIONS_AN_HOUR, SendConfirmations
from application.shared.errors import KeyReused
from application.shared.events import Registered
from application.shared.mail import MAX_TRIES, Message, Site, Undeliverable
from application.shared.ports import IdempotentRequest
from domain.identity import CONFIRMATION_LIFE, RegistrationTokenInvalid, UsernameTaken
from domain.shared import Invalid, Unavailable, UserNotFound
from tests.port_contracts.stores import new_id
from tests.unit.people import PASSWORD, Waggle, refused

SITE = Site("https://hive.example", "hive.example")
TOKEN = re.compile(r"wgc_[0-9a-f]{64}")
TRY = IdempotentRequest("anyone:register", "key", "fingerprint")


@dataclass
class FakeMail:
    """Keeps the sent mails; fails if a test sets `fails`."""

    received: list[Message] = field(default_factory=list)
    fails: Exception | None = None

    async def send(self, message: Message) -> None:
        if self.fails:
            raise self.fails
        self.received.append(message)


class ConfirmationHarness:
    def __init__(self, waggle: Waggle) -> None:
        self.waggle, self.mail = waggle, FakeMail()
        stores, sessions = waggle.stores, waggle.register.sessions
        token = MacConfirmationTokens(b"k" * 32)
        assert isinstance(stores.identity.confirmations, MemoryConfirmationQueue)
        queue = replace(stores.identity.confirmations, now=waggle.time, monotonic=waggle.time.monotonic)
        self.request = RequestRegistration(waggle.register, token, waggle.time)
        self.confirm = ConfirmRegistration(
            stores.identity.open_tx, sessions, new_id, waggle.time, waggle.security
        )
        self.send = SendConfirmations(queue, stores.identity.reader, token, self.mail, SITE, ascii_domain)

    async def request_registration(
        self, name: str, address: str, idempotent_request: IdempotentRequest | None = None
    ) -> None:
        await self.request(name, address, PASSWORD, "Ann", idempotent_request)

    async def sent_mails(self) -> list[Message]:
        """All mails, after everything due was sent."""
        while await self.send():
            pass
        return self.mail.received

    async def token(self) -> str:
        found = TOKEN.search((await self.sent_mails())[-1].text)
        assert found
        return found[0]


@pytest.fixture
def confirming(waggle: Waggle) -> ConfirmationHarness:
    return ConfirmationHarness(waggle)


async def test_an_account_exists_only_once_it_is_confirmed(
    waggle: Waggle, confirming: ConfirmationHarness
) -> None:
    await confirming.request_registration("Ann", " Ann@Example.org ")

    assert await refused(waggle.read_profile.named("ann")) is UserNotFound
    assert await waggle.pending_events() == []
    joined = await confirming.confirm(await confirming.token())

    assert (joined.user.username, joined.user.display_name) == ("ann", "Ann")
    assert (await waggle.read_account(joined.user.id)).email == "Ann@Example.org"
    assert (await waggle.authenticate(joined.tokens.access_token)).user_id == joined.user.id
    assert await waggle.pending_events() == [Registered(user_id=joined.user.id)]
    await waggle.log_in("ann@example.org", PASSWORD, None)


async def test_the_mail_links_to_the_site_and_the_token_is_not_stored(
    waggle: Waggle, confirming: ConfirmationHarness
) -> None:
    await confirming.request_registration("ann", "ann@example.org")
    token = await confirming.token()

    (mail,) = confirming.mail.received
    assert (mail.to, mail.subject) == ("ann@example.org", "Confirm your account on hive.example")
    assert f"https://hive.example/confirm#token={token}\n" in mail.text
    async with waggle.stores.identity.open_tx() as tx:
        pending = await tx.pending.take(digest_of(token), waggle.time())
    assert pending is not None
    assert token not in repr(pending)


async def test_a_token_can_be_used_once_within_a_day(waggle: Waggle, confirming: ConfirmationHarness) -> None:
    await confirming.request_registration("ann", "ann@example.org")
    token = await confirming.token()
    waggle.time.advance(CONFIRMATION_LIFE - timedelta(seconds=1))

    tries = await asyncio.gather(*(confirming.confirm(token) for _ in range(20)), return_exceptions=True)
    opened = [one for one in tries if not isinstance(one, BaseException)]
    assert len(opened) == 1
    assert {type(one) for one in tries} == {type(opened[0]), RegistrationTokenInvalid}

    await confirming.request_registration("bob", "bob@example.org")
    late = await confirming.token()
    waggle.time.advance(CONFIRMATION_LIFE)
    reasons = set()
    for bad in (token, late, "", "x", "wgc_" + "0" * 64, "\ud800", late.upper()):
        with pytest.raises(RegistrationTokenInvalid) as caught:
            await confirming.confirm(bad)
        reasons.add(str(caught.value))
    assert len(reasons) == 1


async def test_the_owner_of_the_address_is_warned_once_an_hour_without_a_token(
    waggle: Waggle, confirming: ConfirmationHarness
) -> None:
    await waggle.register_user("ann")

    for name in ("bee", "bug", "bat"):
        await confirming.request_registration(name, "ANN@example.org")

    (mail,) = await confirming.sent_mails()
    assert mail.to == "ANN@example.org"
    assert "has an account already" in mail.text
    assert not TOKEN.search(mail.text)
    assert "ann" not in mail.text.lower().replace("ann@example.org", "")


async def test_an_address_gets_a_limited_number_of_confirmations(confirming: ConfirmationHarness) -> None:
    for number in range(CONFIRMATIONS_AN_HOUR + 3):
        await confirming.request_registration(f"name_{number}", "ann@example.org")

    assert len(await confirming.sent_mails()) == CONFIRMATIONS_AN_HOUR


@pytest.mark.parametrize("address", ["ann@example.org", "new@example.org"])
async def test_a_username_is_reserved_whether_or_not_the_address_is_taken(
    waggle: Waggle, confirming: ConfirmationHarness, address: str
) -> None:
    await waggle.register_user("ann")
    assert await refused(confirming.request_registration("ann", address)) is UsernameTaken
    await confirming.request_registration("bob", address)

    for again in ("ann@example.org", "new@example.org", "other@example.org"):
        assert await refused(confirming.request_registration("bob", again)) is UsernameTaken
    waggle.time.advance(CONFIRMATION_LIFE)
    assert await refused(confirming.request_registration("bob", "other@example.org")) is None


async def test_a_confirmation_of_a_taken_address_is_refused_like_a_wrong_token(
    waggle: Waggle, confirming: ConfirmationHarness
) -> None:
    await confirming.request_registration("bob", "ann@example.org")
    token = await confirming.token()
    await waggle.register_user("ann")

    assert await refused(confirming.confirm(token)) is RegistrationTokenInvalid
    assert await refused(waggle.read_profile.named("bob")) is UserNotFound


async def test_a_request_repeated_with_its_key_sends_one_mail(
    confirming: ConfirmationHarness,
) -> None:
    first = await confirming.request("ann", "ann@example.org", PASSWORD, "", TRY)
    second = await confirming.request("ann", "ann@example.org", PASSWORD, "", TRY)

    assert (first.replayed, second.replayed, first.outcome, second.outcome) == (False, True, {}, {})
    assert len(await confirming.sent_mails()) == 1
    other = IdempotentRequest(TRY.scope, TRY.key, "another")
    assert await refused(confirming.request_registration("bob", "bob@example.org", other)) is KeyReused


async def test_an_invalid_registration_is_refused_with_all_field_errors(
    confirming: ConfirmationHarness,
) -> None:
    with pytest.raises(Invalid) as caught:
        await confirming.request("a", "nowhere", "short", "x" * 51, None)

    assert [fault.field for fault in caught.value.field_errors] == [
        "username",
        "email",
        "password",
        "display_name",
    ]
    assert not await confirming.sent_mails()


async def test_a_mail_is_retried_while_the_mail_server_is_unavailable(
    waggle: Waggle, confirming: ConfirmationHarness
) -> None:
    await confirming.request_registration("ann", "ann@example.org")
    confirming.mail.fails = Unavailable("the mail server is away")
    for _ in range(MAX_TRIES - 1):
        assert await confirming.send() == 1
        assert await confirming.send() == 0
        waggle.time.advance(timedelta(hours=1))
    confirming.mail.fails = None

    await confirming.confirm(await confirming.token())


async def test_an_undeliverable_mail_is_dropped(
    waggle: Waggle, confirming: ConfirmationHarness, caplog: pytest.LogCaptureFixture
) -> None:
    await confirming.request_registration("ann", "ann@example.org")
    confirming.mail.fails = Undeliverable("no such mailbox")

    assert await confirming.send() == 1
    waggle.time.advance(timedelta(hours=2))

    assert await confirming.send() == 0
    assert "ann" not in caplog.text


async def test_requests_and_confirmations_record_security_events(
    waggle: Waggle, confirming: ConfirmationHarness
) -> None:
    await confirming.request_registration("ann", "ann@example.org")
    joined = await confirming.confirm(await confirming.token())
    await refused(confirming.confirm("wrong"))
    await waggle.security.flush()

    (event,) = await waggle.stores.identity.security_records.of_user(joined.user.id, 10)
    assert (event.kind, event.outcome) == ("registration_confirmed", "ok")
