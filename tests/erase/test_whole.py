"""Archives are erased whole, on the directory store: nothing older is uncovered, and what a kill
leaves of a dump in a folder is still known for one."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from domicile.erase.archives import erase_with_archives
from domicile.sites.objects import Attributes, DeleteFailure, VersionRef
from domicile.sites.objects.directory import DirectorySite
from tests.sites.object_tools import listed

DATASETS = {"dumps": SimpleNamespace(treatment="erase", person=(), is_archive=True)}
HERE: Any = SimpleNamespace(estate=SimpleNamespace(charter=SimpleNamespace(objects=DATASETS)))
FILES = ("d/1.dat", "d/2.dat", "d/blobs.toc", "d/toc.dat")


class Killed(BaseException):
    """The end of a process."""


class Stubborn(DirectorySite):
    """Keeps what `kept` names; dies instead of the deletion after `deletions` ones."""

    kept: frozenset[str] = frozenset()
    deletions = 99

    def delete(self, refs: Sequence[VersionRef]) -> list[DeleteFailure]:
        failures = []
        for ref in refs:
            if self.deletions == 0:
                raise Killed
            if ref.key in self.kept:
                failures.append(DeleteFailure(ref, "kept"))
            else:
                self.deletions -= 1
                super().delete([ref])
        return failures


@pytest.fixture
def site(tmp_path: Path) -> Stubborn:
    return Stubborn("old", tmp_path)


def put(site: DirectorySite, key: str, data: bytes = b"x") -> str:
    async def once() -> AsyncIterator[bytes]:
        yield data

    return asyncio.run(site.write(key, once(), Attributes(), len(data)))


def proof(key: str, version_id: str, state: str = "verified") -> dict[str, Any]:
    return {
        "site": "old",
        "kind": "version",
        "state": state,
        "key": key,
        "version_id": version_id,
        "dataset": "dumps",
        "size_bytes": 1,
        "etag": "",
        "sha256": hashlib.sha256(b"x").hexdigest(),
        "reason": "",
    }


def keys(site: DirectorySite) -> set[str]:
    return {version.key for version in listed(site)}


def test_an_older_version_of_others_is_not_uncovered(site: Stubborn) -> None:
    others, ours = put(site, "k"), put(site, "k")
    for _ in range(2):
        (row,) = erase_with_archives(HERE, site, [proof("k", ours)])
        assert row["state"] == "erased"
        top, under = listed(site, "k")
        assert (top.is_marker, top.is_latest, under.version_id) == (True, True, others)


def test_an_erasure_that_is_killed_uncovers_nothing_older_of_the_same_key(site: Stubborn) -> None:
    older, newer = put(site, "k"), put(site, "k")
    site.deletions = 1
    with pytest.raises(Killed):
        erase_with_archives(HERE, site, [proof("k", newer), proof("k", older)])
    assert [version.version_id for version in listed(site)] == [newer]


@pytest.mark.parametrize("deletions", range(len(FILES) + 1))
def test_the_toc_of_a_dump_goes_last_wherever_it_is_killed(site: Stubborn, deletions: int) -> None:
    proofs = [proof(key, put(site, key)) for key in FILES]
    site.deletions = deletions
    if deletions < len(FILES):
        with pytest.raises(Killed):
            erase_with_archives(HERE, site, proofs)
        assert "d/toc.dat" in keys(site)
        site.deletions = 99
    assert {row["state"] for row in erase_with_archives(HERE, site, proofs)} == {"erased"}
    assert keys(site) == set()


def test_a_toc_stays_with_a_file_that_stays(site: Stubborn) -> None:
    proofs = [proof(key, put(site, key)) for key in (*FILES, "e/toc.dat")]
    site.kept = frozenset({"d/2.dat"})
    rows = {row["key"]: row for row in erase_with_archives(HERE, site, proofs)}
    assert keys(site) == {"d/2.dat", "d/toc.dat"}
    assert rows["d/toc.dat"]["reason"] == "a file of its dump stays (kept)"
    assert (rows["d/1.dat"]["state"], rows["e/toc.dat"]["state"]) == ("erased", "erased")


def test_nothing_of_a_dump_is_erased_while_a_file_of_it_is_not_verified(site: Stubborn) -> None:
    proofs = [proof(key, put(site, key)) for key in (*FILES, "e/9.dat")]
    proofs[1]["state"] = "failed"
    rows = {row["key"]: row for row in erase_with_archives(HERE, site, proofs)}
    assert keys(site) == set(FILES)
    assert rows.pop("e/9.dat")["state"] == "erased"
    assert {row["reason"] for row in rows.values()} == {"another file of its dump was not verified"}
