"""What earlier runs proved of home's objects: which of them are copies, and not home's own."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from domicile.errors import EvidenceError
from domicile.inventory import Run
from domicile.move.transfer import Content

__all__ = ["History", "read_history"]

_COLUMNS = ["key", "kind", "sha256"]


@dataclass(frozen=True, slots=True)
class History:
    """contents: (key, SHA-256) of every copy that was proven; markers: keys of which a delete
    marker was."""

    contents: frozenset[tuple[str, str]]
    markers: frozenset[str]

    def knows(self, key: str, content: Content | None) -> bool:
        """Whether an earlier run brought this content home, or (None) the key's delete marker."""
        return key in self.markers if content is None else (key, content.sha256) in self.contents


def read_history(run: Run, first: str, last: str) -> History:
    """The proofs of every other run for the keys from first to last. Raises EvidenceError where a
    proof cannot be read."""
    contents: set[tuple[str, str]] = set()
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
            elif row["kind"] == "version":
                contents.add((row["key"], row["sha256"]))
    return History(frozenset(contents), frozenset(markers))
