"""The operations of the server's OpenAPI document, and the bodies that the tests send to them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .client import PASSWORD, Api, Json, fresh_name

BODIES: dict[str, Any] = {
    "POST /api/v1/auth/register": lambda: {
        "username": (name := fresh_name()),
        "email": f"{name}@example.org",
        "password": PASSWORD,
    },
    "POST /api/v1/auth/register/confirm": lambda: {"token": "wgc_" + "0" * 64},
    "POST /api/v1/auth/login": lambda: {"login": fresh_name(), "password": PASSWORD},
    "POST /api/v1/auth/refresh": lambda: {"refresh_token": "wgr_1_0_aa"},
    "POST /api/v1/auth/confirm": lambda: {"password": "not this one"},
    "POST /api/v1/auth/password": lambda: {"current_password": "not this one", "new_password": PASSWORD},
    "PATCH /api/v1/me": lambda: {"display_name": "Maya"},
    "POST /api/v1/posts": lambda: {"text": "hello"},
    "PATCH /api/v1/posts/{post_id}": lambda: {"text": "hello again"},
    "POST /api/v1/posts/{post_id}/comments": lambda: {"text": "hello"},
    "POST /api/v1/media/uploads": lambda: {"type": "image/png", "bytes": 100},
    "PATCH /api/v1/media/{media_id}": lambda: {"alt_text": "hello"},
    "PUT /api/v1/notifications/read": lambda: {"seq": 0},
    "PUT /api/v1/me/notification-preferences": lambda: {"app": {"like": True}},
}
"""A valid body for each operation that takes one. A test fails when an operation is missing here."""


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    access: str
    """`public`, `optional` or `token`."""
    described: Json

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def body(self) -> Json | None:
        return BODIES[self.name]() if self.takes_json else None

    @property
    def takes_json(self) -> bool:
        """False for an operation that takes a form. tests/blackbox/test_media.py sends forms."""
        return "application/json" in self.described.get("requestBody", {}).get("content", {})

    def at(self, **ids: str) -> str:
        """The path with the ids inserted. A missing id is replaced by one that does not exist."""
        path = self.path
        for parameter in self.described.get("parameters", []):
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", ids.get(parameter["name"], "1"))
        return path


def document(api: Api) -> Json:
    found: Json = api.nobody.get("/api/openapi.json").json()
    return found


def operations(api: Api) -> Iterator[Operation]:
    for path, methods in document(api)["paths"].items():
        for method, described in methods.items():
            yield Operation(method.upper(), path, _access(described["security"]), described)


def _access(security: list[Json]) -> str:
    if not security:
        return "public"
    return "optional" if {} in security else "token"
