"""Whose rows lie in an archive: every row of it is read and looked up."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

import msgspec

from domicile.charter import Charter, ObjectDataset
from domicile.errors import ObjectWithheld, SiteMissing, SourceChanged
from domicile.inventory import Archives, memberships
from domicile.people import Register
from domicile.scan.attribution import Verdict
from domicile.sites.archives import Key, Unreadable, is_rewritable
from domicile.sites.objects import ObjectSite, ObjectVersion

__all__ = ["ArchiveCount", "ArchiveJudge", "unread"]

_AT_ONCE = 2_000
_NO_REWRITE = (
    "it is no export that can be rewritten: give such archives a dataset with treatment erase"
)
_UNTOLD = (
    "rows of it do not tell whose they are, and none that do is a member's: have its owner attest"
    " it, or put it under a dataset that is erased"
)
_UNKNOWN = "rows of it name persons whom no site knows, or whose country nobody wrote down"


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
class _Rows:
    rows: int = 0
    members: int = 0
    untold: int = 0
    unknown: int = 0


@dataclass
class ArchiveJudge:
    """Judges archives of one site. What lies at home is at home, and is not read."""

    charter: Charter
    archives: Archives
    register: Register
    _sums: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def judge(self, site: ObjectSite, version: ObjectVersion, found: Verdict) -> Verdict:
        """What an archive is, from its rows: a member's if any row is. Delete markers are nobody's,
        or an older archive of others would come back."""
        if version.is_marker:
            return Verdict("other", found.dataset, "", "")
        if self.archives.estate.is_home(site.name):
            return unread(found)
        dataset = self.charter.objects[found.dataset]
        counted, why = _Rows(), ""
        try:
            with self.archives.fetched(site, version.key, version.version_id) as (file, _):
                self._read(file, dataset, counted)
        except Unreadable as error:
            why = str(error)
        except ObjectWithheld as error:
            why = error.failed
        except (SiteMissing, SourceChanged):
            why = "it went or changed while it was read: scan again"
        self._add(site.name, found.dataset, counted)
        return _verdict(dataset, found.dataset, counted, why)

    def counts(self) -> list[ArchiveCount]:
        """What was read, in order."""
        return [
            ArchiveCount(
                site, name, str(self.charter.objects[name].treatment), *self._sums[site, name]
            )
            for site, name in sorted(self._sums)
        ]

    def _read(self, file: BinaryIO, dataset: ObjectDataset, counted: _Rows) -> None:
        if dataset.treatment == "rewrite" and not is_rewritable(file):
            raise Unreadable(_NO_REWRITE)
        keys = self.archives.reader(dataset).keys(file)
        while batch := list(islice(keys, _AT_ONCE)):
            self._count(counted, batch)

    def _count(self, counted: _Rows, batch: list[Key]) -> None:
        whose = memberships(self.register, batch)
        counted.rows += len(batch)
        counted.members += whose.count(True)
        counted.untold += whose.count("untold")
        counted.unknown += whose.count(None)

    def _add(self, site: str, dataset: str, counted: _Rows) -> None:
        sums = self._sums.setdefault((site, dataset), [0] * 5)
        unexamined = counted.untold + counted.unknown
        more = (1, int(counted.members > 0), counted.rows, counted.members, unexamined)
        self._sums[site, dataset] = [one + other for one, other in zip(sums, more, strict=True)]


def unread(found: Verdict) -> Verdict:
    """The verdict on what is an archive's, and is not read: an unfinished upload, or what home
    has."""
    return Verdict("member", found.dataset, "", "", shared=True)


def _verdict(dataset: ObjectDataset, name: str, counted: _Rows, why: str) -> Verdict:
    if counted.members and not (why and dataset.treatment == "rewrite"):
        return Verdict("member", name, "", "", shared=True)
    reason = why or (_UNTOLD if counted.untold else _UNKNOWN if counted.unknown else "")
    return Verdict("not examined" if reason else "other", name, "", reason)
