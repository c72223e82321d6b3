"""What a worker does with one shard: the step, and its result file. Ledger entries are the
sequencer's, from the files alone."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from domicile.inventory import Job, Workplace, workplace, write_bytes, write_parquet
from domicile.move.entries import ShardCopied, ShardVerified
from domicile.move.object_proof import OBJECT_PROOF, prove_objects
from domicile.move.objects import COPIED, copy_objects
from domicile.move.plan import ObjectShard, Plan, RowShard
from domicile.move.row_proof import ROW_PROOF, prove_rows
from domicile.move.rows import copy_rows

__all__ = ["ShardTask", "copy_shard", "verify_shard"]

_ROWS_COPIED = pa.schema(
    [
        pa.field("schema", pa.string(), nullable=False),
        pa.field("table", pa.string(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class ShardTask:
    """One step of one shard. plan_head is the plan without its shards and tables, which a worker
    does not need. fresh, guarded: see `copy_rows`. attempt: verification's, from 1. recopy: whether
    a difference may be mended by copying again."""

    job: Job
    plan_head: Plan
    shard: RowShard | ObjectShard
    fresh: bool = False
    attempt: int = 1
    recopy: bool = False
    guarded: frozenset[str] = frozenset()


def copy_shard(task: ShardTask) -> int:
    """Copy a shard home and write its result file; the bytes copied."""
    here = workplace(task.job)
    shard = task.shard
    if isinstance(shard, RowShard):
        return _copy_rows(here, task, shard)
    return _copy_objects(here, task, shard)


def verify_shard(task: ShardTask) -> int:
    """Read a shard back on both sides and write the proof's file; how many items failed."""
    here = workplace(task.job)
    shard = task.shard
    proofs = _prove(here, task)
    for _ in range(2):
        if not task.recopy or not any(_differs(task, proof) for proof in proofs):
            break
        before = proofs
        _copy_again(here, task)
        proofs = _prove(here, task)
        if proofs == before:
            break
    schema = ROW_PROOF if isinstance(shard, RowShard) else OBJECT_PROOF
    states: dict[str, set[object]] = {}
    for proof in proofs:
        states.setdefault(str(proof["site"]), set()).add(proof["state"])
    failed = _weigh(shard, proofs, "failed")
    body = ShardVerified(
        run=here.run.id,
        shard=shard.id,
        home=_home(task, shard),
        sites=tuple(sorted(site for site, seen in states.items() if "failed" not in seen)),
        partly=tuple(
            sorted(site for site, seen in states.items() if seen >= {"failed", "verified"})
        ),
        verified=_weigh(shard, proofs, "verified"),
        failed=failed,
        files=(),
    )
    path = here.run.verified(shard.id, task.attempt)
    write_parquet(path, schema, [pa.Table.from_pylist(proofs, schema=schema)], body)
    return failed


def _differs(task: ShardTask, proof: dict[str, object]) -> bool:
    """Whether copying again may mend something. Rows that home holds beyond the source's may be
    those that the source deleted since the copy."""
    if proof["state"] == "failed":
        return True
    if not isinstance(task.shard, RowShard) or task.job.run in task.guarded:
        return False
    return proof["sha256"] != proof["home_sha256"] and proof["site"] == task.shard.source


def _copy_rows(here: Workplace, task: ShardTask, shard: RowShard) -> int:
    result = copy_rows(here, task.plan_head, shard, fresh=task.fresh, guarded=task.guarded)
    body = ShardCopied(
        run=here.run.id,
        shard=shard.id,
        source=shard.source,
        home=_home(task, shard),
        items=result.rows,
        bytes=result.size_bytes,
        files=(),
    )
    row = {
        "schema": shard.schema,
        "table": shard.table,
        "rows": result.rows,
        "bytes": result.size_bytes,
        "sha256": result.sha256,
    }
    table = pa.Table.from_pylist([row], schema=_ROWS_COPIED)
    write_parquet(here.run.copied(shard.id), _ROWS_COPIED, [table], body)
    return result.size_bytes


def _copy_objects(here: Workplace, task: ShardTask, shard: ObjectShard) -> int:
    begun = here.run.people_index.with_name("begun") / shard.id
    careful = task.recopy or begun.exists()
    write_bytes(begun, b"")
    rows = copy_objects(here, task.plan_head, shard, careful=careful)
    copied = [row for row in rows if row["state"] == "copied"]
    size_bytes = sum(int(row["size_bytes"]) for row in copied)
    body = ShardCopied(
        run=here.run.id,
        shard=shard.id,
        source=",".join(shard.sites),
        home=str(task.plan_head.home_objects),
        items=sum(row["state"] in {"copied", "twin"} for row in rows),
        bytes=size_bytes,
        files=(),
    )
    table = pa.Table.from_pylist(rows, schema=COPIED)
    write_parquet(here.run.copied(shard.id), COPIED, [table], body)
    return size_bytes


def _prove(here: Workplace, task: ShardTask) -> list[dict[str, object]]:
    if isinstance(task.shard, RowShard):
        return prove_rows(here, task.plan_head, task.shard)
    return prove_objects(here, task.plan_head, task.shard)


def _copy_again(here: Workplace, task: ShardTask) -> None:
    """Mend a difference at home; what the first copy recorded stays as it was announced."""
    if isinstance(task.shard, RowShard):
        copy_rows(here, task.plan_head, task.shard, fresh=False, guarded=task.guarded)
    else:
        copy_objects(here, task.plan_head, task.shard, careful=True)


def _home(task: ShardTask, shard: RowShard | ObjectShard) -> str:
    plan = task.plan_head
    return plan.home_of(shard) if isinstance(shard, RowShard) else str(plan.home_objects)


def _weigh(shard: RowShard | ObjectShard, proofs: list[dict[str, object]], state: str) -> int:
    chosen = [proof for proof in proofs if proof["state"] == state]
    if isinstance(shard, RowShard):
        return sum(max(int(str(proof["rows"])), 1) for proof in chosen)
    return len(chosen)
