"""What a bucket can do, found out by asking it; deletions by version id; aborts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from domicile.sites.objects.model import Capabilities, DeleteFailure, Upload, VersionRef
from domicile.sites.objects.s3_client import code_of, page_of, site_errors, status_of
from domicile.sites.objects.s3_errors import ABSENT, NOT_THERE

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectIdentifierTypeDef

__all__ = ["abort_upload", "ask_capabilities", "delete_versions"]

_BATCH = 1000
_NOT_XML = re.compile("[\x00-\x1f\x7f\ufffe\uffff]")  # and CR, LF, TAB, which parsers normalise


def ask_capabilities(
    client: S3Client, site: str, bucket: str, *, with_versions: bool, with_holds: bool
) -> Capabilities:
    """Ask the store; what it answers with "not implemented" it lacks."""
    with site_errors(site, "asking what the store can do"):
        return Capabilities(
            versions=with_versions and _keeps_versions(client, bucket),
            tags=_keeps_tags(client, bucket, with_versions=with_versions),
            uploads=_lists_uploads(client, bucket),
            holds=with_holds,
        )


def _keeps_versions(client: S3Client, bucket: str) -> bool:
    try:
        return client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled"
    except ClientError as error:
        if code_of(error) in NOT_THERE:
            return False
        raise


def _keeps_tags(client: S3Client, bucket: str, *, with_versions: bool) -> bool:
    """Some stores answer ``?tagging`` with the object itself, and for a missing object nobody can
    tell: then a store without ListObjectVersions counts as one without tags."""
    answer = client.list_objects_v2(Bucket=bucket, MaxKeys=1)
    listed = page_of(answer).versions
    if not listed:
        return with_versions and _answers_tagging(client, bucket, "domicile-probe")
    return _answers_tagging(client, bucket, listed[0].key)


def _answers_tagging(client: S3Client, bucket: str, key: str) -> bool:
    try:
        client.get_object_tagging(Bucket=bucket, Key=key)
    except ResponseParserError:
        return False
    except ClientError as error:
        if code_of(error) in ("NoSuchKey", "NoSuchTagSet", "404"):
            return True
        # botocore calls a 200 that is not XML a 500.
        if code_of(error) in NOT_THERE or code_of(error) == "500" or status_of(error) == 200:
            return False
        raise
    return True


def _lists_uploads(client: S3Client, bucket: str) -> bool:
    try:
        client.list_multipart_uploads(Bucket=bucket, MaxUploads=1)
    except ClientError as error:
        if code_of(error) == "NoSuchUpload":  # how rclone says that there are none
            return True
        if code_of(error) in NOT_THERE:
            return False
        raise
    return True


def delete_versions(
    client: S3Client, site: str, bucket: str, refs: Sequence[VersionRef], *, with_versions: bool
) -> list[DeleteFailure]:
    """Delete by id, a thousand at a time; one by one what a batch cannot say, and everything
    where the store has no batches."""
    failures: list[DeleteFailure] = []
    single = [ref for ref in refs if _NOT_XML.search(ref.key)]
    batched = [ref for ref in refs if not _NOT_XML.search(ref.key)]
    with site_errors(site, "deleting"):
        for start in range(0, len(batched), _BATCH):
            batch = batched[start : start + _BATCH]
            found = _delete_batch(client, bucket, batch, with_versions=with_versions)
            if found is None:
                single.extend(batched[start:])
                break
            failures.extend(found)
        failures.extend(_delete_singly(client, bucket, single, with_versions=with_versions))
    return failures


def _delete_batch(
    client: S3Client, bucket: str, refs: Sequence[VersionRef], *, with_versions: bool
) -> list[DeleteFailure] | None:
    objects: list[ObjectIdentifierTypeDef] = [
        {"Key": ref.key, "VersionId": ref.version_id} if with_versions else {"Key": ref.key}
        for ref in refs
    ]
    try:
        answer = client.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    except ClientError as error:
        if code_of(error) in NOT_THERE:
            return None
        raise
    by_name = {(ref.key, ref.version_id): ref for ref in refs}
    by_key = {ref.key: ref for ref in refs}
    return [
        DeleteFailure(
            by_name.get((error.get("Key", ""), error.get("VersionId", "")))
            or by_key.get(error.get("Key", ""))
            or VersionRef(error.get("Key", ""), error.get("VersionId", "null")),
            error.get("Code", "refused without a code"),
        )
        for error in answer.get("Errors", [])
        if error.get("Code") not in ABSENT
    ]


def _delete_singly(
    client: S3Client, bucket: str, refs: Sequence[VersionRef], *, with_versions: bool
) -> Iterator[DeleteFailure]:
    for ref in refs:
        try:
            if with_versions:
                client.delete_object(Bucket=bucket, Key=ref.key, VersionId=ref.version_id)
            else:
                client.delete_object(Bucket=bucket, Key=ref.key)
        except ClientError as error:
            if code_of(error) not in ABSENT:
                yield DeleteFailure(ref, code_of(error) or str(status_of(error)))


def abort_upload(client: S3Client, site: str, bucket: str, upload: Upload) -> None:
    """Abort an upload; an absent one counts as aborted."""
    with site_errors(site, f"aborting an upload of {upload.key!r}"):
        try:
            client.abort_multipart_upload(Bucket=bucket, Key=upload.key, UploadId=upload.upload_id)
        except ClientError as error:
            if code_of(error) not in ABSENT:
                raise
