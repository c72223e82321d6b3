"""What a shred makes unreadable is counted from the proofs that the ledger names."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from domicile.erase.unreadable import Unreadable, count_unreadable
from domicile.errors import EvidenceError
from domicile.inventory import FOUND, Run, announce, write_parquet
from domicile.move import ShardVerified
from domicile.move.object_proof import OBJECT_PROOF

Row = dict[str, Any]
FILL = {"string": "", "bool": False, "int64": 0}


def filled(schema: pa.Schema, row: Row) -> Row:
    empty = {field.name: FILL.get(str(field.type)) for field in schema}
    moment = {"modified": datetime(2026, 1, 2, tzinfo=UTC)} if "modified" in empty else {}
    return {**empty, **moment, **row}


def verified(
    records: Path, found: list[Row], proofs: list[Row], run: str = "one", attempt: int = 1
) -> ShardVerified:
    here = Run(records, run)
    rows = [filled(FOUND, row) for row in found]
    write_parquet(here.shard("objects-000000"), FOUND, [pa.Table.from_pylist(rows, schema=FOUND)])
    body = ShardVerified(run, "objects-000000", "oracle", ("virginia",), (), 1, 0, ())
    rows = [filled(OBJECT_PROOF, {"state": "verified", **row}) for row in proofs]
    table = pa.Table.from_pylist(rows, schema=OBJECT_PROOF)
    path = here.verified("objects-000000", attempt)
    write_parquet(path, OBJECT_PROOF, [table], body)
    return announce(path, records, ShardVerified)


def proof(key: str, version: str, *, sealed: bool = True, **more: object) -> Row:
    plain = {"key": key, "home_version_id": version, "dataset": "videos", "size_bytes": 10}
    return {**plain, "object_ids": [f"{plain['home_version_id']}-id"] if sealed else [], **more}


def found(key: str, person: str, *, shared: bool = False) -> Row:
    return {"key": key, "person": person, "shared": shared}


def test_sealed_versions_of_these_persons_alone_are_counted(tmp_path: Path) -> None:
    items = [
        found("a", "anna"),
        found("b", "ben"),
        found("c", "carl"),
        found("ab", "anna", shared=True),
    ]
    proofs = [
        proof("a", "1"),
        proof("a", "2"),
        proof("a", "2", site="singapore"),  # the same version at home, proven from a copy too
        proof("a", "3", sealed=False),
        proof("a", "4", state="failed"),
        proof("a", "", state="gone"),
        proof("b", "1", dataset="drafts"),
        proof("c", "1"),
        proof("ab", "1"),
    ]
    bodies = [verified(tmp_path, items, proofs)]
    assert count_unreadable(tmp_path, bodies, ["anna", "ben"]) == (
        Unreadable("oracle", "drafts", objects=1, persons=1, bytes=10, not_sealed=0),
        Unreadable("oracle", "videos", objects=2, persons=1, bytes=20, not_sealed=1),
    )
    assert count_unreadable(tmp_path, bodies, ["dora"]) == ()
    assert count_unreadable(tmp_path, [], ["anna"]) == ()


def test_the_last_verification_counts_and_a_version_counts_once_over_all_runs(
    tmp_path: Path,
) -> None:
    items = [found("a", "anna")]
    bodies = [
        verified(tmp_path, items, [proof("a", "1", sealed=False)]),
        verified(tmp_path, items, [proof("a", "1")], attempt=2),
        verified(tmp_path, items, [proof("a", "1"), proof("a", "2")], run="two"),
    ]
    (counted,) = count_unreadable(tmp_path, bodies, ["anna"])
    assert (counted.objects, counted.not_sealed) == (2, 0)


def test_a_proof_that_is_not_the_recorded_one_counts_for_nothing(tmp_path: Path) -> None:
    items = [found("a", "anna")]
    recorded = verified(tmp_path, items, [proof("a", "1")])
    (tmp_path / recorded.files[0].path).unlink()
    verified(tmp_path, items, [proof("a", "1"), proof("a", "2")])
    with pytest.raises(EvidenceError, match="not the one in the ledger"):
        count_unreadable(tmp_path, [recorded], ["anna"])
