"""What a request asks for. Pure.

What isn't supported is said to be `NotImplemented`, parameters and headers that would change an
answer too: none is passed over silently.

Source: Amazon S3 API reference, "Actions".
"""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

from domicile.gateways.s3.faults import S3Fault
from domicile.gateways.s3.request import S3Request
from domicile.sites.objects import Span

__all__ = [
    "GetBucketLocation",
    "GetObject",
    "HeadBucket",
    "ListBuckets",
    "ListObjects",
    "Operation",
    "Range",
    "read_operation",
    "token_of",
]

_MOST_KEYS: Final = 1000
_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})\Z")
_EVERYWHERE: Final = frozenset(
    {
        *(f"X-Amz-{part}" for part in ("Algorithm", "Credential", "Date", "Expires")),
        *("X-Amz-SignedHeaders", "X-Amz-Signature", "x-id"),
        *("x-domicile-purpose", "x-domicile-ticket"),
    }
)
_OVERRIDES: Final = {
    "response-content-type": "content-type",
    "response-content-language": "content-language",
    "response-expires": "expires",
    "response-cache-control": "cache-control",
    "response-content-disposition": "content-disposition",
    "response-content-encoding": "content-encoding",
}
_LISTS: Final = frozenset(
    {"list-type", "prefix", "delimiter", "max-keys", "encoding-type", "fetch-owner"}
)
_CONDITIONS: Final = (
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
)
_CHANGING: Final = (
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-expected-bucket-owner",
)


@dataclass(frozen=True, slots=True)
class ListBuckets:
    """The names of what may be asked for."""


@dataclass(frozen=True, slots=True)
class HeadBucket:
    """Whether a bucket is there."""

    bucket: str


@dataclass(frozen=True, slots=True)
class GetBucketLocation:
    """Where a bucket is."""

    bucket: str


@dataclass(frozen=True, slots=True)
class ListObjects:
    """A page of a bucket's keys. after: the key, or the end of a common prefix, behind which it
    begins; version: 1 or 2, of the API; marker: what version 1 was given. is_encoded: names in the
    answer are URL-encoded."""

    bucket: str
    version: int
    prefix: str
    delimiter: str
    after: str
    marker: str
    most: int
    is_encoded: bool


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of an object: from ``first`` to ``last`` (inclusive; None: to its end), or its last
    ``last`` bytes where ``first`` is None."""

    first: int | None
    last: int | None

    def within(self, size_bytes: int) -> Span:
        """What there is of it in an object of this size. Raises S3Fault where there is nothing."""
        start, end = self.first, size_bytes
        if start is None:
            start = max(size_bytes - (self.last or 0), 0)
        elif self.last is not None:
            end = min(self.last + 1, size_bytes)
        if start >= end:
            raise S3Fault(
                "InvalidRange",
                f"the object has {size_bytes:,} bytes, and none of those",
                (("content-range", f"bytes */{size_bytes}"),),
            )
        return Span(start, end)


@dataclass(frozen=True, slots=True)
class GetObject:
    """An object, or some of its bytes; with ``is_head``, what is known of it alone. overrides:
    headers of the answer, as the URL asks for them. conditions: headers that it depends on."""

    bucket: str
    key: str
    is_head: bool
    range: Range | None
    overrides: tuple[tuple[str, str], ...]
    conditions: tuple[tuple[str, str], ...]


Operation = ListBuckets | HeadBucket | GetBucketLocation | ListObjects | GetObject


def read_operation(request: S3Request) -> Operation:
    """What a request asks for. Raises S3Fault."""
    if request.method not in ("GET", "HEAD"):
        raise S3Fault("NotImplemented", f"{request.method}: this gateway reads, and writes nothing")
    if found := [name for name in _CHANGING if request.header(name)]:
        raise S3Fault("NotImplemented", f"the header {found[0]}")
    if request.header("content-length", "0") != "0" or request.header("transfer-encoding"):
        raise S3Fault("InvalidRequest", f"a {request.method} has no body here")
    if request.key:
        return _read_object(request)
    if not request.bucket:
        _require_known(request, frozenset({"prefix", "max-buckets"}))
        return ListBuckets()
    if request.method == "HEAD":
        _require_known(request, frozenset())
        return HeadBucket(request.bucket)
    if "location" in request.names:
        _require_known(request, frozenset({"location"}))
        return GetBucketLocation(request.bucket)
    return _read_list(request)


def _read_object(request: S3Request) -> GetObject:
    _require_known(request, frozenset(_OVERRIDES))
    overrides = tuple(
        (header, _plain(value))
        for name, header in _OVERRIDES.items()
        if (value := request.parameter(name)) is not None
    )
    conditions = tuple((name, value) for name in _CONDITIONS if (value := request.header(name)))
    if request.header("if-range"):
        raise S3Fault("NotImplemented", "the header if-range")
    is_head = request.method == "HEAD"
    return GetObject(
        request.bucket, request.key, is_head, _read_range(request), overrides, conditions
    )


def _read_range(request: S3Request) -> Range | None:
    """The one range; as S3 does, one that can't be read, or several, mean the whole."""
    match = _RANGE.match(request.header("range"))
    if match is None or match.groups() == ("", ""):
        return None
    first, last = (int(part) if part else None for part in match.groups())
    if first is not None and last is not None and last < first:
        return None
    return Range(first, last)


def _read_list(request: S3Request) -> ListObjects:
    version = request.parameter("list-type") or "1"
    if version not in ("1", "2"):
        raise S3Fault("InvalidArgument", "list-type is 2, or is left out")
    own = {"marker"} if version == "1" else {"continuation-token", "start-after"}
    _require_known(request, _LISTS | own)
    prefix, marker = request.parameter("prefix") or "", request.parameter("marker") or ""
    after = marker or request.parameter("start-after") or ""
    if token := request.parameter("continuation-token"):
        after = _after(token)
    encoding = request.parameter("encoding-type") or ""
    if encoding not in ("", "url"):
        raise S3Fault("InvalidArgument", "encoding-type is url, or is left out")
    delimiter = request.parameter("delimiter") or ""
    most = _number(request.parameter("max-keys"))
    return ListObjects(
        request.bucket, int(version), prefix, delimiter, after, marker, most, encoding == "url"
    )


def token_of(after: str) -> str:
    """A continuation token: where the next page begins."""
    return urlsafe_b64encode(after.encode()).decode()


def _after(token: str) -> str:
    try:
        after = b64decode(token, b"-_", validate=True).decode()
    except ValueError:
        after = ""
    if not after or token_of(after) != token:
        raise S3Fault("InvalidArgument", "the continuation token is none of ours")
    return after


def _number(text: str | None) -> int:
    if text is None or text == "":
        return _MOST_KEYS
    if not re.fullmatch(r"[0-9]{1,10}", text):
        raise S3Fault("InvalidArgument", "max-keys is a whole number")
    return min(int(text), _MOST_KEYS)


def _plain(value: str) -> str:
    """A header's value. Raises S3Fault where it would be more than one."""
    if not value.isascii() or not value.isprintable():
        raise S3Fault("InvalidArgument", "a header of the answer is printable ASCII")
    return value


def _require_known(request: S3Request, known: frozenset[str]) -> None:
    for name in sorted(request.names - known - _EVERYWHERE):
        raise S3Fault("NotImplemented", f"the parameter {name[:80]!r} of this request")
