"""What a person sees as one character."""

import regex

_CLUSTER = regex.compile(r"\X")


def graphemes(text: str) -> int:
    """Extended grapheme clusters (UAX 29)."""
    if text.isascii() and "\r" not in text:
        return len(text)
    return sum(1 for _ in _CLUSTER.finditer(text))
