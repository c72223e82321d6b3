"""Listing a bucket's versions, delete markers and unfinished uploads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import TYPE_CHECKING, TypedDict, cast
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError

from domicile.errors import SiteRefused
from domicile.sites.objects.model import ObjectVersion, Upload
from domicile.sites.objects.s3_client import KINDS, code_of, site_errors
from domicile.sites.objects.s3_errors import ABSENT, NOT_THERE

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import (
        DeleteMarkerEntryTypeDef,
        ListObjectVersionsOutputTypeDef,
        MultipartUploadTypeDef,
        ObjectTypeDef,
        ObjectVersionTypeDef,
        PaginatorConfigTypeDef,
    )

__all__ = ["list_uploads", "list_versions", "lists_versions"]

_PAGE = 1000


class _Marker(TypedDict, total=False):
    """Where the next page of versions begins."""

    KeyMarker: str
    VersionIdMarker: str


def lists_versions(client: S3Client, site: str, bucket: str) -> bool:
    """Whether the store knows ListObjectVersions at all (with versioning on or off)."""
    with site_errors(site, "listing"):
        try:
            client.list_object_versions(Bucket=bucket, MaxKeys=1)
        except ClientError as error:
            if code_of(error) in NOT_THERE:
                return False
            raise
    return True


def list_versions(
    client: S3Client, site: str, bucket: str, prefix: str, after: str, *, with_versions: bool
) -> Iterator[list[ObjectVersion]]:
    """Pages in the order of keys, newest version first. Raises `SiteRefused` where the store
    answers in any other order: a merge over it would miss objects."""
    pages = _version_pages if with_versions else _object_pages
    last, passed = b"", after.encode()
    with site_errors(site, "listing"):
        for page in pages(client, site, bucket, prefix, after):
            for version in page:
                key = version.key.encode()
                if key < last or not version.key.startswith(prefix):
                    raise _confused(site)
                last = key
            # Ceph RGW begins at the marker itself, others after it.
            if wanted := [version for version in page if version.key.encode() > passed]:
                yield wanted


def _version_pages(
    client: S3Client, site: str, bucket: str, prefix: str, after: str
) -> Iterator[list[ObjectVersion]]:
    marker: _Marker = {"KeyMarker": after} if after else {}
    while True:
        page = client.list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=_PAGE, **marker)
        yield _merged(site, page)
        if not page.get("IsTruncated"):
            return
        following: _Marker = {"KeyMarker": page.get("NextKeyMarker", "")}
        if version_marker := page.get("NextVersionIdMarker"):
            following["VersionIdMarker"] = version_marker
        if following == marker or not following["KeyMarker"]:
            raise _confused(site)  # or we would list for ever
        marker = following


def _merged(site: str, page: ListObjectVersionsOutputTypeDef) -> list[ObjectVersion]:
    versions, markers = page.get("Versions", []), page.get("DeleteMarkers", [])
    kinds = cast("list[str]", cast("dict[str, object]", page)[KINDS])
    if kinds.count("Version") != len(versions) or kinds.count("DeleteMarker") != len(markers):
        raise _confused(site)
    next_version, next_marker = map(_version, versions), map(_marker, markers)
    return [next(next_version if kind == "Version" else next_marker) for kind in kinds]


def _confused(site: str) -> SiteRefused:
    return SiteRefused(
        f"site {site}: the listing is out of order or does not match the prefix",
        expected="keys in UTF-8 byte order, as S3 lists them",
        next_step="use a store that lists in order",
    )


def _version(entry: ObjectVersionTypeDef) -> ObjectVersion:
    return ObjectVersion(
        key=entry["Key"],
        version_id=entry.get("VersionId", "null"),
        is_latest=entry["IsLatest"],
        is_marker=False,
        size_bytes=entry["Size"],
        etag=entry.get("ETag", ""),
        modified=entry["LastModified"].astimezone(UTC),
    )


def _marker(entry: DeleteMarkerEntryTypeDef) -> ObjectVersion:
    return ObjectVersion(
        key=entry["Key"],
        version_id=entry.get("VersionId", "null"),
        is_latest=entry["IsLatest"],
        is_marker=True,
        size_bytes=0,
        etag="",
        modified=entry["LastModified"].astimezone(UTC),
    )


def _object_pages(
    client: S3Client, _site: str, bucket: str, prefix: str, after: str
) -> Iterator[list[ObjectVersion]]:
    paginator = client.get_paginator("list_objects_v2")
    for page in paginator.paginate(
        Bucket=bucket, Prefix=prefix, StartAfter=after, PaginationConfig={"PageSize": _PAGE}
    ):
        yield [_only_version(entry) for entry in page.get("Contents", [])]


def _only_version(entry: ObjectTypeDef) -> ObjectVersion:
    return ObjectVersion(
        key=entry["Key"],
        version_id="null",
        is_latest=True,
        is_marker=False,
        size_bytes=entry["Size"],
        etag=entry.get("ETag", ""),
        modified=entry["LastModified"].astimezone(UTC),
    )


def list_uploads(client: S3Client, site: str, bucket: str, prefix: str) -> Iterator[list[Upload]]:
    """Pages of unfinished uploads, with the size of their parts."""
    with site_errors(site, "listing uploads"):
        try:
            for page in _upload_pages(client, bucket, prefix):
                found = [_upload(client, bucket, entry) for entry in page]
                wanted = [upload for upload in found if upload.key.startswith(prefix)]
                if wanted:
                    yield wanted
        except ClientError as error:
            if code_of(error) != "NoSuchUpload":  # how rclone says that there are none
                raise


def _upload_pages(
    client: S3Client, bucket: str, prefix: str
) -> Iterator[list[MultipartUploadTypeDef]]:
    """Encoded keys where the store says that it encodes. Ceph RGW encodes without saying so: a
    store that does not say is asked again for plain keys."""
    paginator = client.get_paginator("list_multipart_uploads")
    settings: PaginatorConfigTypeDef = {"PageSize": _PAGE}
    for page in paginator.paginate(
        Bucket=bucket, Prefix=prefix, EncodingType="url", PaginationConfig=settings
    ):
        if page.get("EncodingType") != "url":
            break
        yield [{**entry, "Key": unquote_plus(entry["Key"])} for entry in page.get("Uploads", [])]
    else:
        return
    for page in paginator.paginate(Bucket=bucket, Prefix=prefix, PaginationConfig=settings):
        yield page.get("Uploads", [])


def _upload(client: S3Client, bucket: str, entry: MultipartUploadTypeDef) -> Upload:
    key, upload_id = entry["Key"], entry["UploadId"]
    pages = client.get_paginator("list_parts").paginate(Bucket=bucket, Key=key, UploadId=upload_id)
    try:
        size = sum(part["Size"] for page in pages for part in page.get("Parts", []))
    except ClientError as error:
        if code_of(error) not in ABSENT:
            raise
        size = 0  # completed or aborted meanwhile: still listed, never dropped
    return Upload(key, upload_id, entry["Initiated"].astimezone(UTC), size)
