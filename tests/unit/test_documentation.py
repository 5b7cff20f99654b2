"""Links and paths in the hand-written documents lead somewhere."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "clients/**/*.md", "demo/**/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"  # names that were correct at the time may be gone
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(
    r"`((?:domain|application|adapters|entrypoints|tests|docs|scripts|deploy|demo|bench|findings|clients)/[\w./-]+)`"
)


def without_code(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


@cache
def anchors(document: Path) -> frozenset[str]:
    """The anchors of the headings, made as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_code(document.read_text()), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def exists(path: str) -> bool:
    return any((folder / path).exists() for folder in (ROOT, ROOT / "src"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_within_the_repository_leads_somewhere(document: Path) -> None:
    broken = []
    for link in LINK.findall(without_code(document.read_text())):
        file, _, anchor = link.partition("#")
        target = (document.parent / file).resolve() if file else document
        if "://" in link:
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_in_a_document_exists(document: Path) -> None:
    paths = PATH.findall(without_code(document.read_text()))

    assert [path for path in paths if not exists(path)] == []


def test_the_index_of_decisions_is_complete() -> None:
    decisions = re.findall(r"^### (.+)$", (ROOT / "docs" / "decisions.md").read_text(), re.MULTILINE)
    index = re.findall(
        r"^- \[(.+)\]\(docs/decisions\.md#", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE
    )

    assert index == decisions
