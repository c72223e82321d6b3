"""What of the inventory no longer opens without some persons' keys: from the proofs, which say what
lies sealed at home, and whose each object is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from domicile.inventory import Run, read_batches
from domicile.move import ShardVerified, is_of_objects, recorded_proofs

__all__ = ["Unreadable", "count_unreadable"]

_Row = Mapping[str, Any]


class Unreadable(msgspec.Struct, frozen=True):
    """Sealed versions of objects of so many persons at one home site, as the last verification of
    each proved them; bytes are the plaintext's. not_sealed: versions of theirs there that it proved
    and that are not sealed: they stay as readable as they were."""

    site: str
    dataset: str
    objects: int
    persons: int
    bytes: int
    not_sealed: int


def count_unreadable(
    records: Path, verified: Iterable[ShardVerified], persons: Collection[str]
) -> tuple[Unreadable, ...]:
    """By home site and dataset. What has several persons is not theirs alone, and not counted.

    Raises EvidenceError where a proof is not the one that the ledger names.
    """
    wanted = frozenset(persons)
    latest = {(body.run, body.shard): body for body in verified if is_of_objects(body)}
    seen: dict[tuple[str, str], dict[tuple[str, str], _Stored]] = {}
    for body in latest.values():
        owners = _owners(Run(records, body.run).shard(body.shard), wanted)
        for row in _proofs(records, body) if owners else ():
            if row["home_version_id"] and row["state"] == "verified" and row["key"] in owners:
                group = seen.setdefault((body.home, str(row["dataset"])), {})
                key, ids = str(row["key"]), row["object_ids"]
                stored = _Stored(owners[key], int(row["size_bytes"]), is_sealed=bool(ids))
                group |= {
                    (key, version): stored for version in ids or [str(row["home_version_id"])]
                }
    return tuple(_sum(*place, list(group.values())) for place, group in sorted(seen.items()))


class _Stored(NamedTuple):
    owner: str
    size_bytes: int
    is_sealed: bool


def _sum(site: str, dataset: str, stored: Sequence[_Stored]) -> Unreadable:
    sealed = [each for each in stored if each.is_sealed]
    return Unreadable(
        site,
        dataset,
        objects=len(sealed),
        persons=len({each.owner for each in sealed}),
        bytes=sum(each.size_bytes for each in sealed),
        not_sealed=len(stored) - len(sealed),
    )


def _owners(shard: Path, persons: frozenset[str]) -> dict[str, str]:
    """Keys of objects that belong to one of these persons and nobody else."""
    columns = ["key", "person", "shared"]
    return {
        str(row["key"]): str(row["person"])
        for row in read_batches(shard, columns)
        if not row["shared"] and row["person"] in persons
    }


def _proofs(records: Path, body: ShardVerified) -> Iterator[_Row]:
    for path in recorded_proofs(records, body):
        yield from read_batches(path)
