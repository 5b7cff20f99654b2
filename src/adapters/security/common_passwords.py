"""The passwords that everybody tries first."""

from functools import cached_property
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

SHORTEST = 8
"""What is shorter is no password here anyway."""


class CommonPasswords:
    """The list that zxcvbn ships, most frequent in leaks, as far as it is long enough to be a password here.

    It is read when it is first asked for, in ten milliseconds. Only the one file of the package is loaded: the
    rest of it would stay in memory for nothing.
    """

    def __call__(self, secret: str) -> bool:
        return secret.casefold() in self._known

    @cached_property
    def _known(self) -> frozenset[str]:
        package = find_spec("zxcvbn")
        if package is None or package.origin is None:
            raise RuntimeError("zxcvbn is not installed")
        lists = spec_from_file_location(
            "common_passwords", Path(package.origin).with_name("frequency_lists.py")
        )
        if lists is None or lists.loader is None:
            raise RuntimeError("zxcvbn has no frequency_lists")
        module = module_from_spec(lists)
        lists.loader.exec_module(module)
        passwords: list[str] = module.FREQUENCY_LISTS["passwords"]
        return frozenset(each.casefold() for each in passwords if len(each) >= SHORTEST)
