"""S3's answers in XML, and the headers of an object. Pure.

Source: Amazon S3 API reference, "Actions" and "Error responses".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote

from domicile.gateways.s3.faults import S3Fault
from domicile.gateways.s3.operations import ListObjects, token_of
from domicile.sites.objects import Attributes

__all__ = ["Listed", "Page", "bucket_list", "error", "location", "object_headers", "object_list"]

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_OWNER = "<Owner><ID>domicile</ID><DisplayName>domicile</DisplayName></Owner>"


@dataclass(frozen=True, slots=True)
class Listed:
    """An object of a listing. etag: without quotes."""

    key: str
    modified: datetime
    etag: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing: objects and common prefixes, each in order. next_after: where the next
    one begins; empty where this is the last."""

    objects: Sequence[Listed]
    prefixes: Sequence[str]
    next_after: str


def error(fault: S3Fault, resource: str, request_id: str) -> bytes:
    """A refusal."""
    return (
        f"{_HEAD}<Error><Code>{fault.code}</Code><Message>{_text(fault.message)}</Message>"
        f"<Resource>{_text(resource)}</Resource><RequestId>{request_id}</RequestId></Error>"
    ).encode()


def bucket_list(names: Iterable[str], made: datetime) -> bytes:
    """All buckets; when the charter that names them took effect stands for when they were made."""
    when = _time(made)
    each = "".join(
        f"<Bucket><Name>{_text(name)}</Name><CreationDate>{when}</CreationDate></Bucket>"
        for name in sorted(names)
    )
    return (
        f"{_HEAD}<ListAllMyBucketsResult {_SPACE}>{_OWNER}<Buckets>{each}</Buckets>"
        "</ListAllMyBucketsResult>"
    ).encode()


def location() -> bytes:
    """The one region, which S3 calls by no name."""
    return f"{_HEAD}<LocationConstraint {_SPACE}/>".encode()


def object_list(asked: ListObjects, page: Page) -> bytes:
    """A page of keys, as version 1 or 2 of the API has it."""

    def name(text: str) -> str:
        return quote(text, "/") if asked.is_encoded else _text(text)

    counted = len(page.objects) + len(page.prefixes)
    parts = [
        f"{_HEAD}<ListBucketResult {_SPACE}><Name>{_text(asked.bucket)}</Name>",
        f"<Prefix>{name(asked.prefix)}</Prefix><MaxKeys>{asked.most}</MaxKeys>",
        f"<Delimiter>{name(asked.delimiter)}</Delimiter>" if asked.delimiter else "",
        "<EncodingType>url</EncodingType>" if asked.is_encoded else "",
        f"<IsTruncated>{str(bool(page.next_after)).lower()}</IsTruncated>",
    ]
    if asked.version == 2:
        parts.append(f"<KeyCount>{counted}</KeyCount>")
        if page.next_after:
            token = token_of(page.next_after)
            parts.append(f"<NextContinuationToken>{token}</NextContinuationToken>")
    else:
        parts.append(f"<Marker>{name(asked.marker)}</Marker>")
        if page.next_after:
            parts.append(f"<NextMarker>{name(page.next_after)}</NextMarker>")
    parts += [
        f"<Contents><Key>{name(one.key)}</Key><LastModified>{_time(one.modified)}"
        f"</LastModified><ETag>&quot;{_text(one.etag)}&quot;</ETag><Size>{one.size_bytes}"
        "</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for one in page.objects
    ]
    parts += [
        f"<CommonPrefixes><Prefix>{name(prefix)}</Prefix></CommonPrefixes>"
        for prefix in page.prefixes
    ]
    return "".join([*parts, "</ListBucketResult>"]).encode()


def object_headers(
    attributes: Attributes,
    etag: str,
    modified: datetime,
    overrides: Iterable[tuple[str, str]],
) -> dict[str, str]:
    """What goes before an object's bytes, but for their number."""
    found = {
        "content-type": attributes.content_type or "binary/octet-stream",
        "cache-control": attributes.cache_control,
        "content-disposition": attributes.content_disposition,
        "content-encoding": attributes.content_encoding,
        "content-language": attributes.content_language,
        **{f"x-amz-meta-{name}": value for name, value in attributes.metadata},
        **dict(overrides),
    }
    headers = {name: value for name, value in found.items() if value}
    if attributes.tags:
        headers["x-amz-tagging-count"] = str(len(attributes.tags))
    return headers | {
        "etag": f'"{etag}"',
        "last-modified": format_datetime(modified.astimezone(UTC), usegmt=True),
        "accept-ranges": "bytes",
    }


def _time(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def _text(text: str) -> str:
    """Character data. What XML 1.0 has no characters for is written as a reference, as S3 does:
    whoever asks for ``encoding-type=url`` is spared it."""
    return "".join(_NAMED.get(c) or (c if c.isprintable() else f"&#{ord(c)};") for c in text)
