"""`waggle settings`."""

import argparse
import dataclasses

from entrypoints.cli.command import Command, print_line
from entrypoints.settings import Settings, environment_name

SECRETS = frozenset({"secret_key", "database_url", "redis_url", "media_url", "mail_url", "traces_url"})
"""Settings that contain passwords or keys."""


async def show_settings(settings: Settings, _arguments: argparse.Namespace) -> int:
    for setting in dataclasses.fields(settings):
        value = getattr(settings, setting.name)
        if value and setting.name in SECRETS:
            value = "(set)"
        print_line(
            f"{environment_name(setting)}={value}\n    {setting.metadata['about']}; default: {setting.default or 'empty'}"
        )
    return 0


SETTINGS = Command(
    "settings", "Print every setting with its value and meaning. Secrets are not printed.", show_settings
)
