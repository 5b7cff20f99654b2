"""Spans of commands to Redis."""

from typing import Any

from adapters.redis.address import Address
from adapters.redis.client import Client
from adapters.traces.spans import Attributes, Traces


class TracedClient(Client):
    """A client whose commands are spans of the trace that they belong to. The names of spans are those of commands."""

    def __init__(self, address: Address, traces: Traces) -> None:
        super().__init__(address)
        self._traces = traces
        self._common: Attributes = {
            "db.system.name": "redis",
            "db.namespace": str(address.db),
            "server.address": address.host,
            "server.port": address.port,
        }

    async def call(self, *command: Any) -> Any:
        name = str(command[0])
        with self._traces.call(name, {**self._common, "db.operation.name": name}):
            return await super().call(*command)
