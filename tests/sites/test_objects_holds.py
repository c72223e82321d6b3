"""S3 Object Lock on Ceph RGW: what is held stays, and its reason and its end are told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domicile.errors import SiteRefused
from domicile.sites.objects import Hold, VersionRef
from domicile.sites.objects.s3 import S3Site
from domicile.sites.objects.s3_holds import hold_in
from tests.services.objects import MakeBucket, TestBucket
from tests.sites.object_tools import listed, read, refs, write

IN_A_DAY = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)


@dataclass(frozen=True)
class Locked:
    """A bucket with object lock on, its driver, and what its owner does beside it."""

    bucket: TestBucket
    site: S3Site

    def retain(self, ref: VersionRef, mode: str, until: datetime = IN_A_DAY) -> None:
        self._client(
            "put_object_retention", ref, Retention={"Mode": mode, "RetainUntilDate": until}
        )

    def hold(self, ref: VersionRef, status: str = "ON") -> None:
        self._client("put_object_legal_hold", ref, LegalHold={"Status": status})

    def bypass(self, ref: VersionRef) -> None:
        self._client("delete_object", ref, BypassGovernanceRetention=True)

    def _client(self, operation: str, ref: VersionRef, **more: Any) -> None:  # noqa: ANN401
        client = self.bucket.client()
        getattr(client, operation)(
            Bucket=self.bucket.name, Key=ref.key, VersionId=ref.version_id, **more
        )
        client.close()

    def put(self, key: str) -> VersionRef:
        return VersionRef(key, write(self.site, key))


@pytest.fixture
def locked(rgw_bucket: MakeBucket) -> Iterator[Locked]:
    bucket = rgw_bucket(versioned=True, locked=True)
    site = bucket.site()
    yield Locked(bucket, site)
    site.close()


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_a_retained_version_stays_and_says_why_and_until_when(locked: Locked, mode: str) -> None:
    free, held = locked.put("free"), locked.put("held")
    locked.retain(held, mode)
    (failure,) = locked.site.delete([free, held])
    assert failure.ref == held
    assert failure.hold == Hold(f"{mode.lower()} retention", IN_A_DAY)
    assert refs(listed(locked.site)) == [held]
    assert read(locked.site, "held", held.version_id)[1] == b"x"


def test_a_version_under_legal_hold_stays_and_nobody_says_until_when(locked: Locked) -> None:
    held = locked.put("held")
    locked.hold(held)
    (failure,) = locked.site.delete([held])
    assert failure.hold == Hold("legal hold", None)
    locked.hold(held, "OFF")
    assert locked.site.delete([held]) == []
    assert listed(locked.site) == []


def test_both_holds_are_told(locked: Locked) -> None:
    held = locked.put("held")
    locked.hold(held)
    locked.retain(held, "GOVERNANCE")
    expected = Hold("legal hold and governance retention", IN_A_DAY)
    assert locked.site.holds([held]) == {held: expected}


def test_governance_retention_is_never_bypassed_though_the_key_could(locked: Locked) -> None:
    held = locked.put("held")
    locked.retain(held, "GOVERNANCE")
    for _ in range(3):
        assert locked.site.delete([held])
    assert refs(listed(locked.site)) == [held]
    locked.bypass(held)
    assert listed(locked.site) == []


def test_once_a_retention_has_ended_the_version_is_deleted(locked: Locked) -> None:
    held = locked.put("held")
    ends = datetime.now(UTC) + timedelta(seconds=2)
    locked.retain(held, "COMPLIANCE", ends)
    assert locked.site.delete([held])
    time.sleep(max((ends - datetime.now(UTC)).total_seconds(), 0) + 1)
    assert locked.site.holds([held]) == {}
    assert locked.site.delete([held]) == []


def test_a_delete_marker_over_a_held_version_is_never_held(locked: Locked) -> None:
    held = locked.put("held")
    locked.retain(held, "GOVERNANCE")
    marker = VersionRef("held", asyncio.run(locked.site.put_marker("held")))
    assert locked.site.holds([marker, held]).keys() == {held}
    (failure,) = locked.site.delete([marker, held])
    assert failure.ref == held
    assert refs(listed(locked.site)) == [held]


def test_of_many_versions_exactly_the_held_ones_are_told(locked: Locked) -> None:
    written = [locked.put(f"k/{number}") for number in range(40)]
    for ref in written[::7]:
        locked.retain(ref, "GOVERNANCE")
    assert locked.site.holds(written).keys() == set(written[::7])


def test_where_everything_written_is_held_a_check_writes_no_probe(locked: Locked) -> None:
    client = locked.bucket.client()
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    client.put_object_lock_configuration(
        Bucket=locked.bucket.name,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},
    )
    client.close()
    locked.site.check(write=True)
    assert listed(locked.site) == []
    assert locked.site.holds([ref := locked.put("held")])[ref].reason == "compliance retention"


def test_without_version_ids_nothing_is_deleted_where_versions_would_stay(locked: Locked) -> None:
    """A deletion without an id only puts a marker on top: it must not count as one."""
    held = locked.put("held")
    locked.site.__dict__["_lists_versions"] = False  # as where the store lists none
    with pytest.raises(SiteRefused, match="delete marker on what stays"):
        locked.site.delete([VersionRef("held", "null")])
    locked.site.__dict__["_lists_versions"] = True
    assert refs(listed(locked.site)) == [held]


def test_a_bucket_without_object_lock_has_no_holds(rgw_bucket: MakeBucket) -> None:
    site = rgw_bucket(versioned=True).site()
    assert not site.capabilities().holds
    assert site.holds([VersionRef("a", write(site, "a"))]) == {}
    site.close()


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("head", "hold"),
    [
        ({}, None),
        ({"ObjectLockLegalHoldStatus": "OFF"}, None),
        ({"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": NOW}, None),
        ({"ObjectLockMode": "GOVERNANCE"}, None),
        (
            {
                "ObjectLockMode": "COMPLIANCE",
                "ObjectLockRetainUntilDate": NOW + timedelta(microseconds=1),
            },
            Hold("compliance retention", NOW + timedelta(seconds=1)),
        ),
        (
            {
                "ObjectLockMode": "COMPLIANCE",
                "ObjectLockRetainUntilDate": NOW,
                "ObjectLockLegalHoldStatus": "ON",
            },
            Hold("legal hold", None),
        ),
    ],
    ids=str,
)
def test_what_a_version_says_of_its_hold(head: dict[str, object], hold: Hold | None) -> None:
    assert hold_in(head, NOW) == hold
