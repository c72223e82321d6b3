"""What is held is left, told apart from what failed, and erased once its hold has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from domicile.erase.certify import erasures, last_held_until
from domicile.erase.entries import ShardErased
from domicile.erase.held import HeldItems, held_items, last_end
from domicile.erase.objects import OBJECTS_ERASED, erase_objects
from domicile.inventory import RunEntries
from domicile.ledger import Entry
from domicile.sites.objects.s3 import S3Site
from tests.erase.test_objects import Row, listed, proof, proofs, put, states
from tests.services.objects import MakeBucket

UNTIL = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)


@pytest.fixture
def site(rgw_bucket: MakeBucket) -> Iterator[S3Site]:
    opened = rgw_bucket(versioned=True, locked=True).site("old")
    yield opened
    opened.close()


def retain(site: S3Site, key: str, version_id: str) -> None:
    site._client.put_object_retention(
        Bucket=site._bucket.bucket,
        Key=key,
        VersionId=version_id,
        Retention={"Mode": "GOVERNANCE", "RetainUntilDate": UNTIL},
    )


def test_the_others_are_erased_and_the_held_one_says_why_and_until_when(site: S3Site) -> None:
    put(site, "a", b"1")
    held = put(site, "b", b"22")
    retain(site, "b", held)
    rows = erase_objects(site, proofs(site))
    assert states(rows) == {"a": ("erased", ""), "b": ("held", "governance retention")}
    assert [row["held_until"] for row in rows] == [None, UNTIL]
    assert [version.version_id for version in listed(site)] == [held]
    read_back = pa.Table.from_pylist(rows, schema=OBJECTS_ERASED).to_pylist()
    (summed,) = held_items("old", read_back)
    end = UNTIL.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert summed == HeldItems("old", "media", 1, "governance retention", end)


def test_a_marker_stays_over_a_held_version_or_what_was_deleted_could_be_read_again(
    site: S3Site,
) -> None:
    held = put(site, "a", b"1")
    retain(site, "a", held)
    newer = put(site, "a", b"2")
    marker = asyncio.run(site.put_marker("a"))
    rows = {row["version_id"]: row for row in erase_objects(site, proofs(site))}
    assert rows[newer]["state"] == "erased"
    assert (rows[held]["state"], rows[marker]["state"]) == ("held", "held")
    assert rows[marker]["reason"] == "its key has a held version"
    assert [version.version_id for version in listed(site)] == [marker, held]
    assert listed(site)[0].is_latest


def test_the_newest_version_stays_over_a_held_one_and_goes_with_it(site: S3Site) -> None:
    """The other way round, the store would answer to the key with what was replaced."""
    put(site, "a", b"1")
    held, between, newest = put(site, "a", b"2"), put(site, "a", b"3"), put(site, "a", b"4")
    retain(site, "a", held)
    verified = proofs(site)
    rows = {row["version_id"]: row for row in erase_objects(site, verified)}
    assert rows[between]["state"] == "erased"
    assert (rows[held]["state"], rows[newest]["state"]) == ("held", "held")
    assert rows[newest]["reason"] == "its key has a held version"
    assert rows[newest]["held_until"] == UNTIL
    assert [(v.version_id, v.is_latest) for v in listed(site)] == [(newest, True), (held, False)]

    site._client.delete_object(
        Bucket=site._bucket.bucket, Key="a", VersionId=held, BypassGovernanceRetention=True
    )
    assert {row["state"] for row in erase_objects(site, verified)} == {"erased"}
    assert listed(site) == []


def test_an_unfinished_upload_of_a_held_key_is_aborted(site: S3Site) -> None:
    retain(site, "a", put(site, "a", b"1"))
    upload = site._client.create_multipart_upload(Bucket=site._bucket.bucket, Key="a")["UploadId"]
    row = proof("old", listed(site)[0], kind="upload") | {"version_id": upload}
    assert [row["state"] for row in erase_objects(site, [*proofs(site), row])] == ["held", "erased"]
    assert list(site.uploads()) == []


def test_sums_are_by_dataset_and_reason_and_end_last() -> None:
    def row(dataset: str, reason: str, until: datetime | None, state: str = "held") -> Row:
        return {"dataset": dataset, "reason": reason, "held_until": until, "state": state}

    later = UNTIL + timedelta(days=2)
    rows = [
        row("a", "governance retention", UNTIL),
        row("a", "governance retention", later),
        row("a", "legal hold", None),
        row("b", "governance retention", UNTIL),
        row("b", "AccessDenied", None, "failed"),
        row("b", "", None, "erased"),
    ]
    found = held_items("old", rows)
    assert [(one.dataset, one.reason, one.items) for one in found] == [
        ("a", "governance retention", 2),
        ("a", "legal hold", 1),
        ("b", "governance retention", 1),
    ]
    assert [one.until for one in found] == [last_end([later]), "", last_end([UNTIL])]


def test_nobody_can_say_when_the_last_hold_ends_where_one_has_no_end() -> None:
    assert last_end([UNTIL, None]) == last_end([]) == ""


def attempt(verified: str, erased: int, held: int, until: str = "") -> Entry:
    body = ShardErased("r", "o0", "old", verified, erased, 0, 0, held, until, ())
    return Entry(body, datetime(2026, 1, 2, tzinfo=UTC), "ab" * 32)


def test_what_an_attempt_held_no_longer_counts_once_a_later_one_erased_it() -> None:
    first = [attempt("one", 4, 2), attempt("one", 4, 2)]
    assert [(b.erased, b.held) for b in erasures(RunEntries("r", first), "old")] == [(4, 2)]
    later = [*first, attempt("two", 2, 0)]  # the shard was verified anew in between
    found = erasures(RunEntries("r", later), "old")
    assert [(body.erased, body.held) for body in found] == [(4, 0), (2, 0)]


def test_the_end_of_all_holds_is_the_last_of_them_if_each_has_one() -> None:
    def last(*attempts: Entry) -> str:
        return last_held_until(erasures(RunEntries("r", attempts), "old"))

    assert last(attempt("one", 4, 2, "2027-01-01T00:00:00.000Z")) == "2027-01-01T00:00:00.000Z"
    assert last(attempt("one", 4, 2, "")) == last(attempt("one", 4, 0)) == last() == ""
