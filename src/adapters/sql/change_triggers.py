"""Row triggers on PostgreSQL, which write to `row_changes` what changes (`adapters.sql.change_log`).

They are made by migrations. Whoever adds a `RowTrigger` adds a migration that calls `create`; a test compares the triggers
of a migrated database with those that the modules list.

A trigger runs for each row, not once for each statement. Nearly all statements change one row, and PostgreSQL has no
statement triggers with the changed rows for `UPDATE OF` a list of columns.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from adapters.sql.row_changes import RowTrigger

PREFIX: Final = "waggle_changed_"


def create(triggers: Sequence[RowTrigger], schema: str) -> Iterator[str]:
    """The statements that create the triggers: one for each table, change and condition, whatever number of keys it touches.
    The table of changes is named with its schema: while a dump is loaded, the search path is empty. The triggers also run
    where another server's changes are applied (`ENABLE ALWAYS`)."""
    for name, function in functions(triggers, schema).items():
        condition = f"WHEN ({function.when}) " if function.when else ""
        yield f"CREATE FUNCTION {schema}.{name}() RETURNS trigger LANGUAGE plpgsql AS $${function.body}$$"
        yield (
            f"CREATE TRIGGER {name} AFTER {function.change} ON {schema}.{function.table} FOR EACH ROW {condition}"
            f"EXECUTE FUNCTION {schema}.{name}()"
        )
        yield f"ALTER TABLE {schema}.{function.table} ENABLE ALWAYS TRIGGER {name}"


class TriggerFunction(NamedTuple):
    table: str
    change: str
    when: str
    body: str


def functions(triggers: Sequence[RowTrigger], schema: str) -> Mapping[str, TriggerFunction]:
    """By the name that the trigger and its function have."""
    grouped: dict[tuple[str, str, str], list[RowTrigger]] = {}
    for trigger in triggers:
        grouped.setdefault((trigger.table, trigger.change, trigger.when), []).append(trigger)
    made = {}
    for (table, change, when), group in grouped.items():
        kinds = "_".join(trigger.kind for trigger in group)
        name = f"{PREFIX}{table}_{change.partition(' ')[0].lower()}_{kinds}"
        keys = ", ".join(map(_key, group))
        body = f" BEGIN INSERT INTO {schema}.row_changes (key) VALUES {keys}; RETURN NULL; END "  # noqa: S608 - constants
        made[name] = TriggerFunction(table, change, when, body)
    return made


def _key(trigger: RowTrigger) -> str:
    """As JSON: ids are numbers or strings."""
    row = "new" if trigger.change == "INSERT" else "old"
    members = [f"'{trigger.kind}'", *(f"{row}.{column}" for column in trigger.columns)]
    return f"(json_build_array({', '.join(members)})::text)"
