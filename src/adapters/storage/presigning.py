"""Presigned URLs to put one object into S3: Signature Version 4 in the query.

The SDK signs only the host, so a client could put an object of any size and type. Here the length and the type are signed,
too: a server that verifies the signature refuses any difference.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote, urlsplit

from adapters.storage.address import S3Address

_ALGORITHM = "AWS4-HMAC-SHA256"


def presigned_put(
    address: S3Address, key: str, headers: Mapping[str, str], now: datetime, seconds: int
) -> str:
    """Return the URL for a PUT with exactly these headers, valid for `seconds` from `now` (UTC). The bucket is in its path,
    which all servers support."""
    origin = address.public or address.origin
    path = "/" + "/".join(quote(part, safe="-_.~") for part in (address.bucket, *key.split("/")))
    signed = {"host": urlsplit(origin).netloc, **{name.lower(): value for name, value in headers.items()}}
    names = ";".join(sorted(signed))
    day, moment = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{day}/{address.region}/s3/aws4_request"
    query = _query({
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{address.key}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": names,
    })  # fmt: skip
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    request = f"PUT\n{path}\n{query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(request.encode()).hexdigest()
    signing_key = f"AWS4{address.secret}".encode()
    for part in (day, address.region, "s3", "aws4_request"):
        signing_key = hmac.digest(signing_key, part.encode(), "sha256")
    text = f"{_ALGORITHM}\n{moment}\n{scope}\n{digest}"
    signature = hmac.digest(signing_key, text.encode(), "sha256").hex()
    return f"{origin}{path}?{query}&X-Amz-Signature={signature}"


def _query(parameters: Mapping[str, str]) -> str:
    return "&".join(f"{name}={quote(parameters[name], safe='-_.~')}" for name in sorted(parameters))
