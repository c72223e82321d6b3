"""Which object ids belong under which key at home: what proofs say, and the store does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from domicile.errors import EvidenceError

__all__ = ["Bound", "read_bindings"]

_COLUMNS = ["key", "dataset", "object_ids"]


@dataclass(slots=True)
class Bound:
    """What was proven at home under one key: its dataset, and the ids of its sealed versions, in
    hex."""

    dataset: str
    object_ids: set[str] = field(default_factory=set)


def read_bindings(records: Path, first: str, last: str) -> dict[str, Bound]:
    """What the proofs of all runs bind to the keys from first to last. Raises EvidenceError where
    a proof cannot be read."""
    found: dict[str, Bound] = {}
    for row in _rows(records, first, last):
        bound = found.setdefault(row["key"], Bound(row["dataset"]))
        bound.object_ids.update(row["object_ids"])
    return found


def _rows(records: Path, first: str, last: str) -> Iterator[dict[str, Any]]:
    for path in sorted((records / "runs").glob("*/verified/objects-*.parquet")):
        try:
            table = pq.read_table(
                path,
                columns=_COLUMNS,
                filters=[
                    ("key", ">=", first),
                    ("key", "<=", last),
                    ("state", "==", "verified"),
                    ("kind", "==", "version"),
                ],
            )
        except (OSError, pa.ArrowException) as error:
            raise EvidenceError(
                f"the proof {path.name} of a run cannot be read",
                expected="the file as it was written",
                next_step="run `domicile ledger verify`, then restore the file",
            ) from error
        yield from table.to_pylist()
