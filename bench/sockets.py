"""Sockets that listen to the stream, in a separate process: what arrives, and when. Controlled by lines of JSON.

{"open": 200, "port": 8000, "tokens": […], "per_token": 10, "stalled": false, "hello": "{…}"}
{"mark": true}                    forget what was received
{"wait": 200, "op": "event", "seconds": 10}   the times at which so many arrived since then"""

import asyncio
import base64
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import uvloop


class Listener(asyncio.Protocol):
    """A client that does as little as possible, since it is not measured itself."""

    def __init__(self, world: "World", token: str, hello: str, *, stalled: bool) -> None:
        self.world, self.token, self.hello, self.stalled = world, token, hello, stalled
        self.open = False
        self.rest = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self.stalled:  # so that little of what is sent fits into buffers on the way
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            (
                f"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: waggle.v1\r\n"
                f"Authorization: Bearer {self.token}\r\n\r\n"
            ).encode()
        )

    def data_received(self, data: bytes) -> None:
        self.rest += data
        if not self.open:
            head, found, self.rest = self.rest.partition(b"\r\n\r\n")
            if not found:
                self.rest = head
                return
            if b" 101 " not in head.partition(b"\r\n")[0]:
                self.world.refused += 1
                self.transport.close()
                return
            self.open = True
            self.say(self.hello.encode())
        while (frame := self._frame()) is not None:
            self._heard(frame)

    def _frame(self) -> bytes | None:
        """The next complete frame. Servers do not mask frames."""
        data = self.rest
        if len(data) < 2:
            return None
        length, start = data[1], 2
        if length == 126:
            length, start = int.from_bytes(data[2:4], "big"), 4
        elif length == 127:
            length, start = int.from_bytes(data[2:10], "big"), 10
        if len(data) < start + length:
            return None
        self.rest = data[start + length :]
        if data[0] == 0x88:
            self.world.closed.append(int.from_bytes(data[start : start + 2], "big"))
        return data[start : start + length] if data[0] == 0x81 else b""

    def _heard(self, frame: bytes) -> None:
        if b'"op":"live"' in frame:
            self.world.live += 1
        elif self.stalled:
            self.world.live += 1
            self.transport.pause_reading()
        elif b'"op":"ping"' in frame:
            self.say(b'{"op":"pong"}')
        elif frame.startswith(b'{"op":"hint"'):
            self.world.heard["hint"].append(time.perf_counter())
        elif frame.startswith(b'{"op":"event"'):
            self.world.heard["event"].append(time.perf_counter())

    def say(self, frame: bytes) -> None:
        mask = b"\0\0\0\0"
        self.transport.write(bytes([0x81, 0x80 | len(frame)]) + mask + frame)  # of at most 125 bytes

    def connection_lost(self, _: Exception | None) -> None:
        self.world.lost += 1


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - thousands of protocols would have to set an event
        await asyncio.sleep(0.002)


class World:
    def __init__(self) -> None:
        self.live = self.lost = self.refused = 0
        self.closed: list[int] = []
        self.heard: dict[str, list[float]] = {"event": [], "hint": []}

    async def do(self, order: dict[str, Any]) -> dict[str, Any]:
        if "open" in order:
            return await self.connect(order)
        if "mark" in order:
            for times in self.heard.values():
                times.clear()
            return {"now": time.perf_counter()}
        end = time.perf_counter() + order["seconds"]
        heard = self.heard[order["op"]]
        await until(lambda: len(heard) >= order["wait"] or time.perf_counter() > end)
        return {"at": heard, "lost": self.lost, "closed": self.closed}

    async def connect(self, order: dict[str, Any]) -> dict[str, Any]:
        loop, wanted = asyncio.get_running_loop(), self.live + order["open"]
        for number in range(order["open"]):
            token = order["tokens"][number // order["per_token"]]
            await loop.create_connection(
                lambda token=token: Listener(self, token, order["hello"], stalled=order["stalled"]),  # type: ignore[misc]
                "127.0.0.1",
                order["port"],
            )
            if number % 50 == 49:  # a few at a time: the accept queue is short
                few = wanted - order["open"] + number - 100
                await until(lambda few=few: self.live + self.refused > few)  # type: ignore[misc]
        end = time.perf_counter() + 60
        await until(lambda: self.live >= wanted or self.refused > 0 or time.perf_counter() > end)
        return {"live": self.live, "refused": self.refused, "lost": self.lost}


async def main() -> None:
    world, loop = World(), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await world.do(json.loads(line))), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
