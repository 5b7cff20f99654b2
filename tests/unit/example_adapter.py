"""An example of a driving adapter besides HTTP: one line in, one line out. It shows all that an adapter has to do.

publish TOKEN KEY TEXT      read TOKEN ID      posts TOKEN AUTHOR LIMIT [CURSOR]
"""

from collections.abc import Callable
from dataclasses import dataclass

from application.identity.authentication import Principal
from application.posts.publishing import PostDraft, PublishPost
from application.posts.queries import ListByAuthor, ReadPost
from domain.shared import DomainError, PostId, UserId, id_from
from entrypoints.access.authentication import Authenticator, TokenMissing
from entrypoints.access.cursors import Cursors
from entrypoints.access.idempotency import KeyInvalid, idempotent_request
from entrypoints.access.limits import Caller, Cost
from entrypoints.access.networks import Networks

COSTS: dict[str, Cost] = {"publish": "write", "read": "read", "posts": "read"}


@dataclass(frozen=True, slots=True)
class LineProtocol:
    authenticate: Authenticator
    cursors: Cursors
    fingerprint: Callable[..., str]
    publish_post: PublishPost
    read_post: ReadPost
    list_by_author: ListByAuthor

    async def __call__(self, line: str, peer: str) -> str:
        """The answer to a line from a client at the address `peer`."""
        command, token, *words = line.split(" ")
        try:
            caller = Caller(Networks().of(peer))
            principal = await self.authenticate(caller, token or None, COSTS[command])
            return await getattr(self, f"_{command}")(principal, *words)  # type: ignore[no-any-return]
        except (DomainError, KeyInvalid) as error:
            return f"error {getattr(error, 'code', 'key_invalid')}"

    async def _publish(self, principal: Principal | None, key: str, *words: str) -> str:
        if principal is None:
            raise TokenMissing("this command needs a token")
        user, text = principal.user_id, " ".join(words)
        request = idempotent_request(
            self.fingerprint, key, owner=user, operation="line publish", target="posts", content=text.encode()
        )
        published = await self.publish_post(user, PostDraft(text=text), request)
        return f"{'replayed' if published.replayed else 'ok'} {published.hydrated.post.id}"

    async def _read(self, principal: Principal | None, post: str) -> str:
        seen = await self.read_post(principal.user_id if principal else None, PostId(id_from(post) or 0))
        return f"ok {seen.author.username} {seen.post.content.text}"

    async def _posts(self, principal: Principal | None, author: str, limit: str, cursor: str = "") -> str:
        list_, author_id = f"line posts {author}", UserId(id_from(author) or 0)
        window = self.cursors.window(list_, int(limit), cursor or None)
        page = await self.list_by_author(principal.user_id if principal else None, author_id, window)
        ids = ",".join(str(seen.post.id) for seen in page.items)
        return f"ok {ids} {self.cursors.encode(list_, page.next) if page.next else 'end'}"
