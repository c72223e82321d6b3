"""Whatever stays, is refused or is killed: no version that was replaced or deleted becomes what its
key answers with."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domicile.erase.objects import erase_objects
from domicile.sites.objects import DeleteFailure, VersionRef
from domicile.sites.objects.directory import DirectorySite
from tests.erase.test_objects import Row, listed, proof, proofs, put
from tests.services.objects import MakeBucket


class Killed(BaseException):
    """The end of a process."""


class Refusing(DirectorySite):
    """Keeps the versions that `kept` names. A bucket promises no order within a
    request: with `backwards` it is the other one. Dies after `deletions` deletions."""

    kept: frozenset[str] = frozenset()
    deletions = 99
    backwards = False

    def delete(self, refs: Sequence[VersionRef]) -> list[DeleteFailure]:
        failures = []
        for ref in reversed(refs) if self.backwards else refs:
            if self.deletions == 0:
                raise Killed
            if ref.version_id in self.kept:
                failures.append(DeleteFailure(ref, "AccessDenied"))
            else:
                self.deletions -= 1
                super().delete([ref])
        return failures


def made(root: Path, history: str) -> Refusing:
    """A store with one key. history: a letter an item, oldest first: m is a delete marker, v a
    version."""
    site = Refusing("old", root, durable=False)
    for item in history:
        asyncio.run(site.put_marker("a")) if item == "m" else put(site, "a", b"x")
    return site


def current(site: DirectorySite) -> str:
    """The version that the key answers with; empty where it has none or is deleted."""
    top = [version for version in listed(site) if version.is_latest]
    return top[0].version_id if top and not top[0].is_marker else ""


def left(site: DirectorySite) -> str:
    """What is left, oldest first, as `made` spells it."""
    return "".join("m" if version.is_marker else "v" for version in reversed(listed(site)))


def failing(site: DirectorySite, *places: int) -> list[Row]:
    """Proofs of what is there; those of the versions at these places, from the oldest, failed."""
    rows = proofs(site)
    for place in places:
        rows[-1 - place]["state"] = "failed"
    return rows


@pytest.mark.parametrize(
    ("history", "stays"), [("vm", "vm"), ("vv", "vv"), ("vvm", "vm"), ("vmv", "vm"), ("vvv", "vv")]
)
def test_nothing_is_uncovered_over_a_version_that_was_not_verified(
    tmp_path: Path, history: str, stays: str
) -> None:
    site = made(tmp_path, history)
    before = current(site)
    rows = erase_objects(site, failing(site, 0))
    assert current(site) in {before, ""}
    assert left(site) == stays
    kept = {(row["state"], row["reason"]) for row in rows if row["state"] != "erased"}
    assert kept == {("failed", "a version of its key stays (it was not verified)")}


@pytest.mark.parametrize(
    ("history", "stays"), [("vm", "vm"), ("vv", "vv"), ("vvm", "vm"), ("vmv", "vm"), ("vvv", "vv")]
)
def test_nothing_is_uncovered_over_a_version_that_the_store_keeps(
    tmp_path: Path, history: str, stays: str
) -> None:
    site = made(tmp_path, history)
    site.kept = frozenset({listed(site)[-1].version_id})
    before, verified = current(site), proofs(site)
    rows = erase_objects(site, verified)
    assert current(site) in {before, ""}
    assert left(site) == stays
    assert {row["reason"] for row in rows} == {
        "",
        "AccessDenied",
        "a version of its key stays (AccessDenied)",
    } - ({""} if len(stays) == len(history) else set())

    site.kept = frozenset()
    assert {row["state"] for row in erase_objects(site, verified)} == {"erased"}
    assert left(site) == ""


def test_what_came_since_covers_what_stays(tmp_path: Path) -> None:
    site = made(tmp_path, "vv")
    rows = failing(site, 0)
    newer = put(site, "a", b"newer")
    (row,) = erase_objects(site, rows)
    assert (row["state"], left(site), current(site)) == ("erased", "vv", newer)


def test_other_keys_go_though_one_has_a_version_that_stays(tmp_path: Path) -> None:
    site = made(tmp_path, "vm")
    for key in ("b", "b", "c"):
        put(site, key, b"x")
    rows = [row | {"state": "failed"} if row["size_bytes"] else row for row in proofs(site)[:2]]
    erase_objects(site, rows + proofs(site)[2:])
    assert {version.key for version in listed(site)} == {"a"}


@settings(max_examples=60, deadline=None)
@given(st.text("vvm", min_size=1, max_size=5), st.data())
def test_no_older_version_is_ever_what_a_key_answers_with(
    history: str, data: st.DataObject
) -> None:
    places = st.sets(st.integers(0, len(history) - 1), max_size=3)
    with TemporaryDirectory() as root:
        site = made(Path(root), history)
        there = listed(site)[::-1]
        before = current(site)
        site.kept = frozenset(
            there[place].version_id for place in data.draw(places) if not there[place].is_marker
        )
        failed = [place for place in data.draw(places) if not there[place].is_marker]
        rows = failing(site, *failed)
        site.backwards = data.draw(st.booleans())
        site.deletions = data.draw(st.integers(0, len(history)))
        try:
            erase_objects(site, rows)
        except Killed:
            assert current(site) in {before, ""}
            site.deletions = 99
            erase_objects(site, rows)
        assert current(site) in {before, ""}
        names = {there[place].version_id for place in failed} | site.kept
        assert names <= {version.version_id for version in listed(site)}
        if not names:
            assert left(site) == ""


def test_a_version_without_an_id_covers_what_stays_too(rgw_bucket: MakeBucket) -> None:
    """As a bucket has it whose versioning was suspended."""
    bucket = rgw_bucket(versioned=True)
    site = bucket.site("old")
    put(site, "a", b"1")
    suspended = {"Bucket": bucket.name, "VersioningConfiguration": {"Status": "Suspended"}}
    bucket.client().put_bucket_versioning(**suspended)
    assert put(site, "a", b"2") == "null"
    newest, oldest = before = listed(site)
    (row,) = erase_objects(site, [proof("old", newest), proof("old", oldest, "failed")])
    assert (row["version_id"], row["state"]) == ("null", "failed")
    assert listed(site) == before
    assert {row["state"] for row in erase_objects(site, proofs(site))} == {"erased"}
    assert listed(site) == []
    site.close()
