"""What a worker does: erase one unit at one site and write the result file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from domicile.erase.archives import erase_with_archives
from domicile.erase.bare import erase_bare
from domicile.erase.entries import ShardErased
from domicile.erase.foreseen import RowErasure
from domicile.erase.held import last_end
from domicile.erase.objects import OBJECTS_ERASED
from domicile.erase.rows import erase_rows
from domicile.errors import EvidenceError
from domicile.inventory import (
    Job,
    Workplace,
    digest_under,
    read_batches,
    workplace,
    write_parquet,
)
from domicile.move import ObjectShard, RowShard

__all__ = ["EraseTask", "Proven", "Unit", "erase_unit"]

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
class Proven:
    """A shard with the file of its latest verification (attempt and SHA-256), and at which attempt
    of its own the erasure is."""

    shard: RowShard | ObjectShard
    verified: int
    verified_sha256: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Unit:
    """What is erased in one go: a shard, or the row shards of a circle of tables."""

    shards: tuple[Proven, ...]


@dataclass(frozen=True, slots=True)
class EraseTask:
    """One unit at one site."""

    job: Job
    site: str
    unit: Unit


def erase_unit(task: EraseTask) -> int:
    """Erase the unit and write its result files; how many items are gone."""
    here = workplace(task.job)
    for proven in task.unit.shards:
        _check_proof(here, proven)
    (first, *_) = task.unit.shards
    if isinstance(first.shard, ObjectShard):
        return _objects(here, task.site, first, first.shard)
    return _rows(here, task)


def _check_proof(here: Workplace, proven: Proven) -> None:
    """Nothing is erased on the strength of a file that is not the recorded one."""
    path = here.run.verified(proven.shard.id, proven.verified)
    if digest_under(path, here.run.records).sha256 != proven.verified_sha256:
        raise EvidenceError(
            f"the verification of shard {proven.shard.id} is not the one in the ledger",
            expected=f"a file with SHA-256 {proven.verified_sha256[:16]}…",
            next_step="run `domicile ledger verify` and see who changed the inventory",
        )


def _rows(here: Workplace, task: EraseTask) -> int:
    shards = [p.shard for p in task.unit.shards if isinstance(p.shard, RowShard)]
    verified = {
        proven.shard.id: _proven_rows(here, proven, task.site) for proven in task.unit.shards
    }
    session = here.session(task.site, read_only=False)
    if shards[0].kind == "bare":
        done = [erase_bare(here, session, task.site, shards[0], verified[shards[0].id])]
    else:
        foreseen = here.run.foreseen(shards[0].id, task.site)
        done = erase_rows(*session, task.site, shards, verified, foreseen)
    erasures = {erasure.shard: erasure for erasure in done}
    for proven, shard in zip(task.unit.shards, shards, strict=True):
        _write_rows(here, task.site, proven, shard, erasures[shard.id])
    return sum(erasure.erased for erasure in erasures.values())


def _write_rows(
    here: Workplace, site: str, proven: Proven, shard: RowShard, erasure: RowErasure
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
        verified_sha256=proven.verified_sha256,
        erased=erasure.erased,
        reduced=erasure.reduced,
        failed=0,
        held=0,
        held_until="",
        files=(),
    )
    table = pa.Table.from_pylist([row], schema=_ROWS_ERASED)
    path = here.run.erased(shard.id, site, proven.attempt)
    write_parquet(path, _ROWS_ERASED, [table], body)


def _proven_rows(here: Workplace, proven: Proven, site: str) -> tuple[int, str]:
    """How many rows a verification proved for a site, and their digest; none where it proved
    nothing."""
    for proof in read_batches(here.run.verified(proven.shard.id, proven.verified)):
        if proof["site"] == site and proof["state"] == "verified":
            return int(str(proof["rows"])), str(proof["sha256"])
    return 0, ""


def _objects(here: Workplace, site: str, proven: Proven, shard: ObjectShard) -> int:
    proofs = list(read_batches(here.run.verified(shard.id, proven.verified)))
    store = here.estate.objects(site)
    rows = erase_with_archives(here, store, proofs)
    states = Counter(row["state"] for row in rows)
    body = ShardErased(
        run=here.run.id,
        shard=shard.id,
        site=site,
        verified_sha256=proven.verified_sha256,
        erased=states["erased"],
        reduced=0,
        failed=states["failed"],
        held=states["held"],
        held_until=last_end(row["held_until"] for row in rows if row["state"] == "held"),
        files=(),
    )
    table = pa.Table.from_pylist(rows, schema=OBJECTS_ERASED)
    path = here.run.erased(shard.id, site, proven.attempt)
    write_parquet(path, OBJECTS_ERASED, [table], body)
    return states["erased"]
