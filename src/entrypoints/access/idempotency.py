"""Make the idempotent request of a client that sent a key."""

import re
from collections.abc import Callable

from application.shared.ports import IdempotentRequest
from domain.shared import UserId

KEY_FORMAT = "1 to 255 printable ASCII characters, no blanks"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_MAX_SCOPE = 64


class KeyInvalid(ValueError):
    """The key is not in KEY_FORMAT. Each adapter refuses it in the form of its protocol."""


def idempotent_request(
    fingerprint: Callable[..., str],
    key: str,
    *,
    owner: UserId | None,
    operation: str,
    target: str,
    content: bytes,
) -> IdempotentRequest:
    """The request as the use cases take it. Raises KeyInvalid.

    `fingerprint` is a keyed hash of bytes: there may be a password in the content. `operation` is the adapter's own
    name of what it does; a key belongs to one operation of one owner. `target` is what it acts on, such as a path. The
    same key with another target or content is refused as reused.
    """
    if not _KEY.fullmatch(key):
        raise KeyInvalid(KEY_FORMAT)
    printed = fingerprint(target.encode(errors="replace"), content)
    # A client without an account is known by the content of its request only, passwords included. Two clients that
    # happen to choose the same key do not collide, and a retry is recognised from whichever network it comes.
    whose = str(owner) if owner else f"anyone {printed[:22]}"
    return IdempotentRequest(
        scope=f"{whose}:{operation}"[:_MAX_SCOPE], key=key, fingerprint=printed, owner=owner
    )
