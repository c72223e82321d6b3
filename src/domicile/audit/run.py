"""An audit from its checkpoint to its signed statement. Nothing is written but that statement: the
records are read without the ledger's lock, and look-ups are made in a temporary directory."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

import domicile
from domicile.audit.choice import RULE, chosen_shards, eligible_shards, list_sha256
from domicile.audit.key import AuditKey
from domicile.audit.reading import Shard, read_shard
from domicile.audit.statement import AUDIT_TYPE, Audited, AuditStatement
from domicile.erase import ShardErased
from domicile.erase.certificate import envelope
from domicile.inventory import Estate, Workplace
from domicile.ledger import Entry
from domicile.move import ShardVerified, recorded_plan, recorded_proofs
from domicile.people.entries import PeopleFrozen

__all__ = ["Head", "run_audit"]

_FORMAT = "domicile audit 1"


@dataclass(frozen=True, slots=True)
class Head:
    """A checkpoint that was verified."""

    origin: str
    size: int
    root: str
    checkpoint: str


def run_audit(
    estate: Estate, head: Head, entries: Sequence[Entry], number: int, key: AuditKey
) -> tuple[AuditStatement, bytes]:
    """Choose so many shards by a verified head, read them again, and sign; the statement, and the
    file's bytes. entries: all of those under the head.

    Raises EvidenceError where a file that the ledger names is not the one that is here.
    """
    began = _now()
    shards = eligible_shards(entries)
    names = chosen_shards(shards, bytes.fromhex(head.root), number)
    with tempfile.TemporaryDirectory(prefix="domicile-audit-") as cache:
        chosen = tuple(_audit(estate, entries, name, Path(cache)) for name in names)
    statement = AuditStatement(
        format=_FORMAT,
        boundary=estate.boundary_name,
        auditor=key.public,
        tool=f"domicile {domicile.__version__}",
        began=began,
        ended=_now(),
        ledger_origin=head.origin,
        ledger_size=head.size,
        ledger_root=head.root,
        checkpoint=head.checkpoint,
        rule=RULE,
        shards=len(shards),
        shards_sha256=list_sha256(shards),
        chosen=chosen,
        holds=bool(chosen) and all(_holds(one) for one in chosen),
    )
    signed = envelope(statement, key.public, key.sign, AUDIT_TYPE)
    return statement, msgspec.json.format(msgspec.json.encode(signed))


def _holds(one: Audited) -> bool:
    return all(seen.holds for seen in one.seen)


def _audit(estate: Estate, entries: Sequence[Entry], name: str, cache: Path) -> Audited:
    run, _, shard = name.partition("/")
    *earlier, (proven, verified) = [
        (entry.time, entry.body)
        for entry in entries
        if isinstance(entry.body, ShardVerified)
        and (entry.body.run, entry.body.shard) == (run, shard)
    ]
    here = Workplace(estate.job(run))
    here.run = replace(here.run, cache=cache)
    for entry in entries:  # by its register the members' rows are told
        if isinstance(entry.body, PeopleFrozen) and entry.body.run == run:
            recorded_proofs(here.run.records, entry.body)
    erased = _erased(entries, verified)
    needed = {body.verified_sha256 for body in erased}
    relied_on = tuple(body for _, body in earlier if body.files[0].sha256 in needed)
    told = Shard(recorded_plan(here.run, entries), verified, relied_on, erased)
    try:
        seen = read_shard(here, told)
    finally:
        here.close()
    return Audited(
        run=run,
        shard=shard,
        kind="objects" if told.rows is None else "rows",
        verified_sha256=verified.files[0].sha256,
        proven=proven.isoformat(timespec="seconds"),
        seen=seen,
    )


def _erased(entries: Sequence[Entry], verified: ShardVerified) -> tuple[ShardErased, ...]:
    return tuple(
        entry.body
        for entry in entries
        if isinstance(entry.body, ShardErased)
        and (entry.body.run, entry.body.shard) == (verified.run, verified.shard)
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
