"""Whose objects lie in a store: every version, delete marker and unfinished upload, by listing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path

import msgspec
import pyarrow as pa

from domicile.charter import Charter
from domicile.inventory import FOUND, Archives, Estate, Run, write_parquet
from domicile.people import Register
from domicile.scan.archives import ArchiveCount, ArchiveJudge, unread
from domicile.scan.attribution import Attributor, Verdict, verdict
from domicile.scan.backups import BackupJudge
from domicile.scan.keys import KeyIndex, index_keys
from domicile.sites.objects import ObjectSite, ObjectVersion, Upload

__all__ = ["ObjectCount", "Tally", "list_objects", "scan_objects"]

_ROWS_PER_GROUP = 20_000


class ObjectCount(msgspec.Struct, frozen=True):
    """Items of one site, dataset and state. versions excludes delete markers."""

    site: str
    dataset: str
    state: str
    reason: str
    versions: int
    markers: int
    uploads: int
    bytes: int


@dataclass
class Tally:
    """Sums of what was seen, by (dataset, state, reason)."""

    site: str
    _sums: dict[tuple[str, str, str], Counter[str]] = field(default_factory=dict)

    def add(self, found: Verdict, kind: str, size_bytes: int) -> None:
        """Count one item."""
        sums = self._sums.setdefault((found.dataset, found.state, found.reason), Counter())
        sums[kind] += 1
        sums["bytes"] += size_bytes

    def counts(self) -> list[ObjectCount]:
        """The sums, ordered."""
        return [
            ObjectCount(
                self.site,
                dataset,
                state,
                reason,
                sums["version"],
                sums["marker"],
                sums["upload"],
                sums["bytes"],
            )
            for (dataset, state, reason), sums in sorted(self._sums.items())
        ]


def scan_objects(
    estate: Estate, site: ObjectSite, run: Run, into: tuple[Path, Path] | None = None
) -> tuple[list[ObjectCount], list[ArchiveCount]]:
    """List a store once, by the run's register and keys, and write what concerns the boundary
    (members' items and what could not be examined): versions in key order, and uploads. into: the
    two files; ``found/<site>.parquet`` and ``found/<site>.uploads.parquet`` without it."""
    versions, uploads = into or (run.found(site.name), run.found(f"{site.name}.uploads"))
    tally = Tally(site.name)
    with _judging(estate, run) as judge:
        write_parquet(versions, FOUND, _tables(_versions(site, judge, tally)))
        write_parquet(uploads, FOUND, _tables(_uploads(site, judge, tally)))
    return tally.counts(), judge.archives.counts()


def list_objects(estate: Estate, site: ObjectSite, run: Run) -> list[ObjectCount]:
    """List a store once more, its archives read again, by the run's register and keys, and only
    count."""
    tally = Tally(site.name)
    with _judging(estate, run) as judge:
        for _ in chain(_versions(site, judge, tally), _uploads(site, judge, tally)):
            pass
    return tally.counts()


@contextmanager
def _judging(estate: Estate, run: Run) -> Iterator[_Judge]:
    charter = estate.charter
    if not run.key_index.exists():  # it may be thrown away
        index_keys(estate, run)
    index = KeyIndex(run.key_index)
    lookups = {name: partial(index.persons, name) for name in charter.objects}
    try:
        with Register(run.people, run.people_index) as register:
            archives = ArchiveJudge(charter, Archives(estate, run), register)
            yield _Judge(charter, Attributor(charter, lookups), register, archives)
    finally:
        index.close()


@dataclass
class _Judge:
    charter: Charter
    attributor: Attributor
    register: Register
    archives: ArchiveJudge

    def __call__(self, keys: Iterable[str]) -> dict[str, Verdict]:
        unique = list(dict.fromkeys(keys))
        attributed = self.attributor.attribute(unique)
        persons = {person for found in attributed.values() for person in found.persons}
        memberships = self.register.membership(sorted(persons))
        return {
            key: verdict(attributed.get(key), self.charter.objects, memberships) for key in unique
        }

    def version(
        self, site: ObjectSite, backups: BackupJudge, version: ObjectVersion, found: Verdict
    ) -> Verdict:
        """A version's verdict, from that of its key: an archive is judged by its rows, and a part
        of a physical backup told for what it is."""
        if not _is_archive(self.charter, found):
            reason = "" if found.dataset or version.is_marker else backups.reason(version.key)
            return replace(found, reason=reason or found.reason)
        if not version.is_marker and not self.archives.archives.estate.is_home(site.name):
            reason = backups.reason(version.key)
            if reason:
                return replace(found, state="not examined", reason=reason)
        return self.archives.judge(site, version, found)


def _versions(site: ObjectSite, judge: _Judge, tally: Tally) -> Iterator[dict[str, object]]:
    backups = BackupJudge(site)
    for page in site.versions():
        verdicts = judge(version.key for version in page)
        for version in page:
            found = judge.version(site, backups, version, verdicts[version.key])
            kind = "marker" if version.is_marker else "version"
            tally.add(found, kind, version.size_bytes)
            if found.state in {"member", "not examined"}:
                yield _version_row(site.name, kind, version, found)


def _uploads(site: ObjectSite, judge: _Judge, tally: Tally) -> Iterator[dict[str, object]]:
    for page in site.uploads():
        verdicts = judge(upload.key for upload in page)
        for upload in page:
            found = verdicts[upload.key]
            if _is_archive(judge.charter, found):
                found = unread(found)
            tally.add(found, "upload", upload.size_bytes)
            if found.state in {"member", "not examined"}:
                yield _upload_row(site.name, upload, found)


def _is_archive(charter: Charter, found: Verdict) -> bool:
    return bool(found.dataset) and charter.objects[found.dataset].is_archive


def _version_row(site: str, kind: str, version: ObjectVersion, found: Verdict) -> dict[str, object]:
    return {
        "site": site,
        "kind": kind,
        "key": version.key,
        "version_id": version.version_id,
        "is_latest": version.is_latest,
        "size_bytes": version.size_bytes,
        "etag": version.etag,
        "modified": version.modified,
        "dataset": found.dataset,
        "person": found.person,
        "shared": found.shared,
        "state": found.state,
        "reason": found.reason,
    }


def _upload_row(site: str, upload: Upload, found: Verdict) -> dict[str, object]:
    return {
        "site": site,
        "kind": "upload",
        "key": upload.key,
        "version_id": upload.upload_id,
        "is_latest": False,
        "size_bytes": upload.size_bytes,
        "etag": "",
        "modified": upload.initiated,
        "dataset": found.dataset,
        "person": found.person,
        "shared": found.shared,
        "state": found.state,
        "reason": found.reason,
    }


def _tables(rows: Iterable[dict[str, object]]) -> Iterator[pa.Table]:
    group: list[dict[str, object]] = []
    for row in rows:
        group.append(row)
        if len(group) >= _ROWS_PER_GROUP:
            yield pa.Table.from_pylist(group, schema=FOUND)
            group = []
    if group:
        yield pa.Table.from_pylist(group, schema=FOUND)
