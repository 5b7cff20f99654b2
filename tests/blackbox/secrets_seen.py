"""The secrets that the tests have used: none of them may be in a log."""

import json
import re
from typing import Any

import httpx

SECRETS: set[str] = set()
"""Passwords, e-mail addresses, tokens, tickets, and the signed parts of addresses, of this process."""

_MEMBERS = {
    "access_token",
    "refresh_token",
    "ticket",
    "password",
    "current_password",
    "new_password",
    "email",
    "token",
}
_MAY_HAVE_ONE = re.compile(rb'"(access_token|ticket|upload|email|[a-z_]*password|token)"')
_SIGNED = re.compile(r"[?&](?:token|sig|X-Amz-Signature)=([^&\s\"']+)|/media/\d+/([\w-]{22})/")
LEAST = 8
"""A shorter value could be a word of a message. Hostile tests send such."""


def remember(response: httpx.Response) -> None:
    """Remember the secrets in an exchange that succeeded: those of a refused one may be any text."""
    if response.status_code >= 300:
        return
    for content in (response.content, response.request.content if _was_read(response.request) else b""):
        if _MAY_HAVE_ONE.search(content) is not None:
            try:
                _collect(json.loads(content))
            except ValueError:  # an upload, a stream
                continue


def _was_read(request: httpx.Request) -> bool:
    return hasattr(request, "_content")


def _collect(value: Any, name: str = "") -> None:
    if isinstance(value, dict):
        for member, inner in value.items():
            _collect(inner, member)
    elif isinstance(value, list):
        for inner in value:
            _collect(inner)
    elif isinstance(value, str):
        if name in _MEMBERS and len(value) >= LEAST:
            SECRETS.add(value)
        elif name == "url":
            SECRETS.update(one for found in _SIGNED.findall(value) for one in found if one)
