"""A bucket of an S3-compatible store: Amazon S3, Ceph RGW, OCI, MinIO, rclone and the like."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from domicile.errors import SiteRefused
from domicile.sites.objects.keys import is_key
from domicile.sites.objects.model import (
    Attributes,
    BucketRule,
    Capabilities,
    DeleteFailure,
    Hold,
    ObjectRead,
    ObjectVersion,
    Span,
    Upload,
    VersionRef,
)
from domicile.sites.objects.s3_access import ask_access
from domicile.sites.objects.s3_client import client_for, code_of, site_errors
from domicile.sites.objects.s3_connection import Bucket, Connection
from domicile.sites.objects.s3_control import abort_upload, ask_capabilities, delete_versions
from domicile.sites.objects.s3_denial import Denials, withheld
from domicile.sites.objects.s3_errors import NOT_THERE, AccessDenied
from domicile.sites.objects.s3_headers import headers_for
from domicile.sites.objects.s3_holds import ObjectLock, ask_holds, ask_object_lock
from domicile.sites.objects.s3_listing import list_uploads, list_versions, lists_versions
from domicile.sites.objects.s3_read import Tagged, open_version
from domicile.sites.objects.s3_rules import ask_rules
from domicile.sites.objects.s3_write import is_single_put, write_object
from domicile.sites.objects.stretches import Stretch

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = ["S3Site"]

_PROBE = ".domicile-probe/"


class S3Site:
    """An `ObjectSite` in one bucket. Safe to use from several event loops, one after another."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._connection = Connection(bucket)
        self._tagged = Tagged()
        self._denials = Denials()
        self._tags_proven = False

    @property
    def name(self) -> str:
        """The site's name in the charter."""
        return self._bucket.site

    @cached_property
    def _client(self) -> S3Client:
        return client_for(self._bucket)

    @cached_property
    def _lists_versions(self) -> bool:
        return lists_versions(self._client, self.name, self._bucket.bucket)

    @cached_property
    def _object_lock(self) -> ObjectLock:
        return ask_object_lock(self._client, self.name, self._bucket.bucket)

    @cached_property
    def _capabilities(self) -> Capabilities:
        return ask_capabilities(
            self._client,
            self.name,
            self._bucket.bucket,
            with_versions=self._lists_versions,
            with_holds=self._lists_versions and self._object_lock.enabled,
        )

    def capabilities(self) -> Capabilities:
        """See `ObjectSite.capabilities`. A bucket whose versioning is suspended keeps no new
        versions; those that it has are listed all the same."""
        return self._capabilities

    def check(self, *, write: bool) -> None:
        """See `ObjectSite.check`. Where the bucket holds whatever is written no probe is: it
        could not be deleted again."""
        next(self.versions(), None)
        if not write or self._object_lock.by_default:
            return
        key = _PROBE + os.urandom(8).hex()
        try:
            with site_errors(self.name, "writing a probe"):
                self._client.put_object(Bucket=self._bucket.bucket, Key=key, Body=b"probe")
        finally:
            self._sweep_probes()

    def _sweep_probes(self) -> None:
        """Delete every probe: this one, however often it was written, and those of commands that
        were killed or lost the answer."""
        pages = self.versions(_PROBE)
        refs = [VersionRef(one.key, one.version_id) for page in pages for one in page]
        for failure in self.delete(refs):
            raise SiteRefused(
                f"site {self.name}: a probe could not be deleted: {failure.reason}",
                expected="credentials that may delete object versions",
                next_step="check the policy of the access key",
            )

    def versions(
        self, prefix: str = "", after: str = "", until: str = ""
    ) -> Iterator[list[ObjectVersion]]:
        """See `ObjectSite.versions`."""
        return list_versions(
            self._client,
            self.name,
            self._bucket.bucket,
            prefix,
            Stretch(after, until=until),
            with_versions=self._lists_versions,
        )

    def uploads(self, prefix: str = "") -> Iterator[list[Upload]]:
        """See `ObjectSite.uploads`."""
        if self.capabilities().uploads:
            yield from list_uploads(self._client, self.name, self._bucket.bucket, prefix)

    async def read(
        self, key: str, version_id: str | None = None, span: Span | None = None
    ) -> ObjectRead:
        """See `ObjectSite.read`. Raises `ObjectWithheld` for what is denied, where others here are
        not."""
        self._require_key(key)
        try:
            opened, response = await open_version(
                self._connection, self.name, key, version_id, span
            )
        except AccessDenied as error:
            if not await self._is_denied_alone(key):
                raise
            raise withheld(error) from error
        self._denials.given(key, version_id)
        if self._tagged.may_have_tags(response) and await self._keeps_tags():
            try:
                tags = await asyncio.to_thread(self._tags_of, key, opened.version_id)
            except AccessDenied as error:
                raise withheld(error) from error
            opened.attributes = replace(opened.attributes, tags=tags)
        return opened

    async def _is_denied_alone(self, key: str) -> bool:
        return await self._denials.is_alone(self._connection, lambda k: self.versions(after=k), key)

    async def _keeps_tags(self) -> bool:
        if "_capabilities" not in self.__dict__:
            await asyncio.to_thread(self.capabilities)
        return self._capabilities.tags

    def _tags_of(self, key: str, version_id: str) -> tuple[tuple[str, str], ...]:
        with site_errors(self.name, f"reading the tags of {key!r}"):
            try:
                answer = self._client.get_object_tagging(
                    Bucket=self._bucket.bucket, Key=key, VersionId=version_id
                )
            except ClientError as error:
                if code_of(error) in {"NoSuchTagSet", *NOT_THERE}:
                    return ()
                raise
        return tuple(sorted((tag["Key"], tag["Value"]) for tag in answer.get("TagSet", [])))

    async def write(
        self, key: str, chunks: AsyncIterator[bytes], attributes: Attributes, size_bytes: int
    ) -> str:
        """See `ObjectSite.write`. Holds up to three parts of 8 MiB (more for objects beyond
        78 GiB) in memory. Raises `SourceChanged` if ``chunks`` is not ``size_bytes`` long, and
        `SiteRefused` for tags or keys that the store would drop or change silently."""
        self._require_key(key)
        if key.endswith("/") and not await asyncio.to_thread(lambda: self._lists_versions):
            raise SiteRefused(
                f"site {self.name}: the store would file {key!r} under another key",
                expected="a key that does not end in '/', on a store backed by directories",
                next_step="use a home that keeps S3's keys",
            )
        if attributes.tags and not await self._keeps_tags():
            raise self._drops_tags(key)
        version_id = await write_object(
            self._connection, self.name, key, chunks, headers_for(attributes), size_bytes
        )
        if attributes.tags:
            await asyncio.to_thread(self._ensure_tags, key, version_id, attributes, size_bytes)
        return version_id

    def _ensure_tags(
        self, key: str, version_id: str, attributes: Attributes, size_bytes: int
    ) -> None:
        """Many servers answer 200 to headers that they ignore, and Ceph RGW drops the tags of a
        multipart upload only: proven once for single PUTs, and for every larger object."""
        is_single = is_single_put(size_bytes)
        if is_single and self._tags_proven:
            return
        if self._tags_of(key, version_id) != attributes.tags:
            with site_errors(self.name, f"tagging {key!r}"):
                self._client.put_object_tagging(
                    Bucket=self._bucket.bucket,
                    Key=key,
                    VersionId=version_id,
                    Tagging={"TagSet": [{"Key": k, "Value": v} for k, v in attributes.tags]},
                )
            if self._tags_of(key, version_id) != attributes.tags:
                self.delete([VersionRef(key, version_id)])
                raise self._drops_tags(key)
        self._tags_proven = self._tags_proven or is_single

    def _drops_tags(self, key: str) -> SiteRefused:
        return SiteRefused(
            f"site {self.name}: the store does not keep the tags of {key!r}",
            expected="a store that keeps object tags, or an object without any",
            next_step="use a home that keeps tags, or remove the tags at the source",
        )

    async def put_marker(self, key: str) -> str:
        """See `ObjectSite.put_marker`. Raises `SiteRefused` where the bucket keeps no versions:
        there a marker would be a deletion."""
        self._require_key(key)
        return await asyncio.to_thread(self._put_marker, key)

    def _put_marker(self, key: str) -> str:
        if not self.capabilities().versions:
            raise SiteRefused(
                f"site {self.name}: a delete marker on {key!r} would delete it",
                expected="a bucket with versioning on",
                next_step="turn versioning on",
            )
        with site_errors(self.name, f"putting a delete marker on {key!r}"):
            answer = self._client.delete_object(Bucket=self._bucket.bucket, Key=key)
        return answer.get("VersionId", "null")

    def delete(self, refs: Sequence[VersionRef]) -> list[DeleteFailure]:
        """See `ObjectSite.delete`. Raises `SiteRefused` where a bucket with object lock lists no
        versions: a deletion without version id would only hide what is there."""
        if not self._lists_versions and self._object_lock.enabled:
            raise SiteRefused(
                f"site {self.name}: a deletion would put a delete marker on what stays there",
                expected="a store with object lock that lists versions",
                next_step="see whether the access key may list versions",
            )
        failures = delete_versions(
            self._client,
            self.name,
            self._bucket.bucket,
            refs,
            with_versions=self._lists_versions,
        )
        held = self.holds([failure.ref for failure in failures])
        return [replace(failure, hold=held.get(failure.ref)) for failure in failures]

    def holds(self, refs: Sequence[VersionRef]) -> dict[VersionRef, Hold]:
        """See `ObjectSite.holds`."""
        if not refs or not self._lists_versions:
            return {}
        return ask_holds(self._client, self.name, self._bucket.bucket, refs)

    def rules(self) -> list[BucketRule]:
        """See `ObjectSite.rules`."""
        where = (self._client, self.name, self._bucket.bucket)
        return [*ask_rules(*where), *ask_access(*where)]

    def abort(self, upload: Upload) -> None:
        """See `ObjectSite.abort`."""
        abort_upload(self._client, self.name, self._bucket.bucket, upload)

    def close(self) -> None:
        """Close boto3's connections; those of an event loop close with the loop."""
        if "_client" in self.__dict__:
            self._client.close()

    def _require_key(self, key: str) -> None:
        if not is_key(key):
            raise SiteRefused(
                f"site {self.name}: {key[:40]!r} cannot be a key",
                expected="1 to 1,024 bytes of UTF-8",
            )
