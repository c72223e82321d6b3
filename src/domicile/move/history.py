"""What earlier runs proved of home's objects: which of its versions are copies, and not its own."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from domicile.errors import EvidenceError
from domicile.inventory import Run
from domicile.sites.objects import ObjectVersion

__all__ = ["History", "read_history"]

_MUTABLE = "null"
_COLUMNS = ["key", "kind", "state", "home_version_id"]


@dataclass(frozen=True, slots=True)
class History:
    """versions: (key, home's version id) of every copy that was proven; markers: keys of which a
    delete marker was. A store without versions gives every content the same id: nothing is known
    there."""

    versions: frozenset[tuple[str, str]]
    markers: frozenset[str]

    def knows(self, version: ObjectVersion) -> bool:
        """Whether an earlier run brought this version home, or the key's delete marker."""
        if version.is_marker:
            return version.key in self.markers
        return (version.key, version.version_id) in self.versions


def read_history(run: Run, first: str, last: str) -> History:
    """The proofs of every other run for the keys from first to last. Raises EvidenceError where a
    proof cannot be read."""
    versions: set[tuple[str, str]] = set()
    markers: set[str] = set()
    for path in sorted((run.records / "runs").glob("*/verified/objects-*.parquet")):
        if path.is_relative_to(run.directory):
            continue
        try:
            table = pq.read_table(
                path,
                columns=_COLUMNS,
                filters=[("key", ">=", first), ("key", "<=", last), ("state", "==", "verified")],
            )
        except (OSError, pa.ArrowException) as error:
            raise EvidenceError(
                f"the proof {path.name} of an earlier run cannot be read",
                expected="the file as it was written",
                next_step="run `domicile ledger verify`, then restore the file",
            ) from error
        for row in table.to_pylist():
            if row["kind"] == "marker":
                markers.add(row["key"])
            elif row["home_version_id"] not in ("", _MUTABLE):
                versions.add((row["key"], row["home_version_id"]))
    return History(frozenset(versions), frozenset(markers))
