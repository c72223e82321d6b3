from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.erase.objects import OBJECTS_ERASED, erase_objects, listed_versions
from domicile.sites.objects import Attributes, ObjectSite, ObjectVersion, VersionRef
from domicile.sites.objects.directory import DirectorySite
from tests.erase.stores import Unversioned

Row = dict[str, Any]


def proof(site: str, version: ObjectVersion, state: str = "verified", *, kind: str = "") -> Row:
    return {
        "site": site,
        "kind": kind or ("marker" if version.is_marker else "version"),
        "key": version.key,
        "version_id": version.version_id,
        "dataset": "media",
        "size_bytes": version.size_bytes,
        "etag": version.etag,
        "sha256": "ab" * 32,
        "home_version_id": "h",
        "state": state,
        "reason": "",
    }


def listed(site: ObjectSite) -> list[ObjectVersion]:
    return [version for page in site.versions() for version in page]


def proofs(site: ObjectSite, state: str = "verified") -> list[Row]:
    """Proofs of everything that a site lists now."""
    return [proof(site.name, version, state) for version in listed(site)]


def put(site: ObjectSite, key: str, data: bytes) -> str:
    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return asyncio.run(site.write(key, chunks(), Attributes(), len(data)))


def states(rows: list[Row]) -> dict[str, tuple[str, str]]:
    return {row["key"]: (row["state"], row["reason"]) for row in rows}


@pytest.fixture
def directory(tmp_path: Path) -> DirectorySite:
    """A directory with versions, a marker, and an unfinished upload."""
    site = DirectorySite("old", tmp_path / "old", durable=False)
    site.create()
    for data in (b"one", b"two"):
        put(site, "a/1", data)
    asyncio.run(site.put_marker("a/1"))
    put(site, "b", b"three")
    return site


@pytest.fixture
def bucket() -> Unversioned:
    """A bucket without versions and three keys."""
    site = Unversioned("old")
    for key in ("a", "b", "c"):
        site.put(key, key.encode())
    return site


def test_every_version_and_marker_that_was_verified_is_erased(directory: DirectorySite) -> None:
    rows = erase_objects(directory, proofs(directory))
    assert listed(directory) == []
    assert [row["state"] for row in rows] == ["erased"] * 4
    assert sorted(row["kind"] for row in rows) == ["marker", "version", "version", "version"]
    pa.Table.from_pylist(rows, schema=OBJECTS_ERASED)


def test_a_version_that_came_since_is_left_alone(directory: DirectorySite) -> None:
    verified = proofs(directory)
    newer = put(directory, "a/1", b"newer")
    erase_objects(directory, verified)
    assert [(left.key, left.version_id) for left in listed(directory)] == [("a/1", newer)]


@pytest.mark.parametrize("state", ["failed", "gone"])
def test_what_was_not_verified_is_left_alone(directory: DirectorySite, state: str) -> None:
    before = listed(directory)
    assert erase_objects(directory, proofs(directory, state)) == []
    assert listed(directory) == before


def test_another_sites_proofs_are_not_this_sites(directory: DirectorySite) -> None:
    before = listed(directory)
    others = [row | {"site": "elsewhere"} for row in proofs(directory)]
    assert erase_objects(directory, others) == []
    assert listed(directory) == before


def test_erasing_twice_says_the_same(directory: DirectorySite) -> None:
    verified = proofs(directory)
    assert erase_objects(directory, verified) == erase_objects(directory, verified)


def test_an_unfinished_upload_is_aborted_and_no_version_touched(directory: DirectorySite) -> None:
    directory.put_part(directory.begin_upload("b"), 1, b"part")
    ((upload,),) = list(directory.uploads())
    row = proof("old", listed(directory)[-1], kind="upload") | {"version_id": upload.upload_id}
    before = listed(directory)
    (erased,) = erase_objects(directory, [row])
    assert (erased["kind"], erased["state"]) == ("upload", "erased")
    assert list(directory.uploads()) == []
    assert listed(directory) == before


def test_without_versions_what_changed_since_it_was_verified_is_left_alone(
    bucket: Unversioned,
) -> None:
    verified = proofs(bucket)
    bucket.put("b", b"B")  # as long, another ETag
    found = states(erase_objects(bucket, verified))
    assert bucket.objects == {"b": b"B"}
    assert VersionRef("b", "null") not in bucket.deleted
    assert found == {
        "a": ("erased", ""),
        "b": ("failed", "it changed since it was verified"),
        "c": ("erased", ""),
    }


@pytest.mark.parametrize("change", [{"etag": "other"}, {"size_bytes": 2}, {"kind": "marker"}])
def test_without_versions_any_difference_counts_as_a_change(
    bucket: Unversioned, change: Row
) -> None:
    verified = [row | change if row["key"] == "b" else row for row in proofs(bucket)]
    assert states(erase_objects(bucket, verified))["b"][0] == "failed"
    assert set(bucket.objects) == {"b"}


def test_without_versions_what_is_gone_already_counts_as_erased(bucket: Unversioned) -> None:
    verified = proofs(bucket)
    del bucket.objects["b"]
    assert {state for state, _ in states(erase_objects(bucket, verified)).values()} == {"erased"}
    assert not bucket.objects


def test_what_the_store_refuses_is_failed_in_its_own_words(bucket: Unversioned) -> None:
    bucket.stuck.add("b")
    found = states(erase_objects(bucket, proofs(bucket)))
    assert found["b"] == ("failed", "AccessDenied")
    assert found["a"] == ("erased", "")


KEY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3)


def by_bytes(key: str) -> bytes:
    return key.encode()


@given(st.sets(KEY, max_size=12), st.data())
def test_a_range_is_listed_whatever_lies_between(keys: set[str], data: st.DataObject) -> None:
    site = Unversioned("old", page=data.draw(st.integers(1, 4)))
    for key in keys:
        site.put(key, b"x")
    wanted = data.draw(st.sets(st.sampled_from(sorted(keys)))) if keys else set()
    absent = data.draw(st.sets(KEY, max_size=2)) - keys
    asked = sorted(wanted | absent, key=by_bytes)
    assert {ref.key for ref in listed_versions(site, asked)} == wanted


@given(st.sets(KEY, min_size=1, max_size=8), st.data())
def test_exactly_what_was_verified_and_stayed_is_erased(
    keys: set[str], data: st.DataObject
) -> None:
    site = Unversioned("old")
    for key in keys:
        site.put(key, b"before")
    verified = [row for row in proofs(site) if data.draw(st.booleans())]
    changed = data.draw(st.sets(st.sampled_from(sorted(keys))))
    for key in changed:
        site.put(key, b"after!")
    erase_objects(site, verified)
    assert set(site.objects) == keys - ({row["key"] for row in verified} - changed)
