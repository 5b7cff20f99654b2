"""Blocking calls to S3 in a thread pool: bounded in number and in time, behind a circuit breaker."""

import asyncio
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from xml.etree.ElementTree import ParseError

from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3 import PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, MaxRetryError, ReadTimeoutError, ResponseError
from urllib3.exceptions import TimeoutError as HTTPTimeoutError

from adapters.breaker import Breaker
from adapters.storage.address import S3Address
from application.media.ports import NoSuchObject
from domain.shared import Unavailable

T = TypeVar("T")
CONNECT, ANSWER = 1.0, 4.0
"""Timeouts in seconds: to connect, and for the next bytes of a request or an answer."""
BUDGET = 4.5
"""Seconds for a whole call, to bound the time of a server that sends its answer slowly. It is shorter than the deadline of a
request to Waggle, so that the client gets the reason."""
THREADS, MOST = 12, 48
"""The number of threads, and the limit of calls that run or wait for a thread."""
PIECE = 64 * 1024

NOTHING = frozenset({"NoSuchKey", "NoSuchObject", "ResourceNotFound"})
_TOO_FAST = frozenset({"SlowDown", "TooManyRequests", "RequestTimeout", "ServiceUnavailable"})


class StorageSlow(Unavailable):
    """The storage did not answer in time, or asked for fewer requests."""


class StorageRefuses(Unavailable):
    """The storage does not accept the key, or the key lacks permission. A retry does not help; the operator must change the
    settings."""


class BucketMissing(Unavailable):
    """The server answers, but the bucket is missing: whether an object exists is unknown."""


class Calls:
    """Runs blocking calls. Raises only NoSuchObject and Unavailable, whatever the SDK or the network raises. A call whose
    caller has given up runs to its end, because a thread cannot be stopped."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.breaker = Breaker(monotonic)
        self._threads = ThreadPoolExecutor(THREADS, "s3")
        self._under_way = 0

    async def __call__(self, work: Callable[[], T], budget: float = BUDGET, *, started: bool = False) -> T:
        """Run `work` within `budget` seconds. `started` means that the call continues an earlier answer: a breaker that has
        opened since does not refuse it."""
        if not (started or self.breaker.closed or self.breaker.may_probe()):
            raise Unavailable("the media storage is unavailable", retry_after=2)
        if self._under_way >= MOST:
            raise Unavailable("the media storage is overloaded")
        self._under_way += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, lambda: _translated(work))
        future.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(budget):
                # Shielded: after a timeout it runs on in its thread, and counts until it ends.
                result = await asyncio.shield(future)
        except (NoSuchObject, BucketMissing):
            self.breaker.succeeded()  # it answered
            raise
        except (TimeoutError, StorageSlow) as error:
            self.breaker.timed_out()
            raise StorageSlow("the media storage does not answer", retry_after=2) from error
        except Unavailable:
            self.breaker.failed()
            raise
        self.breaker.succeeded()
        return result

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ended(self, future: "asyncio.Future[Any]") -> None:
        self._under_way -= 1
        if not future.cancelled():
            future.exception()  # retrieve it, because the caller may have given up


def _translated(work: Callable[[], T]) -> T:
    """Run `work`, and translate its errors. An error of the SDK may contain key ids, so it is only kept as the cause."""
    try:
        return work()
    except S3Error as error:
        if error.code in NOTHING:
            raise NoSuchObject(error.object_name or "") from error
        raise _refused(error.response.status, error.code or "") from error
    except InvalidResponseError as error:  # not XML: usually from a proxy
        raise _refused(error._code, "") from error  # noqa: SLF001 - there is no public attribute
    except ServerError as error:
        raise _refused(error.status_code, "") from error
    except (HTTPTimeoutError, ReadTimeoutError, TimeoutError) as error:
        raise StorageSlow("the media storage does not answer", retry_after=2) from error
    except MaxRetryError as error:
        if isinstance(error.reason, HTTPTimeoutError | ResponseError):
            raise StorageSlow("the media storage does not answer", retry_after=2) from error
        raise Unavailable("the media storage is unavailable", retry_after=2) from error
    except (MinioException, HTTPError, OSError) as error:
        raise Unavailable("the media storage is unavailable", retry_after=2) from error
    except (ParseError, ValueError) as error:  # a success whose body is not valid S3
        raise Unavailable("the media storage does not answer like S3", retry_after=2) from error


def _refused(status: int, code: str) -> Unavailable:
    """Translate a refusal by its code, or by its status if it has no code."""
    reason = code or f"status {status}"
    if code == "NoSuchBucket":
        return BucketMissing("the media bucket is missing", retry_after=5)
    if status in {429, 503} or code in _TOO_FAST:
        return StorageSlow(f"the media storage asks for fewer requests: {reason}", retry_after=5)
    if status in {401, 403}:
        return StorageRefuses(f"the media storage does not accept the key: {reason}", retry_after=30)
    if status >= 500:
        return Unavailable(f"the media storage is unavailable: {reason}", retry_after=2)
    return Unavailable(f"the media storage refuses: {reason}", retry_after=2)


# --- Connections ------------------------------------------------------------------------------------


class _Timed(HTTPConnection):
    """Applies the timeout ANSWER to each chunk of a request, instead of CONNECT to the whole request."""

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self.sock.settimeout(ANSWER)
        if not isinstance(data, bytes):
            super().send(data)
            return
        view = memoryview(data)
        for at in range(0, len(view), PIECE):
            super().send(view[at : at + PIECE])


class _TimedTls(_Timed, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Timed


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TimedTls


def connections(*, tls: bool) -> PoolManager:
    """Return connection pools without retries, redirects and proxies."""
    settings: dict[str, Any] = {"ssl_context": ssl.create_default_context()} if tls else {}
    pools = PoolManager(
        maxsize=THREADS, retries=False, timeout=Timeout(connect=CONNECT, read=ANSWER), **settings
    )
    pools.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return pools


def client(address: S3Address, pools: PoolManager, *, anonymous: bool = False) -> Minio:
    """Return an SDK client. It always gets a region: otherwise the SDK would request it."""
    return Minio(
        address.endpoint,
        access_key=None if anonymous else address.key,
        secret_key=None if anonymous else address.secret,
        secure=address.tls,
        region=address.region,
        http_client=pools,
    )
