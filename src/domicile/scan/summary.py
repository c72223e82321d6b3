"""What a scan found, as one document; and the verdict it supports. Pure."""

from __future__ import annotations

import msgspec

from domicile.scan.archives import ArchiveCount
from domicile.scan.objects import ObjectCount
from domicile.scan.tables import TableCount

__all__ = ["ScanSummary", "SiteInfo"]


class SiteInfo(msgspec.Struct, frozen=True):
    """A site as the charter describes it; about is told of offline places alone, whose kind is
    ``offline``."""

    name: str
    kind: str
    country: str
    provider: str
    role: str
    home: bool
    about: str = ""


class ScanSummary(msgspec.Struct, frozen=True):
    """One scan. Times are UTC, RFC 3339. spellings: values of the country column that are no
    country, with their rows. A relation that could not be counted has -1 rows."""

    run: str
    boundary: str
    charter_sha256: str
    started: str
    finished: str
    sites: tuple[SiteInfo, ...]
    persons: int
    members: int
    unknown_persons: int
    spellings: dict[str, int]
    tables: tuple[TableCount, ...]
    objects: tuple[ObjectCount, ...]
    archives: tuple[ArchiveCount, ...] = ()

    def _home(self) -> frozenset[str]:
        return frozenset(site.name for site in self.sites if site.home)

    @property
    def finding_rows(self) -> int:
        """Members' protected rows away from home."""
        return sum(count.members for count in self.tables if count.site not in self._home())

    @property
    def shared_rows(self) -> int:
        """Rows away from home that are members' and others' too, of whom each gets a copy."""
        return sum(count.shared for count in self.tables)

    @property
    def behind(self) -> int:
        """Those of them at the primary that home doesn't hold as they are there."""
        return sum(count.behind for count in self.tables)

    @property
    def finding_objects(self) -> int:
        """Members' protected versions, markers and uploads away from home."""
        return sum(
            count.versions + count.markers + count.uploads
            for count in self.objects
            if count.state == "member" and count.site not in self._home()
        )

    @property
    def unexamined(self) -> int:
        """Rows, versions, markers and uploads that could not be attributed, at home or away; a
        relation that could not be counted is at least one, and so is an offline place."""
        rows = sum(abs(count.unexamined) for count in self.tables)
        objects = sum(
            count.versions + count.markers + count.uploads
            for count in self.objects
            if count.state == "not examined"
        )
        return rows + objects + sum(site.kind == "offline" for site in self.sites)

    def unexamined_at(self) -> dict[tuple[str, str], int]:
        """What was not examined, by site and dataset (empty where none fits, and of offline
        places); -1 where nobody could count."""
        found = {(site.name, ""): -1 for site in self.sites if site.kind == "offline"}
        for table in self.tables:
            if table.unexamined:
                found[table.site, table.dataset] = table.unexamined
        for count in self.objects:
            if count.state == "not examined":
                number = count.versions + count.markers + count.uploads
                place = (count.site, count.dataset)
                found[place] = found.get(place, 0) + number
        return found

    @property
    def home(self) -> bool:
        """Whether everything of the members lies at home, as far as records can say: nothing of
        theirs alone found elsewhere, a copy of all that is others' too, and nothing left
        unexamined."""
        return not (self.finding_rows or self.finding_objects or self.behind or self.unexamined)
