"""The floor: a Litestar application that only answers given bytes. Handlers of Waggle are compared with it in the same
run."""

import os
import sys
from pathlib import Path

import uvicorn
from litestar import Litestar, Response, get, post

BODY = Path(os.environ["BENCH_BODY"]).read_bytes() if "BENCH_BODY" in os.environ else b"{}"


@get("/")
async def answer() -> Response[bytes]:
    return Response(BODY, media_type="application/json")


@post("/")
async def answer_post() -> Response[bytes]:
    return Response(BODY, media_type="application/json")


app = Litestar([answer, answer_post], openapi_config=None)

if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        http="httptools",
        loop="uvloop",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
