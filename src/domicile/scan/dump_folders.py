"""Whose rows lie in a ``pg_dump`` in the directory format: a folder of files, with all its versions
one archive.

A version of a file is read by what each version of the table of contents says of it, so that dumps
that were written over one another are read as each of them was made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from domicile.charter import ObjectDataset
from domicile.inventory import Archives
from domicile.people import Register
from domicile.scan.archive_rows import NO_REWRITE, ArchiveRows
from domicile.sites.archives import (
    DumpFile,
    Toc,
    Unreadable,
    dump_file,
    part_keys,
    read_blobs,
    read_toc,
)
from domicile.sites.objects import ObjectSite, ObjectVersion

__all__ = ["DumpFolder", "read_dump_folder"]

Part = tuple[DumpFile, ObjectVersion]


@dataclass(frozen=True)
class DumpFolder:
    """A folder that was read. seen: key, version id and ETag of its files as they were listed then;
    why: the reason why some of it could not be read, if any."""

    seen: frozenset[tuple[str, str, str]]
    counted: ArchiveRows
    why: str

    def has(self, version: ObjectVersion) -> bool:
        """Whether this very version was seen."""
        return _id(version) in self.seen


def read_dump_folder(
    site: ObjectSite, folder: str, dataset: ObjectDataset, archives: Archives, register: Register
) -> DumpFolder | None:
    """Read every version of a folder's files; None where no dump lies in it. Raises SiteMissing and
    SourceChanged where it went or changed meanwhile, ObjectWithheld."""
    tocs = _listed(site, folder, f"{folder}toc.dat")
    if not tocs:
        return None
    reading = _Reading(site, archives, register)
    try:
        reading.tocs = list(reading.contents(tocs))
        if not reading.tocs:
            return None
    except Unreadable as error:
        reading.why = str(error)
    parts = _listed(site, folder, folder)
    if dataset.treatment == "rewrite":
        reading.why = NO_REWRITE
    elif reading.tocs:
        reading.read(parts)
    return DumpFolder(frozenset(_id(v) for _, v in parts), reading.counted, reading.why)


def _listed(site: ObjectSite, folder: str, prefix: str) -> list[Part]:
    """The versions that are parts of a dump right in a folder."""
    named = ((dump_file(v.key), v) for page in site.versions(prefix) for v in page)
    return [
        (part, version)
        for part, version in named
        if part is not None and part.folder == folder and not version.is_marker
    ]


def _id(version: ObjectVersion) -> tuple[str, str, str]:
    return version.key, version.version_id, version.etag


@dataclass
class _Reading:
    site: ObjectSite
    archives: Archives
    register: Register
    tocs: list[Toc] = field(default_factory=list)
    counted: ArchiveRows = field(default_factory=ArchiveRows)
    why: str = ""

    def contents(self, parts: list[Part]) -> Iterator[Toc]:
        """Every version of the table of contents that is one."""
        for part, version in parts:
            if part.is_toc:
                with self.archives.fetched(self.site, version.key, version.version_id) as (file, _):
                    toc = read_toc(file, part.packed)
                if toc is not None:
                    yield toc

    def read(self, parts: list[Part]) -> None:
        """Count the rows of every version of every file, whatever is missing or can't be read of
        the others: the reason of that is kept."""
        wanted = {name for toc in self.tocs for name in toc.heads}
        for part, version in parts:
            if not part.is_toc:
                try:
                    wanted |= self._part(part, version)
                except Unreadable as error:
                    self.why = str(error)
        there = {part.name for part, _ in parts}
        if missing := len(wanted - there):
            self.why = f"{missing:,} files of it that its toc.dat names are not there"

    def _part(self, part: DumpFile, version: ObjectVersion) -> set[str]:
        """Read a file; the names of files that it names."""
        with self.archives.fetched(self.site, version.key, version.version_id) as (file, _):
            if part.lists_blobs:
                return set(read_blobs(file, part.packed))
            heads = {toc.heads[part.name] for toc in self.tocs if part.name in toc.heads}
            if not heads and not part.name.startswith("blob_"):
                raise Unreadable("its toc.dat does not name a file that is there")
            tables = self.archives.tables
            for head in heads or {""}:
                self.counted.add(self.register, part_keys(file, part, head, tables))
        return set()
