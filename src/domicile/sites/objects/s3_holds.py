"""S3 Object Lock: whether a bucket has it, and which versions are held. Nothing here sets, shortens
or bypasses a hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from domicile.sites.objects.model import Hold, VersionRef
from domicile.sites.objects.s3_client import code_of, site_errors, status_of
from domicile.sites.objects.s3_errors import NOT_THERE

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = ["ObjectLock", "ask_holds", "ask_object_lock", "hold_in"]

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class ObjectLock:
    """enabled: versions of the bucket may be held. by_default: whatever is written is held."""

    enabled: bool
    by_default: bool


def ask_object_lock(client: S3Client, site: str, bucket: str) -> ObjectLock:
    """The bucket's lock configuration. A store that knows none, and one that does not show it to
    this key, count as without: holds are then learnt when a deletion is refused."""
    with site_errors(site, "asking for the object lock"):
        try:
            answer = client.get_object_lock_configuration(Bucket=bucket)
        except ResponseParserError:
            return ObjectLock(enabled=False, by_default=False)
        except ClientError as error:
            unknown = code_of(error) in NOT_THERE or 400 <= status_of(error) < 500
            if not unknown or code_of(error) == "NoSuchBucket":
                raise
            return ObjectLock(enabled=False, by_default=False)
    found = answer.get("ObjectLockConfiguration", {})
    return ObjectLock(found.get("ObjectLockEnabled") == "Enabled", "Rule" in found)


def ask_holds(
    client: S3Client, site: str, bucket: str, refs: Sequence[VersionRef]
) -> dict[VersionRef, Hold]:
    """Those of these versions that are held. What a version does not tell (it is absent, a delete
    marker, or the key may not see its holds) is not held as far as anybody can say."""
    ask = partial(_ask, client, bucket)
    with site_errors(site, "asking for holds"), ThreadPoolExecutor(_AT_ONCE) as threads:
        found = list(threads.map(ask, refs))
    return {ref: hold for ref, hold in zip(refs, found, strict=True) if hold is not None}


def _ask(client: S3Client, bucket: str, ref: VersionRef) -> Hold | None:
    try:
        head = client.head_object(Bucket=bucket, Key=ref.key, VersionId=ref.version_id)
    except ClientError as error:
        if 400 <= status_of(error) < 500:
            return None
        raise
    return hold_in(head, datetime.now(UTC))


def hold_in(head: Mapping[str, object], now: datetime) -> Hold | None:
    """The hold that the answer to a HEAD tells of; a retention that has ended is none. Pure."""
    ends = head.get("ObjectLockRetainUntilDate")
    until = _whole_second(ends.astimezone(UTC)) if isinstance(ends, datetime) else None
    retained = until is not None and until > now
    reasons = [
        *(["legal hold"] if head.get("ObjectLockLegalHoldStatus") == "ON" else []),
        *([f"{str(head.get('ObjectLockMode', '')).lower()} retention"] if retained else []),
    ]
    return Hold(" and ".join(reasons), until if retained else None) if reasons else None


def _whole_second(time: datetime) -> datetime:
    """Not before it."""
    whole = time.replace(microsecond=0)
    return whole if whole == time else whole + timedelta(seconds=1)
