"""Deceptive names: words that mix alphabets, stacked marks, and names that claim authority.

This follows Unicode's security mechanisms (UTS 39): a word uses one script, and two names look alike if their skeletons
are equal. The script of a character is the first word of its Unicode name.
"""

import re
import unicodedata
from functools import lru_cache

from domain.shared import CountGraphemes, FieldError, Invalid, TextRule, shows_something

MAX_MARKS = 4
"""Marks on one letter. Vietnamese and Hebrew stack three, Tibetan four. A higher stack covers the adjacent text."""

RESERVED = frozenset(
    "about abuse account accounts admin admins administrator anonymous api auth billing bot contact deleted "
    "everyone help helpdesk here hostmaster info legal login logout mail me moderation moderator moderators mods "
    "news nobody noreply null oauth official owner policy postmaster press privacy register root security "
    "settings signup staff static status stream support sysadmin system team terms trust undefined verified "
    "waggle webmaster welcome www".split()
)
"""Usernames that nobody can register: they would seem to speak for the server, or collide with its own addresses."""

_AUTHORITY = frozenset(
    "admin admins administrator moderation moderator moderators mods official root security staff support "
    "sysadmin system verified waggle webmaster".split()
)
"""Words in a display name that claim to speak for the server."""
_NEUTRAL = frozenset("account bot center desk help of service services team the".split())
"""Words that neither make such a claim nor weaken it."""

_LATIN_LETTER = re.compile(r"\bLATIN (?:SMALL |CAPITAL )?LETTER (?:SMALL CAPITAL )?([A-Z])(?: WITH .*)?$")
_LOOKS_LIKE = {
    pair[0]: pair[1]
    for pair in (
        "0o 1l 3e 4a 5s 7t 8b @a $s €e |l !l ıi ɩi ɑa ɡg ꞌl "
        "аa вb ԁd еe һh іi їi јj кk ӏl мm нh оo рp ԛq сc ѕs тt уy ѵv ԝw хx ьb пn "
        "αa βb εe ηn ιi κk νv οo ρp τt υu χx ωw γy σo "
        "աw սu օo հh ցg զq ոn"
    ).split()
}
"""Letters and digits that look like a Latin letter, limited to the letters of the words above."""
_ALIKE = (("i", "l"), ("rn", "m"), ("vv", "w"), ("cl", "d"))
"""Latin letters that look like one another. Applied to both sides of a comparison."""

_MIXED_IN_EAST_ASIA = frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})
_OF_NO_SCRIPT = frozenset({"MODIFIER", "COMBINING", "VARIATION", "TAG"})
_AS_SCRIPT = {"IDEOGRAPHIC": "CJK", "KANGXI": "CJK", "VERTICAL": "HIRAGANA", "MICRO": "GREEK", "OHM": "GREEK"}
_WORD = re.compile(r"[A-Z]+")


def skeleton(name: str) -> str:
    """A form of the name in which characters that look alike are equal."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    letters = "".join(_plain(char) for char in folded)
    for pair, one in _ALIKE:
        letters = letters.replace(pair, one)
    return letters


@lru_cache(4096)
def _plain(char: str) -> str:
    """The Latin letter that `char` looks like; `char` itself if it is another letter or digit, else an empty string."""
    if char in _LOOKS_LIKE:
        return _LOOKS_LIKE[char]
    if "a" <= char <= "z":
        return char
    if letter := _LATIN_LETTER.search(unicodedata.name(char, "")):
        return letter[1].lower()
    return char if unicodedata.category(char)[0] in "LN" else ""


_RESERVED_LOOKS = frozenset(skeleton(word) for word in RESERVED)
_AUTHORITY_LOOKS = frozenset(skeleton(word) for word in _AUTHORITY)
_NEUTRAL_LOOKS = frozenset(skeleton(word) for word in _NEUTRAL)


def is_reserved(username: str) -> bool:
    """Whether the username is reserved or looks like a reserved one: `adm1n`, `_admin_`, `he1p`."""
    return skeleton(username) in _RESERVED_LOOKS


def claims_authority(name: str) -> bool:
    """Whether a display name consists only of words that claim to speak for the server: `Waggle Support`, `𝐀𝐝𝐦𝐢𝐧 ✅`."""
    words = [look for word in re.split(r"[\s_.\-/·]+", name) if (look := skeleton(word))]
    claims = [word for word in words if word not in _NEUTRAL_LOOKS]
    return bool(claims) and (
        all(word in _AUTHORITY_LOOKS for word in claims) or "".join(words) in _AUTHORITY_LOOKS
    )


def mixes_scripts(name: str) -> bool:
    """Whether one of the words mixes letters of several scripts: `Аnn` with a Cyrillic А. Latin letters in Chinese,
    Japanese and Korean words are customary and deceive nobody."""
    return any(
        len(scripts) > 1 and not scripts <= _MIXED_IN_EAST_ASIA
        for scripts in map(_scripts, _words(unicodedata.normalize("NFKC", name)))
    )


def _words(text: str) -> list[str]:
    return "".join(char if unicodedata.category(char)[0] in "LM" else " " for char in text).split()


def _scripts(word: str) -> frozenset[str]:
    return frozenset(script for char in word if (script := _script(char)))


@lru_cache(4096)
def _script(char: str) -> str:
    """The first word of the character's Unicode name; empty if the character belongs to every script."""
    if unicodedata.category(char)[0] != "L":
        return ""
    found = _WORD.match(unicodedata.name(char, ""))
    script = _AS_SCRIPT.get(found[0], found[0]) if found else ""
    return "" if script in _OF_NO_SCRIPT else script


def stacks_marks(text: str) -> bool:
    """Whether one letter has more than MAX_MARKS marks."""
    run = 0
    for char in text:
        run = run + 1 if unicodedata.category(char) in {"Mn", "Me"} else 0
        if run > MAX_MARKS:
            return True
    return False


_DISPLAY_NAME = TextRule("display_name", max_graphemes=50, max_bytes=400)


def display_name(raw: str, graphemes: CountGraphemes) -> str:
    """The display name in its stored form, in any script; empty for none. Raises Invalid for a deceptive name."""
    name = _DISPLAY_NAME.apply(raw, graphemes)
    if not name:
        return name
    if not shows_something(name):
        raise Invalid(FieldError("display_name", "empty", "this name has no visible character"))
    if stacks_marks(name):
        raise Invalid(FieldError("display_name", "characters", f"at most {MAX_MARKS} marks on one letter"))
    if mixes_scripts(name):
        detail = "a word of the name mixes letters of several alphabets that are easily confused"
        raise Invalid(FieldError("display_name", "mixed_scripts", detail))
    if claims_authority(name):
        detail = "this name could be mistaken for the staff of this server"
        raise Invalid(FieldError("display_name", "name_reserved", detail))
    return name
