"""The data folder, and the master key in it."""

import os
import secrets
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from entrypoints.production import is_key, weak_key
from entrypoints.settings import BadSettings, Settings


def prepare(settings: Settings) -> Path:
    """Create the data folder if it does not exist. Raises BadSettings if that fails, and in production if every user of the
    machine may write to it."""
    folder = settings.data_dir.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except (FileExistsError, NotADirectoryError):
        raise BadSettings(f"WAGGLE_DATA_DIR names {folder}, which is not a folder") from None
    except OSError as error:
        raise BadSettings(f"WAGGLE_DATA_DIR names {folder}: {error.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadSettings(f"WAGGLE_DATA_DIR names {folder}, which this user cannot write to")
    check_closed(settings, "WAGGLE_DATA_DIR", folder)
    return folder


def check_closed(settings: Settings, name: str, folder: Path) -> None:
    """In production, raise BadSettings with the name of the setting if every user of the machine may write to the folder."""
    if settings.env == "production" and folder.is_dir() and folder.stat().st_mode & stat.S_IWOTH:
        raise BadSettings(f"{name} names {folder}, which every user can write to; run chmod o-rwx on it")


def master_key(settings: Settings) -> bytes:
    """The key in the setting, or the key in the data folder, which the first start creates. Raises BadSettings."""
    if settings.secret_key:
        return bytes.fromhex(settings.secret_key)
    if settings.shape == "memory":
        return secrets.token_bytes(32)
    path = prepare(settings) / "secret.key"
    try:
        if not path.exists():
            _make(path)
        mode, text = path.stat().st_mode, path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise BadSettings(f"the master key {path} cannot be used: {error.strerror}") from None
    if not is_key(text):
        raise BadSettings(
            f"the master key {path} must contain 64 random hexadecimal digits; restore it from your backup, since "
            "encrypted data cannot be read with another key"
        )
    if settings.env == "production":
        if mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
            raise BadSettings(f"the master key {path} is accessible to other users; run chmod 600 on it")
        if weak_key(text):
            raise BadSettings(f"the master key {path} is not random; it must come from openssl rand -hex 32")
    return bytes.fromhex(text)


def _make(path: Path) -> None:
    """Write a temporary file and link it: a crash leaves no partial key, and of two processes one wins."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent) as new:
        new.write(secrets.token_hex(32) + "\n")
        new.flush()
        os.fsync(new.fileno())
        with suppress(FileExistsError):
            os.link(new.name, path)
