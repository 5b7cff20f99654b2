"""The description of one metric family."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["counter", "gauge", "histogram", "summary"]


@dataclass(frozen=True, slots=True)
class Family:
    name: str
    """Without the suffixes of its samples, such as `_total` and `_bucket`."""
    kind: Kind
    about: str
    labels: Mapping[str, str] = field(default_factory=dict)
    """The possible values, by the name of the label."""
    alert: str = ""
    """The condition that is worth waking somebody for."""
    present: str = ""
    """The processes that have it; empty if all have."""

    @property
    def exposed(self) -> str:
        """The name in queries."""
        return f"{self.name}_total" if self.kind == "counter" else self.name
