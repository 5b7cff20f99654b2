"""Servers that speak S3, for `servers.py`."""

import os
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from minio import Minio
from minio.error import MinioException
from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError

_TIMEOUT = 10  # seconds for an answer
_Run = Callable[[Sequence[str | Path]], object]


class S3:
    """Tests create and remove their own buckets and touch no others, so a named server needs no mark."""

    name, variable, port, signal = "s3", "WAGGLE_TEST_S3_URL", 9000, "TERM"
    least = 0
    sought = "package nanio"
    own_user = True
    """Runs as the user of the tests, since the interpreter may be unreadable to others."""

    def __init__(self) -> None:
        self._folder = ""

    def programs(self) -> Iterator[Path]:
        if find_spec("nanio"):
            yield Path(sys.executable)

    def prepare(self, program: Path, folder: Path, port: int, password: str, _run: _Run) -> list[str | Path]:
        self._folder, options = str(folder), folder / "options.toml"
        options.touch(mode=0o600)
        options.write_text(
            f'[server]\ndata_dir = "{folder / "data"}"\nhost = "127.0.0.1"\nport = {port}\n'
            f'[[users]]\naccess_key = "waggle-test"\nsecret_key = "{password}"\n'
        )
        return [program, "-m", "nanio", "serve", "--no-access-log", "--options", options]

    def url(self, host: str, port: int, password: str) -> str:
        return f"s3://waggle-test:{password}@{host}:{port}/waggle-test?tls=off"

    def home(self, url: str) -> str:
        """It accepts the generated password, which no other server does."""
        _asked(url, lambda client: client.list_buckets())
        return self._folder

    def claim(self, url: str) -> None:
        _asked(url, lambda client: client.list_buckets())

    @staticmethod
    @contextmanager
    def fresh(url: str) -> Iterator[str]:
        bucket = f"waggle-test-{os.getpid()}-{secrets.token_hex(6)}"
        yield urlsplit(url)._replace(path=f"/{bucket}").geturl()

        def remove(client: Minio) -> None:
            if client.bucket_exists(bucket):
                for one in client.list_objects(bucket, recursive=True):
                    client.remove_object(bucket, one.object_name or "")
                client.remove_bucket(bucket)

        _asked(url, remove)


def _asked(url: str, work: Callable[[Minio], object]) -> None:
    """Raises ConnectionError for every failure."""
    parts = urlsplit(url)
    tls = "tls=off" not in parts.query.split("&")
    pools = PoolManager(timeout=Timeout(_TIMEOUT), retries=False)
    where = f"{parts.hostname}:{parts.port or (443 if tls else 80)}"
    client = Minio(where, parts.username, parts.password, secure=tls, region="us-east-1", http_client=pools)
    try:
        work(client)
    except (MinioException, HTTPError) as error:
        raise ConnectionError(f"the S3 at {where} fails: {error}") from error
    finally:
        pools.clear()
