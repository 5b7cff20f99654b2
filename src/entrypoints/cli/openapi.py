"""`waggle openapi`."""

import argparse
import dataclasses
import json

from entrypoints.cli.command import Command, print_line
from entrypoints.container import build
from entrypoints.http.app import describe
from entrypoints.settings import Settings


async def print_openapi(settings: Settings, _arguments: argparse.Namespace) -> int:
    memory = dataclasses.replace(settings, database_url="memory:", public_url="http://127.0.0.1:8000")
    print_line(json.dumps(describe(build(memory), memory), indent=2, ensure_ascii=False))
    return 0


OPENAPI = Command("openapi", "Print the OpenAPI document of the HTTP API.", print_openapi)
