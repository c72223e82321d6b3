"""Listing a bucket's versions, delete markers and unfinished uploads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError

from domicile.errors import SiteRefused
from domicile.sites.objects.model import ObjectVersion, Upload
from domicile.sites.objects.s3_client import code_of, page_of, site_errors
from domicile.sites.objects.s3_errors import ABSENT, NOT_THERE
from domicile.sites.objects.s3_pages import Page
from domicile.sites.objects.s3_parallel import in_order
from domicile.sites.objects.stretches import Stretch, Turn

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import MultipartUploadTypeDef, PaginatorConfigTypeDef

__all__ = ["list_uploads", "list_versions", "lists_versions"]

_PAGE = 1000
_UPLOADS_AT_ONCE = 8


class _Marker(TypedDict, total=False):
    """Where a page of versions begins."""

    KeyMarker: str
    VersionIdMarker: str


class _Start(TypedDict, total=False):
    """Where a page of objects begins."""

    StartAfter: str
    ContinuationToken: str


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
    client: S3Client, site: str, bucket: str, prefix: str, within: Stretch, *, with_versions: bool
) -> Iterator[list[ObjectVersion]]:
    """Pages of a stretch of keys in their order, newest version first; several of its parts are
    asked for at a time. Raises `SiteRefused` where the store answers in any other order: a merge
    over it would miss objects."""
    page = _version_page if with_versions else _object_page
    walk = _Walk(site, prefix, partial(page, client, bucket, prefix))
    yield from in_order(walk, within)


@dataclass(frozen=True)
class _Walk:
    """Takes turns at stretches."""

    site: str
    prefix: str
    ask: Callable[[str, str], Page]

    def __call__(self, stretch: Stretch, pages: int) -> Turn:
        found: list[list[ObjectVersion]] = []
        at, last = (stretch.after, stretch.token), stretch.after
        for _ in range(pages):
            with site_errors(self.site, "listing"):
                page = self.ask(*at)
            self._require_order(page, last)
            if wanted := _wanted(page, stretch):
                found.append(wanted)
                last = wanted[-1].key
            if page.following is None or _passes(page, stretch):
                return Turn(found, None)
            if page.following == at or not any(page.following):
                raise _confused(self.site)  # or we would list for ever
            if page.following[0] and page.following[0] < last:
                raise _confused(self.site)  # or what was listed would be listed again
            at = page.following
        skips = stretch.is_behind_key and at[0] == stretch.after
        return Turn(found, Stretch(*at, stretch.until, skips))

    def _require_order(self, page: Page, last: str) -> None:
        """What came before its stretch would be in none at all."""
        for version in page.versions:
            if version.key < last or not version.key.startswith(self.prefix):
                raise _confused(self.site)
            last = version.key


def _wanted(page: Page, stretch: Stretch) -> list[ObjectVersion]:
    """What of a page is in the stretch. Ceph RGW begins at the marker itself, others after it: a
    key with a long history may fill more pages than a turn has."""
    versions = page.versions
    if versions and versions[0].key == stretch.after and stretch.is_behind_key:
        versions = [version for version in versions if version.key != stretch.after]
    if _passes(page, stretch):
        versions = [version for version in versions if not stretch.ends_before(version.key)]
    return versions


def _passes(page: Page, stretch: Stretch) -> bool:
    return bool(page.versions) and stretch.ends_before(page.versions[-1].key)


def _version_page(client: S3Client, bucket: str, prefix: str, key: str, version: str) -> Page:
    marker: _Marker = {"KeyMarker": key} if key else {}
    if version:
        marker["VersionIdMarker"] = version
    answer = client.list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=_PAGE, **marker)
    return page_of(answer)


def _object_page(client: S3Client, bucket: str, prefix: str, key: str, token: str) -> Page:
    start: _Start = {"StartAfter": key} if key else {}
    if token:
        start = {"ContinuationToken": token}
    answer = client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=_PAGE, **start)
    return page_of(answer)


def _confused(site: str) -> SiteRefused:
    return SiteRefused(
        f"site {site}: the listing is out of order or does not match the prefix",
        expected="keys in UTF-8 byte order, as S3 lists them",
        next_step="use a store that lists in order",
    )


def list_uploads(client: S3Client, site: str, bucket: str, prefix: str) -> Iterator[list[Upload]]:
    """Pages of unfinished uploads, with the size of their parts."""
    with site_errors(site, "listing uploads"):
        try:
            with ThreadPoolExecutor(_UPLOADS_AT_ONCE) as threads:
                for page in _upload_pages(client, bucket, prefix):
                    wanted = [entry for entry in page if entry["Key"].startswith(prefix)]
                    if found := list(threads.map(partial(_upload, client, bucket), wanted)):
                        yield found
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
