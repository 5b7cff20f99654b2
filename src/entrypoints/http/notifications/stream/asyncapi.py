"""Builds the AsyncAPI document from the frames of the stream, reusing schemas of the OpenAPI document."""

import re
from typing import Any, get_args

import msgspec

from entrypoints.http.notifications.shapes import EventData
from entrypoints.http.notifications.stream import frames
from entrypoints.http.notifications.stream.frames import PROTOCOL

_REF = "#/components/schemas/{name}"
_REFERRED = re.compile(r'"#/components/schemas/(\w+)"')


def document(openapi: dict[str, Any]) -> dict[str, Any]:
    """The document of the server that this OpenAPI document describes."""
    inbound, outbound = _kinds(frames.Inbound), _kinds(frames.Outbound)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Waggle stream",
            "version": openapi["info"]["version"],
            "description": ABOUT,
            "contact": openapi["info"]["contact"],
            # Unlike in OpenAPI, a license has no `identifier` in AsyncAPI 3.0.
            "license": {"name": openapi["info"]["license"]["name"], "url": LICENSE},
            "tags": [{"name": "stream", "description": "Notifications of a user in real time."}],
        },
        "servers": {name: _server(protocol) for name, protocol in (("plain", "ws"), ("encrypted", "wss"))},
        "defaultContentType": "application/json",
        "channels": {
            "stream": {
                "address": "/api/v1/stream",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in inbound | outbound},
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            }
        },
        "operations": {
            "tell": _operation("send", "Frames of the server", "The first one is `ready`.", outbound),
            "hear": _operation(
                "receive", "Frames of a client", "The first one is `hello`, which is sent once.", inbound
            ),
        },
        "components": {
            "messages": {name: _message(frame) for name, frame in (inbound | outbound).items()},
            "schemas": _schemas([*inbound.values(), *outbound.values()], openapi["components"]["schemas"]),
        },
    }


def _kinds(union: Any) -> dict[str, type[msgspec.Struct]]:
    return {frame.__name__: frame for frame in get_args(union)}


def _server(protocol: str) -> dict[str, Any]:
    about = "The host name of the server, with its port unless that is the default."
    return {
        "host": "{host}",
        "protocol": protocol,
        "description": "Any server that runs Waggle.",
        "variables": {"host": {"default": "localhost:8000", "description": about}},
    }


def _operation(
    action: str, summary: str, description: str, kinds: dict[str, type[msgspec.Struct]]
) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/stream"},
        "summary": summary,
        "description": description,
        "messages": [{"$ref": f"#/channels/stream/messages/{name}"} for name in kinds],
    }


def _message(frame: type[msgspec.Struct]) -> dict[str, Any]:
    return {
        "name": frame.__struct_config__.tag,
        "summary": " ".join((frame.__doc__ or "The response to a ping.").split()),
        "payload": {"$ref": _REF.format(name=frame.__name__)},
    }


def _schemas(kinds: list[type[msgspec.Struct]], known: dict[str, Any]) -> dict[str, Any]:
    """The schemas of the frames, and those that they refer to, which the OpenAPI document describes better than msgspec
    can. Generators name each by its title."""
    _, made = msgspec.json.schema_components(
        kinds, schema_hook=lambda _: {"type": "object"}, ref_template=_REF
    )
    own = [
        name for name, value in vars(frames).items() if getattr(value, "__module__", "") == frames.__name__
    ]
    schemas = {name: made[name] for name in own if name in made}
    for schema in schemas.values():
        schema["description"] = " ".join(schema.get("description", "").split())
        for member in schema["properties"].values():
            if (
                len(values := member.get("enum", ())) == 1
            ):  # otherwise generators make a type without a name of it
                del member["enum"]
                member |= {"type": "string", "const": values[0]}
    data = get_args(EventData)
    known = known | {"Data": {"oneOf": [{"$ref": _REF.format(name=kind.__name__)} for kind in data]}}
    while missing := set(_REFERRED.findall(msgspec.json.encode(schemas).decode())) - schemas.keys():
        # A discriminator is only a name in AsyncAPI; the alternatives themselves contain the tag.
        schemas |= {
            name: {word: said for word, said in known[name].items() if word != "discriminator"}
            for name in missing
        }
    return {name: schema | {"title": name} for name, schema in sorted(schemas.items())}


LICENSE = "https://www.apache.org/licenses/LICENSE-2.0"
ABOUT = f"""Notifications of a user in real time: `GET /api/v1/stream` as a WebSocket with the subprotocol `{PROTOCOL}`, or as
server-sent events, which carry the same frames, with `op` as the name of the event.

Entries are numbered without gaps. A client applies the next number, ignores numbers that it has applied already, and
sends `resume` if one is missing. It stores the `epoch` and `seq` of what it has applied: with them a new connection
continues without loss and without duplicates. Authenticate with a token in the Authorization header, or with a ticket
of `POST /api/v1/stream/ticket` in `hello`.

| Close code | Meaning | What to do |
| --- | --- | --- |
| 1001, 1012 | the server is stopping | resume after `retry_ms` |
| 4000, 4008, 4010, 4014 | unexpected error, client too slow, no pong, database unavailable | resume after a random pause |
| 4007, 4013 | the cursor is invalid | list the notifications, then `hello` |
| 4400, 4406 | protocol error, wrong subprotocol | stop |
| 4401 | the token or ticket is invalid or has expired | get another, then resume |
| 4403 | the session has ended | log in |
| 4009, 4029 | too many streams, too many frames | wait a minute |
"""
