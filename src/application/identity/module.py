"""The module identity: accounts, sessions and signing keys."""

from collections.abc import Callable, Sequence
from typing import Self

from application.identity.accounts import DeleteAccount, EditProfile
from application.identity.authentication import Authenticate, LiveSessions
from application.identity.author_cards import AuthorCards
from application.identity.confirming import ConfirmationToken, ConfirmRegistration, RequestRegistration
from application.identity.ending import EndOwnSession, EndOwnSessions, EndSessionsOfAllUsers, LogOut
from application.identity.event_handlers import CountPosts, is_counted
from application.identity.keys import EnsureKeys, ListKeys, MakeKey, RevokeKey, RotateKeys
from application.identity.mailing import SendConfirmations
from application.identity.passwords import ChangePassword, CheckPassword, ConfirmPassword, NewPassword
from application.identity.ports import AccessTokens, Authorship, CommonPasswordCheck, Passwords, RefreshTokens
from application.identity.queries import ListSessions, ReadAccount, ReadProfile
from application.identity.registration import Register
from application.identity.repair import RepairAccounts
from application.identity.searching import SearchPeople
from application.identity.security import AnonymizeSecurityRecords, Origin, PurgeSecurityRecords, SecurityLog
from application.identity.sessions import LogIn, RandomBytes, Refresh, SessionMaker
from application.identity.stores import IdentityStores
from application.identity.throttle import Fingerprint, Throttle
from application.shared.events import AccountDeleted, PostDeleted, ProfileChanged, Published
from application.shared.limits import Limiter
from application.shared.mail import Mail, Site
from application.shared.ports import Clock, NewId, PurgeExpired, ViewerContexts
from application.shared.readings import Readings
from application.shared.subscriptions import Subscription, on
from domain.dataclasses import dataclass
from domain.identity import AsciiDomain
from domain.shared import CountGraphemes


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityNeeds:
    """The dependencies of identity: other modules, services and settings."""

    viewer_contexts: ViewerContexts
    authorship: Authorship

    passwords: Passwords
    common_passwords: CommonPasswordCheck
    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens
    confirmation_token: ConfirmationToken
    make_key: MakeKey
    limiter: Limiter
    fingerprint: Fingerprint
    mail: Mail
    ascii_domain: AsciiDomain
    graphemes: CountGraphemes
    origin: Callable[[], Origin]
    now: Clock
    monotonic: Callable[[], float]
    new_id: NewId
    random_bytes: RandomBytes

    site: Site
    site_names: Sequence[str]
    """The names of this site, which a password must not contain."""
    confirm_email: bool
    """Whether a registration must be confirmed by e-mail."""
    card_ttl: float
    """Seconds for which AuthorCards caches a card."""
    readings: Readings


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityModule:
    """The use cases of identity, and what it offers to other modules."""

    # Accounts
    register: Register
    request_registration: RequestRegistration | None
    """None if registrations are not confirmed by e-mail."""
    confirm_registration: ConfirmRegistration
    read_account: ReadAccount
    read_profile: ReadProfile
    edit_profile: EditProfile
    delete_account: DeleteAccount
    search_people: SearchPeople

    # Sessions and passwords
    authenticate: Authenticate
    log_in: LogIn
    refresh: Refresh
    log_out: LogOut
    end_own_session: EndOwnSession
    end_own_sessions: EndOwnSessions
    end_sessions_of_all_users: EndSessionsOfAllUsers
    list_sessions: ListSessions
    confirm_password: ConfirmPassword
    change_password: ChangePassword

    # Signing keys
    list_keys: ListKeys
    ensure_keys: EnsureKeys
    rotate_keys: RotateKeys
    revoke_key: RevokeKey

    # Background work, for operators
    send_confirmations: SendConfirmations
    security: SecurityLog
    purge_security_records: PurgeSecurityRecords
    repair_accounts: RepairAccounts
    purge_expired: PurgeExpired

    # For other modules
    cards: AuthorCards
    live_sessions: LiveSessions

    # Handlers of events
    count_posts: CountPosts
    anonymize_security_records: AnonymizeSecurityRecords

    @classmethod
    def build(cls, *, stores: IdentityStores, needs: IdentityNeeds) -> Self:
        open_tx, reader, clock = stores.open_tx, stores.reader, needs.now
        security = SecurityLog(
            records=stores.security_records, clock=clock, monotonic=needs.monotonic, origin=needs.origin
        )
        authenticate = Authenticate(
            tokens=needs.access_tokens, reader=reader, clock=clock, monotonic=needs.monotonic
        )
        ended = authenticate.sessions_ended
        throttle = Throttle(limiter=needs.limiter, fingerprint=needs.fingerprint)
        sessions = SessionMaker(
            clock=clock,
            new_id=needs.new_id,
            random_bytes=needs.random_bytes,
            access_tokens=needs.access_tokens,
            refresh_tokens=needs.refresh_tokens,
        )
        new_password = NewPassword(common=needs.common_passwords, site=needs.site_names)
        check = CheckPassword(reader=reader, passwords=needs.passwords, throttle=throttle)
        register = Register(
            open_tx=open_tx,
            passwords=needs.passwords,
            new_password=new_password,
            sessions=sessions,
            new_id=needs.new_id,
            graphemes=needs.graphemes,
            ascii_domain=needs.ascii_domain,
            throttle=throttle,
            security=security,
        )
        return cls(
            register=register,
            request_registration=(
                RequestRegistration(register=register, token=needs.confirmation_token, clock=clock)
                if needs.confirm_email
                else None
            ),
            confirm_registration=ConfirmRegistration(
                open_tx=open_tx, sessions=sessions, new_id=needs.new_id, clock=clock, security=security
            ),
            read_account=ReadAccount(reader),
            read_profile=ReadProfile(reader),
            edit_profile=EditProfile(open_tx=open_tx, graphemes=needs.graphemes),
            delete_account=DeleteAccount(
                open_tx=open_tx, clock=clock, security=security, sessions_ended=ended
            ),
            search_people=SearchPeople(
                search=stores.people_search,
                viewer_contexts=needs.viewer_contexts,
                graphemes=needs.graphemes,
            ),
            authenticate=authenticate,
            log_in=LogIn(
                open_tx=open_tx,
                reader=reader,
                passwords=needs.passwords,
                sessions=sessions,
                ascii_domain=needs.ascii_domain,
                throttle=throttle,
                security=security,
                sessions_ended=ended,
            ),
            refresh=Refresh(
                open_tx=open_tx, sessions=sessions, clock=clock, security=security, sessions_ended=ended
            ),
            log_out=LogOut(open_tx=open_tx, clock=clock, security=security, sessions_ended=ended),
            end_own_session=EndOwnSession(
                open_tx=open_tx, clock=clock, security=security, sessions_ended=ended
            ),
            end_own_sessions=EndOwnSessions(
                open_tx=open_tx, clock=clock, security=security, sessions_ended=ended
            ),
            end_sessions_of_all_users=EndSessionsOfAllUsers(open_tx=open_tx, clock=clock, security=security),
            list_sessions=ListSessions(reader=reader, clock=clock),
            confirm_password=ConfirmPassword(
                open_tx=open_tx, check=check, sessions=sessions, clock=clock, security=security
            ),
            change_password=ChangePassword(
                open_tx=open_tx,
                reader=reader,
                check=check,
                passwords=needs.passwords,
                new_password=new_password,
                sessions=sessions,
                clock=clock,
                security=security,
                sessions_ended=ended,
            ),
            list_keys=ListKeys(stores.keys),
            ensure_keys=EnsureKeys(store=stores.keys, make=needs.make_key, clock=clock),
            rotate_keys=RotateKeys(store=stores.keys, make=needs.make_key, clock=clock, security=security),
            revoke_key=RevokeKey(store=stores.keys, make=needs.make_key, clock=clock, security=security),
            send_confirmations=SendConfirmations(
                queue=stores.confirmations,
                reader=reader,
                token=needs.confirmation_token,
                mail=needs.mail,
                site=needs.site,
                ascii_domain=needs.ascii_domain,
            ),
            security=security,
            purge_security_records=PurgeSecurityRecords(records=stores.security_records, clock=clock),
            repair_accounts=RepairAccounts(open_tx=open_tx, authorship=needs.authorship),
            cards=AuthorCards(
                reader=reader, monotonic=needs.monotonic, ttl=needs.card_ttl, readings=needs.readings
            ),
            live_sessions=LiveSessions(reader=reader, clock=clock),
            count_posts=CountPosts(stores.open_post_counts),
            anonymize_security_records=AnonymizeSecurityRecords(stores.security_records),
            purge_expired=stores.purge_expired,
        )

    def subscriptions(self) -> Sequence[Subscription]:
        return [
            on(Published, "identity.count_posts", self.count_posts, is_counted),
            on(PostDeleted, "identity.count_posts", self.count_posts, is_counted),
            on(ProfileChanged, "identity.forget_card", self.cards.forget),
            on(AccountDeleted, "identity.forget_card", self.cards.forget),
            on(AccountDeleted, "identity.anonymize_security_events", self.anonymize_security_records),
        ]
