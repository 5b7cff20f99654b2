"""The floor for the stream: an ASGI application that only sends given bytes to every socket."""

import sys
from typing import Any

import uvicorn

READY, LIVE = '{"op":"ready"}', '{"op":"live","seq":0}'
EVENT = '{"op":"event","seq":1,' + '"data":"' + "x" * 900 + '"}'
listening: set[Any] = set()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        if scope["path"] == "/send":
            for other in listening:
                await other({"type": "websocket.send", "text": EVENT})
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
        return
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "waggle.v1"})
    await receive()
    for text in (READY, LIVE):
        await send({"type": "websocket.send", "text": text})
    listening.add(send)
    try:
        await receive()  # the disconnect; clients send nothing
    finally:
        listening.discard(send)


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        http="httptools",
        loop="uvloop",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
