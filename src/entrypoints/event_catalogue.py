"""docs/events.md: the events that modules publish to each other, read from their types and from the subscriptions."""

import ast
import inspect
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from itertools import pairwise
from pathlib import Path

import application.shared.events as source
from application.shared.events import Event
from entrypoints.container import build
from entrypoints.settings import Settings


def event_catalogue(note: str) -> str:
    subscribers = _subscribers()
    parts = [line for kind, event in Event.kinds.items() for line in _section(event, subscribers[kind])]
    return "\n".join(
        (
            "# Events",
            "",
            note,
            "A module publishes events in the transaction of the change they describe. The relay delivers each event to each",
            "subscriber at least once, so a subscriber must accept the same event id twice. Events of one aggregate reach a",
            "subscriber in the order in which they were committed; there is no order between aggregates or between",
            "subscribers. A subscriber that fails is retried alone, and holds up only its own later events of that aggregate:",
            "see [operating.md](operating.md) for its dead letters.",
            "",
            "An event is versioned by adding optional members. A member is never renamed or removed, and never changes its",
            "meaning. A subscriber ignores members that it does not know.",
            "",
            *parts,
        )
    )


def _subscribers() -> Mapping[str, Sequence[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    container = build(Settings(database_url="memory:"))
    for module in container.modules():
        for one in module.subscriptions():
            found[one.event_type.__name__].append(one.subscriber)
    return found


def _section(event: type[Event], subscribers: Sequence[str]) -> Iterator[str]:
    texts = _member_texts(event)
    yield from (f"## {event.__name__}", "", " ".join(inspect.cleandoc(event.__doc__ or "").split()), "")
    yield from ("| member | type | meaning |", "| --- | --- | --- |")
    for member in fields(event):
        yield f"| `{member.name}` | `{_type(member)}`{_default(member)} | {texts.get(member.name, '')} |"
    names = ", ".join(f"`{name}`" for name in subscribers)
    yield from ("", f"Order: `{_aggregate(event)}`. Subscribers: {names or 'none yet'}.", "")


def _type(member: Field[object]) -> str:
    annotation = member.type if isinstance(member.type, str) else getattr(member.type, "__name__", "")
    return annotation if annotation in {"int", "str", "bool"} else str(member.type).replace("|", "\\|")


def _default(member: Field[object]) -> str:
    return "" if member.default is MISSING else ", optional"


def _aggregate(event: type[Event]) -> str:
    """The aggregate of an event whose members have their own names as values."""
    names = {member.name for member in fields(event)}
    for name, aggregate in (("other_id", "pair of users"), ("media_id", "media"), ("post_id", "post")):
        if name in names and event(**dict.fromkeys(names, 0)).aggregate.startswith(aggregate.split()[0]):
            return aggregate
    return "user"


def _member_texts(event: type[Event]) -> Mapping[str, str]:
    """The string that follows a member in the source is its documentation."""
    tree = ast.parse(Path(source.__file__).read_text())
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    found: dict[str, str] = {}
    for base in reversed(event.__mro__):
        body = classes[base.__name__].body if base.__name__ in classes else []
        for member, text in pairwise(body):
            if (
                isinstance(member, ast.AnnAssign)
                and isinstance(member.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                found[member.target.id] = " ".join(str(text.value.value).split())
    return found
