"""How shards stand: what the ledger and the proofs say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from domicile.inventory import RunEntries, read_batches
from domicile.move.entries import ShardVerified

__all__ = ["Unproven", "begun", "latest_verified", "refused", "unproven_in"]


@dataclass(frozen=True, slots=True)
class Unproven:
    """Why so many proofs of a shard failed at a site: each is of one object, or of all its rows."""

    shard: str
    site: str
    reason: str
    proofs: int


def latest_verified(entries: RunEntries) -> dict[str, ShardVerified]:
    """The last verification of each shard that the ledger holds."""
    return {body.shard: body for body in entries.of(ShardVerified)}


def unproven_in(proof: Path, shard: str) -> list[Unproven]:
    """What of a proof's file failed, by reason."""
    counts = Counter(
        (str(row["site"]), str(row["reason"]))
        for row in read_batches(proof)
        if row["state"] == "failed"
    )
    return [Unproven(shard, *which, count) for which, count in sorted(counts.items())]


def refused(entries: RunEntries, verified: Mapping[str, ShardVerified]) -> frozenset[str]:
    """Shards that an erasure found changed since their latest verification, erasing nothing. Read
    by kind, since erasing comes after moving."""
    return frozenset(
        shard
        for entry in entries.entries()
        if entry.kind == "erase.shard-refused"
        and (shard := str(getattr(entry.body, "shard", ""))) in verified
        and verified[shard].files[0].sha256 == getattr(entry.body, "verified_sha256", "")
    )


def begun(entries: RunEntries) -> frozenset[str]:
    """Shards whose erasure was begun anywhere: nothing may be copied over them any more. Read by
    kind, since erasing comes after moving."""
    return frozenset(
        str(getattr(entry.body, "shard", ""))
        for entry in entries.entries()
        if entry.kind == "erase.shard-begun"
    )
