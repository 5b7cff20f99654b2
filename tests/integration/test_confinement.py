"""The confinement of the process that decodes uploads, tested from the inside with harmless attempts.

Each layer is tested alone, below Python's own restrictions, as root and as an ordinary user. Layers that this kernel does
not support are skipped, and the summary of the run lists them.
"""

import json
import os
import platform
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from adapters.processing import parent
from adapters.processing.confinement import LAYERS, Layer
from adapters.processing.parent import ChildProcessor, ConfinementRequired
from domain.shared import Unavailable
from entrypoints.container import build
from entrypoints.runtime import running
from entrypoints.settings import Settings
from tests.media import corpus

SOURCE = Path(parent.__file__).resolve().parents[2]
NOBODY = 65_534
USERS = [0, NOBODY] if os.geteuid() == 0 else [os.geteuid()]
SCRIPT = """
import ctypes, errno, json, os, resource, signal, sys
from pathlib import Path
sys.path.insert(0, {source!r})
from adapters.processing import landlock, seccomp
from adapters.processing.confinement import confine
libc = ctypes.CDLL(None, use_errno=True)
data, server, uid, layer = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
if os.geteuid() == 0 and uid:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
upload, into = data / "tmp/upload", data / "tmp/made"

def process_limit():
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    return True

def everything():
    return not confine(memory=2**30, cpu_seconds=5, file_bytes=1000, upload=upload, into=into)

libc.prctl(38, 1, 0, 0, 0)
layers = {{
    "Landlock": lambda: landlock.restrict(libc, {{upload: landlock.READ_FILE, into: landlock.WRITE_BELOW}}),
    "seccomp": lambda: seccomp.install(libc),
    "network namespace": lambda: libc.unshare(0x40000000) == 0 or libc.unshare(0x50000000) == 0,
    "process limit": process_limit,
    "all": everything,
}}
if not layers[layer]():
    print(json.dumps("missing"))
    sys.exit()

def done(result):
    return "done" if result >= 0 else errno.errorcode[ctypes.get_errno()]

def opens(path, flags=os.O_RDONLY):
    return done(libc.open(os.fsencode(path), flags, 0o600))

def forks():
    result = libc.fork()
    if result == 0:
        libc._exit(0)
    return done(result)

def connects():
    # To a port without a listener: the host refuses, and without a network it is unreachable.
    address = bytes([2, 0, 0, 9, 127, 0, 0, 1]) + bytes(8)
    return done(libc.connect(libc.socket(2, 1, 0), address, 16))

attempts = {{
    "read the upload": lambda: opens(upload),
    "write a rendition": lambda: opens(into / "large.webp", os.O_CREAT | os.O_WRONLY),
    "read the key": lambda: opens(data / "secret.key"),
    "read the database": lambda: opens(data / "waggle.db"),
    "write the database": lambda: opens(data / "waggle.db", os.O_WRONLY),
    "write beside the renditions": lambda: opens(data / "tmp/other", os.O_CREAT | os.O_WRONLY),
    "leave by a dotted path": lambda: opens(into / "../../secret.key"),
    "read the server's environment": lambda: opens(f"/proc/{{server}}/environ"),
    "read its own environment": lambda: opens("/proc/self/environ"),
    "read the server's memory map": lambda: opens(f"/proc/{{server}}/maps"),
    "list the data folder": lambda: opens(data, os.O_DIRECTORY),
    "open a socket": lambda: done(libc.socket(2, 1, 0)),
    "open a local socket": lambda: done(libc.socket(1, 1, 0)),
    "connect": connects,
    "fork": forks,
    "run a program": lambda: done(libc.execve(b"/nonexistent", None, None)),
    "let itself be traced": lambda: done(libc.ptrace(0, 0, 0, 0)),
    "read the server's memory": lambda: done(libc.process_vm_readv(server, None, 0, None, 0, 0)),
    "signal the server": lambda: done(libc.kill(server, 0)),
    "signal itself": lambda: done(libc.kill(os.getpid(), 0)),
    "limit the server": lambda: done(libc.prlimit(server, 7, None, None)),
    "take a new namespace": lambda: done(libc.unshare(0x04000000)),
    "change the root": lambda: done(libc.chroot(b"/")),
    "use io_uring": lambda: done(libc.syscall(425, 0, None)),
    "use what is not known yet": lambda: done(libc.syscall(600)),
}}
wanted = sys.argv[5:]
print(json.dumps({{name: attempts[name]() for name in wanted}}))
"""
FILES = {
    "read the upload": "done",
    "write a rendition": "done",
    "read the key": "EACCES",
    "read the database": "EACCES",
    "write the database": "EACCES",
    "write beside the renditions": "EACCES",
    "leave by a dotted path": "EACCES",
    "read the server's environment": "EACCES",
    "read its own environment": "EACCES",
    "read the server's memory map": "EACCES",
    "list the data folder": "EACCES",
}
CALLS = {
    "open a socket": "EPERM",
    "open a local socket": "EPERM",
    "fork": "EPERM",
    "run a program": "EPERM",
    "let itself be traced": "EPERM",
    "read the server's memory": "EPERM",
    "signal the server": "EPERM",
    "signal itself": "done",
    "limit the server": "EPERM",
    "take a new namespace": "EPERM",
    "change the root": "EPERM",
    "use io_uring": "EPERM",
    "use what is not known yet": "ENOSYS",
}
EXPECTED = {
    Layer.LANDLOCK: FILES,
    Layer.SECCOMP: CALLS,
    Layer.NETWORK: {"connect": "ENETUNREACH"},
    Layer.PROCESSES: {"fork": "EAGAIN"},
    "all": FILES | CALLS,
}


def run_attempts(data_folder: Path, user: int, layer: str, names: list[str]) -> dict[str, str] | str:
    """Return the result of each attempt, or `missing` if the system does not support the layer."""
    process = subprocess.run(
        [
            *(sys.executable, "-I", "-c", SCRIPT.format(source=str(SOURCE))),
            *(str(data_folder), str(os.getpid()), str(user), layer, *names),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert process.returncode == 0, process.stderr
    found: dict[str, str] | str = json.loads(process.stdout)
    return found


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("layer", EXPECTED)
def test_each_layer_alone_refuses_its_attempts(data_folder: Path, layer: str, user: int) -> None:
    expected = EXPECTED[layer]
    if layer == Layer.PROCESSES and user == 0:
        pytest.skip("RLIMIT_NPROC as root: Linux does not apply it; seccomp refuses processes there")
    found = run_attempts(data_folder, user, layer, list(expected))
    if found == "missing":
        pytest.skip(f"this system does not support: {layer}, to user {user}")
    assert found == expected


@pytest.mark.parametrize("name", ["read the key", "read the database", "fork", "open a local socket"])
def test_the_attempts_succeed_under_an_unrelated_layer(data_folder: Path, name: str) -> None:
    """This shows that the refusals above come from the tested layer."""
    layer = Layer.SECCOMP if name.startswith("read") else Layer.LANDLOCK
    found = run_attempts(data_folder, USERS[-1], layer, [name])
    if found == "missing":
        pytest.skip(f"this system does not support: {layer}")
    assert found == {name: "done"}


async def test_the_probe_lists_the_missing_layers() -> None:
    missing = await ChildProcessor().missing_layers()
    assert set(missing) <= set(LAYERS)
    if missing:
        pytest.skip(f"this system does not support: {', '.join(missing)}")


# --- A system that lacks layers --------------------------------------------------------------------

WITHOUT = """
import ctypes, os, platform, sys
sys.path.insert(0, {source!r})
from adapters.processing import seccomp
unshare, prctl = {{"x86_64": (272, 157), "aarch64": (97, 167)}}[platform.machine()]
code = b"".join([
    seccomp._instruction(0x20, 0),
    seccomp._instruction(0x15, 444, other=1), seccomp._instruction(0x06, 0x50000 | 38),
    seccomp._instruction(0x15, unshare, other=1), seccomp._instruction(0x06, 0x50000 | 1),
    seccomp._instruction(0x15, prctl, other=3),
    seccomp._instruction(0x20, 16),
    seccomp._instruction(0x15, 22, other=1), seccomp._instruction(0x06, 0x50000 | 22),
    seccomp._instruction(0x06, 0x7FFF0000),
])
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
program = seccomp._Program(len(code) // 8, code)
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
LESS = "Landlock, network namespace, seccomp"
ADVICE = "This system does not offer it; WAGGLE_MEDIA_CONFINEMENT=required refuses to start without it"


def on_less(
    *arguments: str, environ: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python under a filter that simulates a kernel without Landlock, seccomp and namespaces."""
    if platform.machine() not in {"x86_64", "aarch64"} or sys.platform != "linux":
        pytest.skip("a kernel without these layers can be simulated only on Linux")
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(source=str(SOURCE)), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environ,
        cwd=cwd,
    )


def test_missing_layers_prevent_the_start_if_they_are_required(tmp_path: Path) -> None:
    environ = {
        "WAGGLE_DATA_DIR": str(tmp_path / "data"),
        "WAGGLE_MEDIA_CONFINEMENT": "required",
        "PATH": os.environ["PATH"],
    }
    ended = on_less("-m", "entrypoints.cli", "serve", environ=environ, cwd=SOURCE)
    assert ended.returncode == 78
    assert ended.stderr == (
        f"waggle: WAGGLE_MEDIA_CONFINEMENT=required, but this system does not offer: {LESS}\n"
    )


async def test_missing_layers_are_logged_as_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    probe = tmp_path / "probe.py"
    probe.write_text(f"import json; print(json.dumps({LESS.split(', ')!r}))")
    monkeypatch.setattr(parent, "_PROBE", probe)
    settings = Settings(database_url="memory:")
    with caplog.at_level("INFO"):
        async with running(build(settings), settings):
            pass
    assert [(one.levelname, one.getMessage()) for one in caplog.records if "decoded" in one.message] == [
        ("INFO", "uploads are decoded under: process limit"),
        ("WARNING", f"uploads are decoded without: {LESS}. {ADVICE}"),
    ]


async def test_the_start_logs_the_active_layers(caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(database_url="memory:")
    missing = await ChildProcessor().missing_layers()
    with caplog.at_level("INFO"):
        async with running(build(settings), settings):
            pass
    in_force = ", ".join(layer for layer in LAYERS if layer not in missing)
    assert f"uploads are decoded under: {in_force}" in caplog.messages


async def test_the_child_refuses_an_upload_if_a_required_layer_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe checks the layers at the start; the child checks them again for each upload."""
    lesser = tmp_path / "child.py"
    lesser.write_text(
        textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(SOURCE)!r})
        from adapters.processing import child, landlock
        landlock.restrict = lambda *_: False
        child.main()
        """)
    )
    monkeypatch.setattr(parent, "_CHILD", lesser)
    upload, into = tmp_path / "upload", tmp_path / "made"
    into.mkdir()
    upload.write_bytes(corpus.photograph(1))
    assert (await ChildProcessor()(upload, into, lambda _: None)).width == 640
    with pytest.raises(Unavailable, match="exited with 78"):
        await ChildProcessor(confinement_required=ConfinementRequired(True))(upload, into, lambda _: None)
