"""What a worker does: erase one unit at one site and write the result file."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from domicile.erase.entries import ShardErased
from domicile.erase.objects import OBJECTS_ERASED, erase_objects
from domicile.erase.rows import RowErasure, erase_rows
from domicile.inventory import Job, Workplace, read_batches, workplace, write_parquet
from domicile.move import ObjectShard, RowShard

__all__ = ["EraseTask", "Unit", "erase_unit", "proven_rows"]

_ROWS_ERASED = pa.schema(
    [
        pa.field("schema", pa.string(), nullable=False),
        pa.field("table", pa.string(), nullable=False),
        pa.field("before", pa.int64(), nullable=False),
        pa.field("erased", pa.int64(), nullable=False),
        pa.field("reduced", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A shard, or the row shards of a circle of tables, with the file of each one's latest
    verification (attempt and SHA-256)."""

    shards: tuple[RowShard | ObjectShard, ...]
    attempts: tuple[int, ...]
    verified_sha256: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EraseTask:
    """One unit at one site."""

    job: Job
    site: str
    unit: Unit


def erase_unit(task: EraseTask) -> int:
    """Erase the unit and write its result files; how many items are gone."""
    here = workplace(task.job)
    if isinstance(task.unit.shards[0], ObjectShard):
        return _objects(here, task)
    return _rows(here, task)


def _rows(here: Workplace, task: EraseTask) -> int:
    shards = [shard for shard in task.unit.shards if isinstance(shard, RowShard)]
    verified = {
        shard.id: proven_rows(here, shard, attempt, task.site)
        for shard, attempt in zip(shards, task.unit.attempts, strict=True)
    }
    connection, rules = here.session(task.site, read_only=False)
    erasures = {
        erasure.shard: erasure
        for erasure in erase_rows(connection, rules, task.site, shards, verified)
    }
    for shard, digest in zip(shards, task.unit.verified_sha256, strict=True):
        _write_rows(here, task.site, shard, digest, erasures[shard.id])
    return sum(erasure.erased for erasure in erasures.values())


def _write_rows(
    here: Workplace, site: str, shard: RowShard, digest: str, erasure: RowErasure
) -> None:
    row = {
        "schema": shard.schema,
        "table": shard.table,
        "before": erasure.before,
        "erased": erasure.erased,
        "reduced": erasure.reduced,
    }
    body = ShardErased(
        run=here.run.id,
        shard=shard.id,
        site=site,
        verified_sha256=digest,
        erased=erasure.erased,
        reduced=erasure.reduced,
        failed=0,
        files=(),
    )
    table = pa.Table.from_pylist([row], schema=_ROWS_ERASED)
    write_parquet(here.run.erased(shard.id, site), _ROWS_ERASED, [table], body)


def proven_rows(here: Workplace, shard: RowShard, attempt: int, site: str) -> tuple[int, str]:
    """How many rows a verification proved for a site, and their digest; none where it proved
    nothing."""
    for proof in read_batches(here.run.verified(shard.id, attempt)):
        if proof["site"] == site and proof["state"] == "verified":
            return int(str(proof["rows"])), str(proof["sha256"])
    return 0, ""


def _objects(here: Workplace, task: EraseTask) -> int:
    (shard,), (attempt,) = task.unit.shards, task.unit.attempts
    (digest,) = task.unit.verified_sha256
    proofs = list(read_batches(here.run.verified(shard.id, attempt)))
    rows = erase_objects(here.estate.objects(task.site), proofs)
    erased = sum(bool(row["state"] == "erased") for row in rows)
    body = ShardErased(
        run=here.run.id,
        shard=shard.id,
        site=task.site,
        verified_sha256=digest,
        erased=erased,
        reduced=0,
        failed=len(rows) - erased,
        files=(),
    )
    table = pa.Table.from_pylist(rows, schema=OBJECTS_ERASED)
    write_parquet(here.run.erased(shard.id, task.site), OBJECTS_ERASED, [table], body)
    return erased
