"""waggle_client is a distribution of its own that needs nothing of the server."""

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "python"
PROJECT = tomllib.loads((CLIENT / "pyproject.toml").read_text())
SERVER = {"domain", "application", "adapters", "entrypoints"}


def imported_packages() -> set[str]:
    names = set()
    for path in (CLIENT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path} imports relatively"
                names.add((node.module or "").partition(".")[0])
    return names - sys.stdlib_module_names - {"waggle_client"}


def requirements() -> set[str]:
    return {re.split(r"[^\w-]", one)[0] for one in PROJECT["project"]["dependencies"]}


def test_the_client_imports_nothing_of_the_server() -> None:
    assert not imported_packages() & SERVER


def test_the_declared_dependencies_are_exactly_what_the_client_imports() -> None:
    assert requirements() == imported_packages() == {"websockets"}


def test_the_metadata_is_static_so_a_build_adds_no_dependency() -> None:
    assert "dynamic" not in PROJECT["project"]
    assert "optional-dependencies" not in PROJECT["project"]


def test_the_package_ships_its_types() -> None:
    assert (CLIENT / "src" / "waggle_client" / "py.typed").exists()
    assert PROJECT["tool"]["setuptools"]["package-data"]["waggle_client"] == ["py.typed"]


def test_the_server_does_not_package_its_client() -> None:
    server = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert server["tool"]["setuptools"]["packages"]["find"]["where"] == ["src"]
    assert not (ROOT / "src" / "waggle_client").exists()
