"""Cutting objects into shards: a key with everything under it, on every site, stays together."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa

from domicile.inventory import FOUND, Estate, Run, read_batches, write_parquet
from domicile.move.plan import ObjectShard
from domicile.sites.archives import dump_file

__all__ = ["cut_objects", "key_groups", "owners_of"]

Row = dict[str, Any]
_MOST_OF_A_DUMP = 100_000
"""Items of a shard, though it cuts a dump in two: they are in memory."""


def cut_objects(estate: Estate, run: Run, shard_objects: int) -> list[ObjectShard]:
    """Write every key with members' items away from home, and what home holds under it, into
    shard files, in key order. The files of a dump in a folder stay in one shard."""
    outside = frozenset(estate.outside(estate.object_names))
    shards: list[ObjectShard] = []
    pending: list[Row] = []
    for group in key_groups(_found(estate, run)):
        if not any(row["site"] in outside for row in group):
            continue
        if len(pending) >= shard_objects and not _continues(pending, group):
            shards.append(_write(run, len(shards), pending, outside))
            pending = []
        pending += group
    if pending:
        shards.append(_write(run, len(shards), pending, outside))
    return shards


def _continues(pending: Sequence[Row], group: Sequence[Row]) -> bool:
    """Whether a key may be of the same dump in a folder as the one before it."""
    last = pending[-1]
    part = dump_file(last["key"]) if not last["person"] else None
    is_next = part is not None and str(group[0]["key"]).startswith(part.folder)
    return is_next and len(pending) < _MOST_OF_A_DUMP


def key_groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows in key order, a list a key."""
    for _, group in groupby(rows, key=itemgetter("key")):
        yield list(group)


def owners_of(groups: Iterable[Sequence[Row]]) -> dict[str, tuple[str, str]]:
    """Each key's dataset, and its person where it has one alone (else ``""``)."""
    return {
        row["key"]: (row["dataset"], "" if row["shared"] else row["person"])
        for row in (group[0] for group in groups)
    }


def _found(estate: Estate, run: Run) -> Iterator[Row]:
    """Members' items of every site, merged by key; within a key, site by site in the order they
    are brought home, newest version first."""
    streams = []
    for rank, site in enumerate(estate.object_names):
        versions = _members(run, site)
        uploads = sorted(_members(run, f"{site}.uploads"), key=_key_bytes)
        streams.append((_key_bytes(row), rank, row) for row in versions)
        streams.append((_key_bytes(row), rank, row) for row in uploads)
    for _, _, row in heapq.merge(*streams, key=lambda entry: entry[:2]):
        yield row


def _members(run: Run, name: str) -> Iterator[Row]:
    return (row for row in read_batches(run.found(name)) if row["state"] == "member")


def _key_bytes(row: Row) -> bytes:
    return str(row["key"]).encode()


def _write(run: Run, number: int, rows: list[Row], outside: frozenset[str]) -> ObjectShard:
    shard = f"objects-{number:06d}"
    write_parquet(run.shard(shard), FOUND, [pa.Table.from_pylist(rows, schema=FOUND)])
    away = [row for row in rows if row["site"] in outside]
    sites = tuple(sorted({row["site"] for row in away}))
    return ObjectShard(
        id=shard,
        keys=len({row["key"] for row in away}),
        versions=sum(row["kind"] == "version" for row in away),
        markers=sum(row["kind"] == "marker" for row in away),
        uploads=sum(row["kind"] == "upload" for row in away),
        bytes=sum(row["size_bytes"] for row in away if row["kind"] == "version"),
        sites=sites,
        items_at=tuple(sum(bool(row["site"] == site) for row in away) for site in sites),
    )
