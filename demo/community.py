"""The data of the demo: people, their acquaintances, and their texts.

Everything is read from ``demo/data``; ``demo/data/README.md`` names the source of each file.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

DATA = Path(__file__).resolve().parent / "data"


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The origin of a file's content, so that it can be shared with its credits."""

    package: str
    registry: str
    version: str
    files: tuple[str, ...]
    licence: str
    author: str
    note: str


HASHTAGS = {
    "hafez": "حافظ",
    "jokes": "jokes",
    "proverbaro": "proverbo",
    "quotations": "quotes",
    "refranes": "refranes",
    "seanfhocail": "seanfhocal",
    "tang_poems": "唐诗",
    "udhr": "HumanRights",
}
"""The hashtag for the texts of each file."""


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One short text, the BCP 47 tag of its language, and its hashtag."""

    language: str
    text: str
    hashtag: str = ""


class Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of texts from one source."""

    source: Source
    texts: tuple[Text, ...]


class Picture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scene to draw, and its description."""

    scene: str
    alt: str


class Pictured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A post with pictures."""

    language: str
    text: str
    pictures: tuple[Picture, ...]


class Dialogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A first post, and chains of answers to it."""

    language: str
    post: str
    answers: tuple[tuple[str, ...], ...]


class Dialogues(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of dialogues from one source."""

    source: Source
    dialogues: tuple[Dialogue, ...]


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The acquaintances: pairs of member numbers, and a weight (1 is loose, 7 is close)."""

    source: Source
    members: int
    edges: tuple[tuple[int, int, int], ...]


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An invented member. They write mostly in the first of their languages."""

    username: str
    display_name: str
    languages: tuple[str, ...]
    bio: str


class Community(msgspec.Struct, frozen=True):
    """All data; ``people[i]`` is member ``i`` of the network."""

    people: Sequence[Person]
    network: Network
    dialogues: Sequence[Dialogue]
    reactions: Sequence[Text]
    texts: Sequence[Text]
    pictured: Sequence[Pictured]

    def neighbours(self, size: int) -> Mapping[int, Mapping[int, int]]:
        """Return the acquaintances of each of the first ``size`` members, with weights."""
        known: dict[int, dict[int, int]] = {member: {} for member in range(size)}
        for one, other, weight in self.network.edges:
            if one < size and other < size:
                known[one][other] = weight
                known[other][one] = weight
        return known


def read_texts(path: Path) -> Texts:
    """Read one file of texts. An unknown member is an error."""
    return msgspec.json.decode(path.read_bytes(), type=Texts)


def load(data: Path = DATA) -> Community:
    """Read the whole community."""
    files = {path.stem: read_texts(path) for path in sorted((data / "texts").glob("*.json"))}
    reactions = files.pop("reactions")
    return Community(
        people=msgspec.json.decode((data / "people.json").read_bytes(), type=tuple[Person, ...]),
        network=msgspec.json.decode((data / "network.json").read_bytes(), type=Network),
        dialogues=msgspec.json.decode((data / "dialogues.json").read_bytes(), type=Dialogues).dialogues,
        reactions=reactions.texts,
        texts=tuple(
            msgspec.structs.replace(text, hashtag=HASHTAGS.get(stem, ""))
            for stem, file in files.items()
            for text in file.texts
        ),
        pictured=msgspec.json.decode((data / "pictures.json").read_bytes(), type=tuple[Pictured, ...]),
    )
