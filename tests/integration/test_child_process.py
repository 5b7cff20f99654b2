"""The child process is not trusted: its output is checked, and it can read only modules and its upload."""

import json
import os
import sysconfig
import textwrap
from pathlib import Path

import pytest

from adapters.processing import parent
from adapters.processing.parent import ChildProcessor
from application.media.ports import UploadRejected
from domain.shared import Unavailable
from tests.media import corpus

SOURCE = Path(parent.__file__).resolve().parents[2]


def message(**change: object) -> str:
    """The message of a child that made `large.webp` with three bytes, except for `change`."""
    rendition = {"name": "large", "type": "image/webp", "width": 1, "height": 1, "bytes": 3} | change
    return json.dumps(
        {"result": {"kind": "image", "width": 1, "height": 1, "blurhash": "", "renditions": [rendition]}}
    )


@pytest.mark.parametrize(
    "line",
    [
        "no JSON",
        "[]",
        '{"progress": "much"}',
        '{"rejected": "for fun"}',
        '{"result": {}}',
        '{"progress": -1}',
        "[" * 10_000,
        "1" * 100_000,
        message(bytes="3"),
        message(bytes=4),
        message(type="text/html"),
        message(name="small"),
        message(name="../other"),
        message(name="link"),
    ],
    ids=lambda line: line[-30:],
)
async def test_invalid_output_of_a_compromised_child_is_not_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """Whatever it sends, no other file is stored as a rendition, and other uploads are still processed."""
    child, upload, into = tmp_path / "child.py", tmp_path / "upload", tmp_path / "made"
    into.mkdir()
    upload.write_bytes(corpus.photograph(1))
    for name in ("made/large.webp", "other.webp"):
        (tmp_path / name).write_bytes(b"abc")
    (into / "link.webp").symlink_to(tmp_path / "other.webp")
    monkeypatch.setattr(parent, "_CHILD", child)

    child.write_text(f"print({message()!r})")
    assert (await ChildProcessor()(upload, into, lambda _: None)).renditions[0].bytes == 3

    child.write_text(f"print({line!r})")
    with pytest.raises(Unavailable, match="invalid output"):
        await ChildProcessor()(upload, into, lambda _: None)


async def test_the_child_can_read_modules_and_no_data(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child is started as for an upload. Only the restrictions of the kernel are tested, not those of Python."""
    child = data_folder / "child.py"
    child.write_text(
        textwrap.dedent(f"""
        import json, os, sys
        sys.path.insert(0, {str(SOURCE)!r})
        from pathlib import Path
        from adapters.processing.confinement import confine
        order = json.loads(sys.stdin.readline())
        missing = confine(memory=order["memory"], cpu_seconds=5, file_bytes=1000,
                          upload=Path(order["upload"]), into=Path(order["into"]))
        allowed = [order["upload"], {sysconfig.get_path("stdlib")!r} + "/os.py"]
        refused = [{str(data_folder / "secret.key")!r}, {str(data_folder / "waggle.db")!r}, "/etc/passwd", "/proc/{os.getpid()}/environ"]
        for path in allowed:
            open(path, "rb").close()
        opened = []
        for path in refused:
            try:
                open(path, "rb").close()
                opened.append(path)
            except OSError:
                pass
        if "Landlock" in missing:
            print(json.dumps({{"rejected": "lost"}}))
        else:
            print(json.dumps({{"rejected": "damaged" if not opened else "too_large"}}))
        """)
    )
    monkeypatch.setattr(parent, "_CHILD", child)
    (data_folder / "tmp/upload").write_bytes(corpus.photograph(1))
    with pytest.raises(UploadRejected) as caught:
        await ChildProcessor()(data_folder / "tmp/upload", data_folder / "tmp/made", lambda _: None)
    if caught.value.reason == "lost":
        pytest.skip("this system does not offer: Landlock")
    assert caught.value.reason == "damaged"
