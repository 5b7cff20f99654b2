"""Clients of the stream that check every frame against the AsyncAPI document."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jsonschema_rs
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as ws_connect
from websockets.typing import Origin, Subprotocol

from .client import Api, Json, Member, done

STREAM = "/api/v1/stream"
TIMEOUT = 45.0  # only ends what hangs


class StreamSocket:
    """A WebSocket client that checks every frame against the document."""

    def __init__(self, socket: ClientConnection, schemas: Json) -> None:
        self._socket, self._schemas = socket, schemas

    @property
    def protocol(self) -> str | None:
        """The subprotocol that the server chose."""
        return self._socket.subprotocol

    def send(self, **frame: Any) -> None:
        self._socket.send(json.dumps(frame))

    def send_raw(self, text: str | bytes) -> None:
        self._socket.send(text)

    def receive(self, *ops: str) -> Json:
        """The next frame with one of these ops. Skips pings and hints."""
        while True:
            frame: Json = json.loads(self._socket.recv(TIMEOUT))
            self._schemas[frame["op"]].validate(frame)
            if frame["op"] in ops:
                return frame
            assert frame["op"] in {"ping", "hint"}, frame

    def first_frame_or_code(self) -> Json | int:
        """The first frame, or the close code."""
        try:
            frame: Json = json.loads(self._socket.recv(TIMEOUT))
        except ConnectionClosed as close_code:
            return close_code.rcvd.code if close_code.rcvd else 1006
        return frame

    def close_code(self) -> int:
        """The close code. Skips all frames before it."""
        try:
            while True:
                self._socket.recv(TIMEOUT)
        except ConnectionClosed as close_code:
            return close_code.rcvd.code if close_code.rcvd else 1006


def frame_schemas(api: Api) -> dict[str, jsonschema_rs.Validator]:
    """The schemas of the server's frames, by op."""
    found = done(api.nobody.get("/api/asyncapi.json"))
    named = [ref["$ref"].rpartition("/")[2] for ref in found["operations"]["tell"]["messages"]]
    messages = [found["components"]["messages"][name] for name in named]
    return {
        message["name"]: jsonschema_rs.validator_for(message["payload"] | {"components": found["components"]})
        for message in messages
    }


class StreamConnector:
    def __init__(self, api: Api) -> None:
        self.api, self.schemas = api, frame_schemas(api)

    @contextmanager
    def connect(
        self,
        member: Member | None = None,
        origin: str | None = None,
        protocol: str = "waggle.v1",
        query: str = "",
        base_url: str = "",
    ) -> Iterator[StreamSocket]:
        url = (base_url or self.api.base_url).replace("http", "ws", 1)
        with ws_connect(
            f"{url}{STREAM}{query}",
            subprotocols=[Subprotocol(protocol)],
            additional_headers=member.headers() if member else {},
            origin=Origin(origin) if origin else None,
            ping_interval=None,
            open_timeout=TIMEOUT,
            proxy=None,
        ) as socket:
            yield StreamSocket(socket, self.schemas)

    @contextmanager
    def connect_live(self, member: Member, **resume: Any) -> Iterator[tuple[StreamSocket, Json]]:
        """Connect and send `hello`. Yields the socket and its `ready`, after `live` unless it resumes."""
        with self.connect(member) as socket:
            socket.send(op="hello", **({"resume": resume} if resume else {}))
            ready = socket.receive("ready")
            if not resume:
                socket.receive("live")
            yield socket, ready
