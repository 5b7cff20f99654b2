"""Blocking calls of an S3, in threads of their own: in bounded number, for a bounded time, behind a breaker."""

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
"""Seconds for a connection, and for the next bytes of an answer or of a request to go on."""
BUDGET = 4.5
"""Seconds for a whole call, that nobody waits longer for a server that gives its answer in drops; and less than a
request to Waggle has, so that it is told why."""
THREADS, MOST = 12, 48
"""Calls at a time, and calls that may be under way or wait for a thread."""
PIECE = 64 * 1024

NOTHING = frozenset({"NoSuchKey", "NoSuchObject", "ResourceNotFound"})
_TOO_FAST = frozenset({"SlowDown", "TooManyRequests", "RequestTimeout", "ServiceUnavailable"})


class StorageSlow(Unavailable):
    """It did not answer in time, or asked for fewer requests."""


class StorageRefuses(Unavailable):
    """It does not accept our key, or the key may not do this: trying again does not help, changing settings does."""


class BucketMissing(Unavailable):
    """The server is there and the bucket is not: nothing can be said of the objects in it."""


class Calls:
    """Raises NoSuchObject and Unavailable, whatever the SDK or the network raises. A call that nobody waits for any
    more ends by itself, since a thread cannot be stopped."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.breaker = Breaker(monotonic)
        self._threads = ThreadPoolExecutor(THREADS, "s3")
        self._under_way = 0

    async def __call__(self, work: Callable[[], T], budget: float = BUDGET, *, begun: bool = False) -> T:
        """`begun` goes on with what was answered before: a breaker that opened since does not end it."""
        if not (begun or self.breaker.closed or self.breaker.may_probe()):
            raise Unavailable("the storage of media is away", retry_after=2)
        if self._under_way >= MOST:
            raise Unavailable("the storage of media has too much to do")
        self._under_way += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, lambda: _told(work))
        future.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(budget):
                # Shielded: it goes on in its thread, and counts until it ends there.
                result = await asyncio.shield(future)
        except (NoSuchObject, BucketMissing):
            self.breaker.succeeded()  # it answered
            raise
        except (TimeoutError, StorageSlow) as error:
            self.breaker.timed_out()
            raise StorageSlow("the storage of media does not answer", retry_after=2) from error
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
            future.exception()  # nobody may be there any more to hear of it


def _told(work: Callable[[], T]) -> T:
    """What `work` gives, or why not, in our words. An error of the SDK may name key ids: it is kept as the cause."""
    try:
        return work()
    except S3Error as error:
        if error.code in NOTHING:
            raise NoSuchObject(error.object_name or "") from error
        raise _refused(error.response.status, error.code or "") from error
    except InvalidResponseError as error:  # not XML: of a proxy, as a rule
        raise _refused(error._code, "") from error  # noqa: SLF001 - it has no other name
    except ServerError as error:
        raise _refused(error.status_code, "") from error
    except (HTTPTimeoutError, ReadTimeoutError, TimeoutError) as error:
        raise StorageSlow("the storage of media does not answer", retry_after=2) from error
    except MaxRetryError as error:
        if isinstance(error.reason, HTTPTimeoutError | ResponseError):
            raise StorageSlow("the storage of media does not answer", retry_after=2) from error
        raise Unavailable("the storage of media is away", retry_after=2) from error
    except (MinioException, HTTPError, OSError) as error:
        raise Unavailable("the storage of media is away", retry_after=2) from error
    except (ParseError, ValueError) as error:  # a success whose body is not what S3 says
        raise Unavailable("the storage of media does not answer as S3 does", retry_after=2) from error


def _refused(status: int, code: str) -> Unavailable:
    """A refusal by its code, or by its status where there is no code."""
    told = code or f"status {status}"
    if code == "NoSuchBucket":
        return BucketMissing("the bucket of media is missing", retry_after=5)
    if status in {429, 503} or code in _TOO_FAST:
        return StorageSlow(f"the storage of media asks for fewer requests: {told}", retry_after=5)
    if status in {401, 403}:
        return StorageRefuses(f"the storage of media does not accept our key: {told}", retry_after=30)
    if status >= 500:
        return Unavailable(f"the storage of media is away: {told}", retry_after=2)
    return Unavailable(f"the storage of media refuses: {told}", retry_after=2)


# --- Connections ------------------------------------------------------------------------------------


class _Patient(HTTPConnection):
    """Gives each piece of a request ANSWER seconds, not the time for a connection to the whole of it."""

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


class _PatientTls(_Patient, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Patient


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _PatientTls


def connections(*, tls: bool) -> PoolManager:
    """Never tries anything twice, follows no redirect, uses no proxy."""
    settings: dict[str, Any] = {"ssl_context": ssl.create_default_context()} if tls else {}
    pools = PoolManager(
        maxsize=THREADS, retries=False, timeout=Timeout(connect=CONNECT, read=ANSWER), **settings
    )
    pools.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return pools


def client(address: S3Address, pools: PoolManager, *, anonymous: bool = False) -> Minio:
    """A region is always given: else the SDK asks for it."""
    return Minio(
        address.endpoint,
        access_key=None if anonymous else address.key,
        secret_key=None if anonymous else address.secret,
        secure=address.tls,
        region=address.region,
        http_client=pools,
    )
