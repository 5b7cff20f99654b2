"""`waggle migrate`."""

import argparse

from adapters.security.sealing import Secrets
from adapters.sql.database import Database
from adapters.sql.migrate import HEAD, migrate
from entrypoints.cli.command import Command, print_line
from entrypoints.container import build
from entrypoints.data_folder import master_key
from entrypoints.runtime import OTHER_KEY
from entrypoints.settings import BadSettings, Settings


async def apply_migrations(settings: Settings, _arguments: argparse.Namespace) -> int:
    if settings.shape == "memory":
        raise BadSettings("the database is in memory: there is nothing to migrate")
    build(settings)  # refuses invalid settings
    database = Database.at(settings.database)
    try:
        changed = await migrate(database, Secrets(master_key(settings)))
    except ValueError:
        raise BadSettings(OTHER_KEY) from None
    finally:
        await database.close()
    print_line(f"the database is {'now' if changed else 'already'} at schema {HEAD}")
    return 0


MIGRATE = Command(
    "migrate",
    "Migrate the database to the schema of this version. In the embedded shape, `waggle serve` does this itself.",
    apply_migrations,
)
