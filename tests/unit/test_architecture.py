"""The rule: entrypoints → adapters → application → domain, and no import from module to module.

A contract that cannot break protects nothing, so the tests break each of them on purpose.
"""

import ast
import logging.config
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
from importlinter.cli import lint_imports
from sqlalchemy import Table

from adapters.sql.identity import tables as identity
from adapters.sql.posts import tables as posts

ROOT = Path(__file__).parents[2]
LAYERS = ("domain", "application", "adapters", "entrypoints")
MODULES = {path.parent.name for path in (ROOT / "src/application").glob("*/module.py")}
ALLOWED = {
    "entrypoints.http.shapes": {"media", "posts"},  # schemas that feeds, search and posts share
    "adapters.security.tokens": {"identity"},  # the tokens of identity's ports
    "adapters.sql.migrations.versions.0009_search": {"identity", "posts"},  # it indexes the texts of each
    "adapters.sql.migrations.versions.0015_words": {"identity", "posts"},  # it indexes them again
    "adapters.sql.tables": MODULES,  # the migrations need all tables at once
    "entrypoints.cli.keys": {"identity"},  # it records security events
    "entrypoints.cli.main": {"media"},  # it lists the commands, one of which is named after a module
    "entrypoints.server": {"notifications"},  # streams are notified when the server stops
    "adapters.storage.calling": {"media"},  # media's ports: objects and signatures
    "adapters.storage.folder": {"media"},
    "adapters.storage.memory": {"media"},
    "adapters.storage.s3": {"media"},
    "adapters.storage.signing": {"media"},
    "adapters.traces.storage": {"media"},  # media's port: objects
    "adapters.processing.child": {"media"},  # media's port: renditions
    "adapters.processing.cutting": {"media"},
    "adapters.processing.videos": {"media"},
    "adapters.processing.gif": {"media"},  # the limit of frames
    "adapters.processing.parent": {"media"},
    "adapters.processing.images": {"media"},
    "adapters.processing.png": {"media"},
    "adapters.processing.posters": {"media"},
    "adapters.processing.remuxing": {"media"},
    "entrypoints.runtime": {
        "identity",
        "media",
        "posts",
    },  # whose events are flushed, and whose leases end at a start
    "entrypoints.configuration": {"media", "notifications"},  # their limits and times
    "entrypoints.access.authentication": {"identity"},  # the principal of a token
    "entrypoints.access.context": {"identity"},  # the origin of security events
    "entrypoints.access.cursors": {"posts"},  # the windows of hashtags
    "entrypoints.security": {"identity"},  # it stores security events
    "adapters.sql.migrations.versions.0017_addresses": {"identity"},
    "adapters.text": {"identity"},  # the form in which e-mail domains are compared
    "entrypoints.choosing": {"feeds", "media", "notifications"},  # the adapters that depend on a setting
    "entrypoints.wiring": MODULES,  # it connects all modules
    "entrypoints.container": MODULES,  # it chooses the stores of every module
    "entrypoints.memory_stores": MODULES,  # it has the stores of every module in memory
    "entrypoints.http.app": MODULES,  # it mounts the handlers of every module
    "entrypoints.http.auth": {"identity"},  # the principal of a request
    "entrypoints.http.search": {"identity", "posts"},  # one address for the searches of each
    "entrypoints.http.fast_lane": {"posts"},  # as app, without the framework
    "entrypoints.http.hot_reads": {"feeds", "posts"},  # the handlers of fast_lane
}
"""Python modules that belong to no module of Waggle by their names, and the modules that they know."""

CONTRACTS = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
VIOLATIONS = [
    ("layers", "domain/posts/post.py", "import application.posts.ports"),
    ("layers", "application/posts/queries.py", "import adapters.text"),
    ("layers", "adapters/clock.py", "import entrypoints.settings"),
    ("modules", "domain/posts/post.py", "import domain.identity"),
    ("modules", "application/posts/publishing.py", "import application.identity.ports"),
    ("modules", "application/shared/relay.py", "import application.posts.ports"),
    ("modules", "domain/weather.py", ""),
    ("modules-outside", "adapters/sql/posts/tables.py", "import adapters.sql.identity"),
    ("modules-outside", "adapters/memory/identity/accounts.py", "import adapters.memory.posts"),
    ("modules-outside", "entrypoints/http/posts/handlers.py", "import entrypoints.http.identity"),
    ("core", "domain/posts/post.py", "import regex"),
    ("core", "application/posts/queries.py", "import sqlalchemy"),
    ("container", "entrypoints/settings.py", "import adapters.text"),
    ("container", "entrypoints/http/posts/handlers.py", "import adapters.text"),
    ("http", "entrypoints/http/posts/handlers.py", "import sqlalchemy"),
    ("http", "entrypoints/http/auth.py", "import jwt"),
    ("client", "entrypoints/http/auth.py", "import waggle_client"),
    ("access", "entrypoints/access/limits.py", "import litestar"),
    ("access", "entrypoints/access/networks.py", "import entrypoints.http.network"),
    ("http-only", "entrypoints/access/networks.py", "import entrypoints.http.network"),
    ("http-only", "entrypoints/logs.py", "import entrypoints.http.request_middleware"),
    ("technologies", "adapters/memory/posts/reading.py", "import adapters.sql.posts"),
    ("technologies", "adapters/security/sealing.py", "import adapters.memory.store"),
    ("traces", "entrypoints/http/tracing.py", "import opentelemetry.trace"),
    ("in-process", "adapters/in_process/feeds.py", "import adapters.sql.posts.feed_entries"),
    ("modules", "application/posts/module.py", "import application.identity.module"),
]


class Source:
    """A copy of the source. `restore` undoes the changes of a test, so that the tests share the copy and the cache of its
    imports: only changed files are parsed again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache = folder / "src", str(folder / "cache")
        self._changed: set[Path] = set()
        ignored = shutil.ignore_patterns("__pycache__", "assets")
        shutil.copytree(ROOT / "src", self.folder, ignore=ignored)

    def write(self, path: str, text: str) -> None:
        self._changed.add(self.folder / path)
        (self.folder / path).write_text(text)

    def append(self, path: str, text: str) -> None:
        file = self.folder / path
        self.write(path, (file.read_text() if file.exists() else "") + text)

    def restore(self) -> None:
        for path in self._changed:
            original = ROOT / "src" / path.relative_to(self.folder)
            if original.exists():
                shutil.copy2(original, path)  # with its time of modification, which the cache compares
            else:
                path.unlink()
        self._changed.clear()

    def keeps(self, *contracts: str) -> bool:
        config = str(ROOT / "pyproject.toml")
        return lint_imports(config, limit_to_contracts=contracts, cache_dir=self.cache) == 0

    def graph(self) -> grimp.ImportGraph:
        return grimp.build_graph(*LAYERS, cache_dir=self.cache)


@pytest.fixture(scope="module")
def shared_source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return Source(tmp_path_factory.mktemp("architecture"))


@pytest.fixture
def source(shared_source: Source, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    """A copy of the source, which imports find instead of the original."""
    monkeypatch.chdir(shared_source.folder.parent)
    monkeypatch.setattr(logging.config, "dictConfig", lambda _: None)  # it would silence all other loggers
    monkeypatch.syspath_prepend(shared_source.folder)
    for layer in LAYERS:  # imported packages would be found in the original
        monkeypatch.delitem(sys.modules, layer, raising=False)
    yield shared_source
    shared_source.restore()


def test_every_import_contract_is_kept(source: Source) -> None:
    assert source.keeps()


def test_every_import_contract_has_a_violation_to_test_it() -> None:
    assert {contract for contract, _, _ in VIOLATIONS} == set(CONTRACTS)


@pytest.mark.parametrize(("contract", "path", "offence"), VIOLATIONS)
def test_a_violation_breaks_its_import_contract(
    source: Source, capsys: pytest.CaptureFixture[str], contract: str, path: str, offence: str
) -> None:
    source.append(path, f"\n{offence}\n")

    assert not source.keeps(contract)
    assert f"{CONTRACTS[contract]} BROKEN" in capsys.readouterr().out


def owner(path: str) -> str | None:
    return next((part for part in path.split(".") if part in MODULES), None)


def asks_in_process(importer: str, imported: str) -> bool:
    """Whether an in-process adapter asks another module for what it offers."""
    return importer.startswith("adapters.in_process.") and imported.startswith(("application.", "domain."))


def crossings(source: Source) -> list[str]:
    graph = source.graph()
    return sorted(
        f"{importer} -> {imported}"
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
        if owner(imported) not in {None, owner(importer), *ALLOWED.get(importer, ())}
        and not asks_in_process(importer, imported)
    )


def test_no_module_imports_another(source: Source) -> None:
    assert crossings(source) == []


def test_an_import_between_modules_is_found(source: Source) -> None:
    source.write("entrypoints/http/posts/handlers.py", "from application.identity import queries")
    source.write("adapters/text.py", "import domain.posts")

    assert crossings(source) == [
        "adapters.text -> domain.posts",
        "entrypoints.http.posts.handlers -> application.identity.queries",
    ]


def test_every_allowed_import_between_modules_is_needed(source: Source) -> None:
    graph = source.graph()
    needed = {
        module: {owner(imported) for imported in graph.find_modules_directly_imported_by(module)} - {None}
        for module in ALLOWED
    }

    assert needed == ALLOWED


@pytest.mark.parametrize("layer", ["domain", "application"])
def test_the_core_imports_only_the_standard_library(layer: str) -> None:
    needed = set()
    for path in (ROOT / "src" / layer).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                needed |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path} imports relatively"
                needed.add((node.module or "").partition(".")[0])

    assert needed - sys.stdlib_module_names <= {"domain", "application"}


def test_no_foreign_key_crosses_from_one_module_to_another() -> None:
    owners = {
        table.name: module.__name__
        for module in (identity, posts)
        for table in vars(module).values()
        if isinstance(table, Table)
    }
    keys = [
        (table.name, key.column.table.name)
        for module in (identity, posts)
        for table in vars(module).values()
        if isinstance(table, Table)
        for key in table.foreign_keys
    ]

    assert ("likes", "posts") in keys
    assert [key for key in keys if owners[key[0]] != owners[key[1]]] == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_has_the_same_name_in_every_layer(module: str) -> None:
    for place in (f"domain/{module}", f"entrypoints/http/{module}"):
        path = ROOT / "src" / place
        assert path.is_dir() or path.with_suffix(".py").exists(), place
    for file in (
        f"application/{module}/stores.py",
        f"adapters/sql/{module}/stores.py",
        f"adapters/memory/{module}/stores.py",
    ):
        assert (ROOT / "src" / file).exists(), file


def test_every_module_is_found() -> None:
    assert len(MODULES) >= 6
