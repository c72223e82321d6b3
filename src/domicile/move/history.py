"""What runs proved of home's objects: which of them are copies, and not home's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from domicile.errors import EvidenceError
from domicile.inventory import Run, digest_under
from domicile.ledger import Body, Entry, files_of
from domicile.move.entries import Planned, ShardVerified
from domicile.move.plan import Plan
from domicile.move.planning import load_plan
from domicile.move.transfer import Content

__all__ = ["History", "is_of_objects", "proven", "read_history", "recorded_plan", "recorded_proofs"]

_OBJECTS = "objects-"


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
    """The proofs of every other run for the keys from first to last. Raises like `proven`."""
    paths = sorted((run.records / "runs").glob("*/verified/objects-*.parquet"))
    others = [path for path in paths if not path.is_relative_to(run.directory)]
    contents: set[tuple[str, str]] = set()
    markers: set[str] = set()
    columns = ["key", "kind", "sha256"]
    for row in proven(others, columns, first, last):
        if row["kind"] == "marker":
            markers.add(row["key"])
        elif row["kind"] == "version":
            contents.add((row["key"], row["sha256"]))
    return History(frozenset(contents), frozenset(markers))


def is_of_objects(body: ShardVerified) -> bool:
    """Whether a verification is of a shard of objects."""
    return body.shard.startswith(_OBJECTS)


def recorded_proofs(records: Path, body: Body) -> list[Path]:
    """The files of a verification, or of another entry, each found to be the one that the ledger
    names. Raises EvidenceError where one is not."""
    for file in files_of(body):
        if digest_under(records / file.path, records).sha256 != file.sha256:
            what = "verification" if isinstance(body, ShardVerified) else "file"
            raise EvidenceError(
                f"the {what} of shard {getattr(body, 'shard', '')} is not the one in the ledger",
                expected=f"a file with SHA-256 {file.sha256[:16]}…",
                next_step="run `domicile ledger verify` and see who changed the inventory",
            )
    return [records / file.path for file in files_of(body)]


def recorded_plan(run: Run, entries: Iterable[Entry]) -> Plan:
    """The plan of a run, found to be the one that these entries name. Raises EvidenceError where
    it is not."""
    named = {
        file.sha256
        for entry in entries
        if isinstance(entry.body, Planned) and entry.body.run == run.id
        for file in entry.body.files
    }
    if digest_under(run.plan, run.records).sha256 not in named:
        raise EvidenceError(
            f"the plan of run {run.id} is not the one in the ledger",
            expected="the file as it was written",
            next_step="run `domicile ledger verify` and see who changed the inventory",
        )
    return load_plan(run)


def proven(
    proofs: Iterable[Path], columns: Sequence[str], first: str, last: str
) -> Iterator[dict[str, Any]]:
    """What these files prove of the keys from first to last. Raises EvidenceError where one cannot
    be read."""
    for path in proofs:
        try:
            table = pq.read_table(
                path,
                columns=list(columns),
                filters=[("key", ">=", first), ("key", "<=", last), ("state", "==", "verified")],
            )
        except (OSError, pa.ArrowException) as error:
            raise EvidenceError(
                f"the proof {path.name} of a run cannot be read",
                expected="the file as it was written",
                next_step="run `domicile ledger verify`, then restore the file",
            ) from error
        yield from table.to_pylist()
