"""Text functions that need libraries: counting graphemes, and the ASCII form of domain names."""

import idna
import regex

from domain.identity import email_key as mailbox

_CLUSTER = regex.compile(r"\X")


def graphemes(text: str) -> int:
    """Extended grapheme clusters (UAX 29)."""
    if text.isascii() and "\r" not in text:
        return len(text)
    return sum(1 for _ in _CLUSTER.finditer(text))


def ascii_domain(domain: str) -> str:
    """`domain.identity.AsciiDomain`."""
    lower = domain.lower()
    if lower.isascii() and "xn--" not in lower:
        return lower  # IDNA refuses names with two hyphens in some places, but they are in use
    return idna.encode(domain, uts46=True, std3_rules=True).decode()


def email_key(address: str) -> str:
    """The mailbox of an address, for who stores and finds addresses."""
    return mailbox(address, ascii_domain)
