"""A run and its files: scan, plan, shards, and one result file per step of a shard.

::

    runs/<run>/charter.toml            the text in force
    runs/<run>/people.parquet          the frozen register
    runs/<run>/found/...               what the scan found
    runs/<run>/plan.json               what was shown
    runs/<run>/grants.sql              what home's application may need to be granted; of several
                                       sources, grants.<site>.sql
    runs/<run>/shards/<shard>.parquet  what the plan cut, where a shard needs a file
    runs/<run>/copied/<shard>.parquet  and verified/, erased/<shard>@<site>, absent/<site>
    cache/<run>/...                    may be thrown away at any time

A step of a shard is done when its result file exists and the ledger holds its digest.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

__all__ = ["Run", "new_run_id"]


def new_run_id(now: datetime) -> str:
    """A name that sorts by time."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True)
class Run:
    """Where one run's files lie. records: the records directory. cache: where that of runs lies;
    in the records without it."""

    records: Path
    id: str
    cache: Path | None = None

    @property
    def directory(self) -> Path:
        """The run's own directory."""
        return self.records / "runs" / self.id

    @property
    def people(self) -> Path:
        """The frozen register."""
        return self.directory / "people.parquet"

    @property
    def people_index(self) -> Path:
        """Its look-up index, which can be made again."""
        return (self.cache or self.records / "cache") / self.id / "people.sqlite"

    @property
    def key_index(self) -> Path:
        """The keys that database columns name, which can be indexed again."""
        return self.people_index.with_name("keys.sqlite")

    @property
    def charter(self) -> Path:
        """The charter's text in force."""
        return self.directory / "charter.toml"

    @property
    def plan(self) -> Path:
        """The plan as it was shown."""
        return self.directory / "plan.json"

    def grants(self, source: str = "") -> Path:
        """A source's grants, which do not come home. source: its site, where there are several."""
        return self.directory / (f"grants.{source}.sql" if source else "grants.sql")

    def all_grants(self) -> list[Path]:
        """The sources' grants that were written."""
        return sorted(self.directory.glob("grants*.sql"))

    @property
    def scan(self) -> Path:
        """The scan's summary."""
        return self.directory / "found" / "summary.json"

    def found(self, name: str) -> Path:
        """A file of what the scan found."""
        return self.directory / "found" / f"{name}.parquet"

    def shard(self, shard: str) -> Path:
        """What a shard consists of."""
        return self.directory / "shards" / f"{shard}.parquet"

    def copied(self, shard: str) -> Path:
        """What was copied home."""
        return self.directory / "copied" / f"{shard}.parquet"

    def verified(self, shard: str, attempt: int) -> Path:
        """What was read back and compared, at this attempt (the latest counts)."""
        return self.directory / "verified" / f"{shard}.{attempt:03d}.parquet"

    def erased(self, shard: str, site: str, attempt: int) -> Path:
        """What was erased at a site, at this attempt."""
        return self.directory / "erased" / f"{shard}@{site}.{attempt:03d}.parquet"

    def foreseen(self, shard: str, site: str) -> Path:
        """What an erasure is about to do with a shard, and those erased in one with it: for who
        finds it done and not told. The ledger does not name it."""
        return self.directory / "foreseen" / f"{shard}@{site}.json"

    def absent(self, site: str, look: int, mark: str) -> Path:
        """What was seen when a site was looked at again, for the look-th time. mark: random, since
        two may look at once, and what the ledger names is never replaced."""
        return self.directory / "absent" / f"{site}.{look:03d}-{mark}.json"

    def back(self, name: str, look: int, mark: str) -> Path:
        """Members' objects found at a site at this look, versions or uploads; mark as above."""
        return self.directory / "absent" / f"{name}.{look:03d}-{mark}.parquet"

    def certificate(self, site: str, certificate: str) -> Path:
        """A signed certificate of a site's erasure."""
        return self.directory / "certificates" / f"{site}.{certificate}.dsse.json"
