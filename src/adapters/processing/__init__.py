"""Making renditions of uploads, in a child process that can do little else."""

from adapters.processing.parent import ChildProcessor

__all__ = ["ChildProcessor"]
