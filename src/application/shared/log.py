"""The log. Each kind of line is a class that lists its fields, so that nothing else can get into a line.

`docs/logs.md` is made from these classes. How a line is written is decided in `entrypoints/logs.py`.
"""

import logging
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import ClassVar, dataclass_transform

INFO, WARNING, ERROR = logging.INFO, logging.WARNING, logging.ERROR

background_task: ContextVar[str] = ContextVar("background_task", default="")
"""The name of the background work that this code belongs to; empty in a request."""
delivered_event: ContextVar[int] = ContextVar("delivered_event", default=0)
"""The id of the event that a subscriber is handling; 0 if there is none."""


@dataclass_transform(kw_only_default=True, eq_default=False)
class LogEvent:
    """One kind of line. Its name in the log is the name of the class in snake case, so renaming a class is a breaking change.

    The docstring says when it happens and, after `Do:`, what the operator should do. The annotated members are the fields:
    `int`, `str` or `str | None`. `entrypoints/log_fields.py` has the meaning of each name. An empty or missing value is
    left out of the line.
    """

    kinds: ClassVar[dict[str, type["LogEvent"]]] = {}
    """All kinds by their names. Filled by defining them."""
    action: ClassVar[str]
    logger: ClassVar[logging.Logger]
    level: ClassVar[int]
    message: ClassVar[str]
    """A format string over the fields."""
    field_names: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, *, logger: str, level: int) -> None:
        dataclass(cls, kw_only=True, eq=False, repr=False)
        cls.action = "".join(f"_{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("_")
        cls.logger, cls.level = logging.getLogger(f"waggle.{logger}"), level
        cls.field_names = tuple(field.name for field in fields(cls))  # type: ignore[arg-type]  # made one above
        if cls.action in LogEvent.kinds and LogEvent.kinds[cls.action].__module__ != cls.__module__:
            raise TypeError(f"there are two log events {cls.action}")
        LogEvent.kinds[cls.action] = cls

    def __str__(self) -> str:
        return self.message.format_map(vars(self))


def log(event: LogEvent, error: BaseException | None = None) -> None:
    """Log the event, with the type, the message and the stack of `error` if there is one."""
    logger = event.logger
    if logger.isEnabledFor(event.level):
        raised = None if error is None else (type(error), error, error.__traceback__)
        # Not `logger.log`, which would search the stack for the name of this file.
        logger.handle(logger.makeRecord(logger.name, event.level, "", 0, event, (), raised))
