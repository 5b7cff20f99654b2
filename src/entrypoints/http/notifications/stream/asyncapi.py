"""The AsyncAPI document: the frames of the stream, with the shapes that the OpenAPI document has already."""

import re
from typing import Any, get_args

import msgspec

from entrypoints.http.notifications.shapes import EventData
from entrypoints.http.notifications.stream import frames
from entrypoints.http.notifications.stream.frames import PROTOCOL

_REF = "#/components/schemas/{name}"
_REFERRED = re.compile(r'"#/components/schemas/(\w+)"')


def document(openapi: dict[str, Any]) -> dict[str, Any]:
    """Of the same server as this OpenAPI document."""
    inbound, outbound = _kinds(frames.Inbound), _kinds(frames.Outbound)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Waggle stream",
            "version": openapi["info"]["version"],
            "description": ABOUT,
            "contact": openapi["info"]["contact"],
            # Not as OpenAPI says it: AsyncAPI 3.0 knows no `identifier` of a license.
            "license": {"name": openapi["info"]["license"]["name"], "url": LICENSE},
            "tags": [{"name": "stream", "description": "What happens to a user, as it happens."}],
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
            "tell": _operation("send", "What the server says", "`ready` is the first.", outbound),
            "hear": _operation(
                "receive", "What a client may say", "`hello` is the first, and comes once.", inbound
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
    about = "The name of the server, with its port if that is not the usual one."
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
        "summary": " ".join((frame.__doc__ or "The answer to a ping.").split()),
        "payload": {"$ref": _REF.format(name=frame.__name__)},
    }


def _schemas(kinds: list[type[msgspec.Struct]], known: dict[str, Any]) -> dict[str, Any]:
    """Those of the frames, and what they refer to, which the OpenAPI document says better than msgspec can. Each has a
    title, which is what generators name it by."""
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
            ):  # else a type of its own, for which there is no name
                del member["enum"]
                member |= {"type": "string", "const": values[0]}
    data = get_args(EventData)
    known = known | {"Data": {"oneOf": [{"$ref": _REF.format(name=kind.__name__)} for kind in data]}}
    while missing := set(_REFERRED.findall(msgspec.json.encode(schemas).decode())) - schemas.keys():
        # A discriminator is a mere name in AsyncAPI; what tells alternatives apart is in them.
        schemas |= {
            name: {word: said for word, said in known[name].items() if word != "discriminator"}
            for name in missing
        }
    return {name: schema | {"title": name} for name, schema in sorted(schemas.items())}


LICENSE = "https://www.apache.org/licenses/LICENSE-2.0"
ABOUT = f"""What happens to a user, as it happens: `GET /api/v1/stream` as a WebSocket with the subprotocol `{PROTOCOL}`, or as
server-sent events, which have the same frames, with the `op` as the event's name.

Entries are numbered without a gap. A client applies the next number, drops what it has, and says `resume` when one is
missing. It keeps `epoch` and `seq` of what it has applied: with them nothing is lost over a lost connection, and nothing
comes twice. A token is sent in the Authorization header, or a ticket of `POST /api/v1/stream/ticket` in `hello`.

| closed with | means | what to do |
| --- | --- | --- |
| 1001, 1012 | the server stops | resume after `retry_ms` |
| 4000, 4008, 4010, 4014 | something went wrong, too slow, no pong, the database is away | resume after a random pause |
| 4007, 4013 | the cursor is of no use | list the notifications, then `hello` |
| 4400, 4406 | the protocol was not kept to, or is another | stop |
| 4401 | the token or ticket is not good, or not any more | get another, then resume |
| 4403 | the session has ended | log in |
| 4009, 4029 | too many streams, too many frames | wait a minute |
"""
