"""Binds the declared attributes of controllers, by type."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_origin

from litestar import Controller


def bound(controller: type[Controller], *offers: Any) -> type[Controller]:
    """The controller with its declared attributes bound. Each is the member of one of the `offers` (dataclasses) that is
    declared with the same type, whatever its name. Raises TypeError if there is no such member, or more than one.

    Done once, when the application is made. Litestar would inject them for every request, and starts a
    task for each where there are two or more: measured, 60 to 80 µs a request.
    """
    attributes = {
        name: _offered(wanted, offers, f"{controller.__name__}.{name}")
        for name, wanted in controller.__annotations__.items()
    }
    return type(controller.__name__, (controller,), attributes)


def _offered(wanted: Any, offers: tuple[Any, ...], what: str) -> Any:
    found = [
        getattr(offer, member.name)
        for offer in offers
        for member in fields(offer)
        if _same(member.type, wanted)
    ]
    if len(found) != 1:
        raise TypeError(f"{what}: {len(found)} members of that type are offered, not one")
    return found[0]


def _same(one: Any, other: Any) -> bool:
    """Also if they are one generic class with different parameters. All functions have one generic class: of them the
    parameters count."""
    kinds = [get_origin(kind) or kind for kind in (one, other)]
    return bool(one == other) or (
        kinds[0] is kinds[1] and isinstance(kinds[0], type) and kinds[0] is not _FUNCTION
    )


_FUNCTION = get_origin(Callable[[], None])
