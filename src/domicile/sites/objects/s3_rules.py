"""What a bucket does by itself: expire, archive and copy objects, and log who asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from domicile.sites.objects.model import BucketRule
from domicile.sites.objects.s3_client import code_of, site_errors, status_of
from domicile.sites.objects.s3_errors import NOT_THERE

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = ["ask_rules"]

_NONE = NOT_THERE | {
    "NoSuchLifecycleConfiguration",
    "NoSuchReplicationConfiguration",
    "ReplicationConfigurationNotFoundError",
}
_EXPIRES = ("Expiration", "NoncurrentVersionExpiration")
_ARCHIVES = ("Transitions", "NoncurrentVersionTransitions")
Answer = Mapping[str, Any]


def ask_rules(client: S3Client, site: str, bucket: str) -> list[BucketRule]:
    """Every rule in force. What the store says it does not implement it has none of; what it
    does not show, or shows in no document of S3's, is a rule ``unseen``."""
    asked: list[tuple[str, Callable[..., Any], Callable[[Answer], Iterator[BucketRule]]]] = [
        ("lifecycle", client.get_bucket_lifecycle_configuration, _lifecycle),
        ("replication", client.get_bucket_replication, _replication),
        ("logging", client.get_bucket_logging, _logging),
    ]
    found: list[BucketRule] = []
    for what, ask, rules_in in asked:
        with site_errors(site, f"asking for the {what} rules"):
            try:
                found += rules_in(ask(Bucket=bucket))
            except ResponseParserError:
                found.append(BucketRule("unseen", what))
            except ClientError as error:
                if code_of(error) in _NONE:
                    continue
                if code_of(error) == "NoSuchBucket" or status_of(error) >= 500:
                    raise
                found.append(BucketRule("unseen", what))
    return found


def _lifecycle(answer: Answer) -> Iterator[BucketRule]:
    for rule in answer.get("Rules", []):
        if rule.get("Status") != "Enabled":
            continue
        scope = rule.get("Filter", {})
        prefix = rule.get("Prefix", scope.get("Prefix", scope.get("And", {}).get("Prefix", "")))
        name = str(rule.get("ID", ""))
        # A rule that only tidies up delete markers without versions below takes nothing away.
        expiring = {**rule, "Expiration": _without_markers(rule.get("Expiration", {}))}
        if any(expiring.get(key) for key in _EXPIRES):
            yield BucketRule("expiration", name, prefix)
        if any(rule.get(key) for key in _ARCHIVES):
            yield BucketRule("archive", name, prefix)


def _without_markers(expiration: Answer) -> dict[str, Any]:
    return {k: v for k, v in expiration.items() if k != "ExpiredObjectDeleteMarker"}


def _replication(answer: Answer) -> Iterator[BucketRule]:
    for rule in answer.get("ReplicationConfiguration", {}).get("Rules", []):
        if rule.get("Status") == "Enabled":
            yield BucketRule("replication", str(rule.get("Destination", {}).get("Bucket", "")))


def _logging(answer: Answer) -> Iterator[BucketRule]:
    if target := answer.get("LoggingEnabled", {}).get("TargetBucket"):
        yield BucketRule("logging", str(target))
