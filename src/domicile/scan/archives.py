"""Whose rows lie in an archive: every row of it is read and looked up."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import BinaryIO

import msgspec

from domicile.charter import Charter, ObjectDataset
from domicile.errors import ObjectWithheld, SiteMissing, SourceChanged
from domicile.inventory import Archives
from domicile.people import Register
from domicile.scan.archive_rows import NO_REWRITE, ArchiveRows, archive_verdict
from domicile.scan.attribution import Verdict
from domicile.scan.dump_folders import DumpFolder, read_dump_folder
from domicile.sites.archives import Unreadable, dump_file, is_rewritable
from domicile.sites.objects import ObjectSite, ObjectVersion

__all__ = ["ArchiveCount", "ArchiveJudge", "unread"]

_NO_TOC = "it is called as a file of a pg_dump in the directory format, and no toc.dat is beside it"
_CHANGED = "it went or changed while it was read: scan again"


class ArchiveCount(msgspec.Struct, frozen=True):
    """The archives of one site and dataset that could be read, with their rows. members: rows of
    members; unexamined: rows of which nobody can say whose they are. treatment: what the charter
    has done with those that hold a member's row; holding: how many do."""

    site: str
    dataset: str
    treatment: str
    archives: int
    holding: int
    rows: int
    members: int
    unexamined: int


@dataclass
class ArchiveJudge:
    """Judges archives of one site. What lies at home is at home, and is not read."""

    charter: Charter
    archives: Archives
    register: Register
    _sums: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    _folders: dict[str, _Folder | None] = field(default_factory=dict)

    def judge(self, site: ObjectSite, version: ObjectVersion, found: Verdict) -> Verdict:
        """What an archive is, from its rows: a member's if any row is. Delete markers are nobody's,
        or an older archive of others would come back. Versions come in key order."""
        if version.is_marker:
            return Verdict("other", found.dataset, "", "")
        if self.archives.estate.is_home(site.name):
            return unread(found)
        part = dump_file(version.key)
        if part is not None and (folder := self._folder(site, part.folder, found)) is not None:
            is_same = folder.read is None or folder.read.has(version)
            reason = folder.verdict.reason if is_same else _CHANGED
            state = folder.verdict.state if is_same else "not examined"
            return replace(folder.verdict, dataset=found.dataset, state=state, reason=reason)
        verdict = self._single(site, version, found)
        if part is not None and verdict.state == "not examined":
            return replace(verdict, reason=f"{_NO_TOC} ({verdict.reason})")
        return verdict

    def _single(self, site: ObjectSite, version: ObjectVersion, found: Verdict) -> Verdict:
        """What an archive of one file is."""
        dataset = self.charter.objects[found.dataset]
        counted, why = ArchiveRows(), ""
        try:
            with self.archives.fetched(site, version.key, version.version_id) as (file, _):
                self._read(file, dataset, counted)
        except _UNREAD as error:
            why = _why(error)
        self._add(site.name, found.dataset, counted)
        return archive_verdict(dataset, found.dataset, counted, why)

    def _folder(self, site: ObjectSite, folder: str, found: Verdict) -> _Folder | None:
        """The dump that a folder is; it is read once, with the first of its files."""
        for known in list(self._folders):
            if not folder.startswith(known):
                del self._folders[known]
        if folder not in self._folders:
            self._folders[folder] = self._read_folder(site, folder, found)
        return self._folders[folder]

    def _read_folder(self, site: ObjectSite, folder: str, found: Verdict) -> _Folder | None:
        dataset = self.charter.objects[found.dataset]
        counted, why, seen = ArchiveRows(), "", None
        try:
            read = read_dump_folder(site, folder, dataset, self.archives, self.register)
        except _UNREAD as error:
            why = _why(error)
        else:
            if read is None:
                return None
            counted, why, seen = read.counted, read.why, read
        self._add(site.name, found.dataset, counted)
        return _Folder(seen, archive_verdict(dataset, found.dataset, counted, why))

    def counts(self) -> list[ArchiveCount]:
        """What was read, in order."""
        return [
            ArchiveCount(
                site, name, str(self.charter.objects[name].treatment), *self._sums[site, name]
            )
            for site, name in sorted(self._sums)
        ]

    def _read(self, file: BinaryIO, dataset: ObjectDataset, counted: ArchiveRows) -> None:
        if dataset.treatment == "rewrite" and not is_rewritable(file):
            raise Unreadable(NO_REWRITE)
        counted.add(self.register, self.archives.reader(dataset).keys(file))

    def _add(self, site: str, dataset: str, counted: ArchiveRows) -> None:
        sums = self._sums.setdefault((site, dataset), [0] * 5)
        unexamined = counted.untold + counted.unknown
        more = (1, int(counted.members > 0), counted.rows, counted.members, unexamined)
        self._sums[site, dataset] = [one + other for one, other in zip(sums, more, strict=True)]


def unread(found: Verdict) -> Verdict:
    """The verdict on what is an archive's, and is not read: an unfinished upload, or what home
    has."""
    return Verdict("member", found.dataset, "", "", shared=True)


@dataclass(frozen=True)
class _Folder:
    """A dump of several files. read: None where it could not be."""

    read: DumpFolder | None
    verdict: Verdict


_UNREAD = (Unreadable, ObjectWithheld, SiteMissing, SourceChanged)


def _why(error: Exception) -> str:
    """Why an archive could not be read."""
    if isinstance(error, ObjectWithheld):
        return error.failed
    return str(error) if isinstance(error, Unreadable) else _CHANGED
