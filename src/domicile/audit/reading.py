"""Reading a chosen shard again: at home, and where it was erased. Reads only."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from domicile.audit.statement import SiteSeen
from domicile.custody.sealing import Seal
from domicile.custody.streaming_aead import sealed_size
from domicile.erase import ShardErased
from domicile.errors import DomicileError, SiteMissing
from domicile.inventory import Workplace, read_batches
from domicile.move import (
    Plan,
    RowShard,
    ShardVerified,
    ahead_of_home,
    recorded_proofs,
    shard_digest,
)
from domicile.move.transfer import in_flight, read_content
from domicile.sites.objects import ObjectSite

__all__ = ["Shard", "compare_at_home", "read_shard"]

_AT_ONCE = 16
Row = dict[str, Any]
_Mark = Literal["as said", "sealed", "unlike", "unread"]
_Look = Callable[[ObjectSite, Row], Coroutine[object, object, tuple[_Mark, str]]]


@dataclass(frozen=True, slots=True)
class Shard:
    """What the ledger says of a shard: its last proof, the earlier ones that an erasure rests on,
    and its erasures."""

    plan: Plan
    verified: ShardVerified
    relied_on: tuple[ShardVerified, ...]
    erased: tuple[ShardErased, ...]

    @property
    def rows(self) -> RowShard | None:
        """The plan's shard, if it is one of rows."""
        return self.plan.row_shard(self.verified.shard)


def read_shard(here: Workplace, shard: Shard) -> tuple[SiteSeen, ...]:
    """What is seen of a shard now. What cannot be read says why; raises EvidenceError where a
    proof is not the one that the ledger names."""
    rows = shard.rows
    if rows is None:
        proofs = _proven(here, (*shard.relied_on, shard.verified))
        return (_objects_home(here, shard, proofs), *_objects_gone(here, shard))
    proofs = _proven(here, (shard.verified,))
    return (_rows_home(here, shard, rows, proofs), *_rows_gone(here, shard, rows))


def _proven(here: Workplace, bodies: Iterable[ShardVerified]) -> list[Row]:
    """What these proofs found equal; of an item, what the last one says."""
    found: dict[tuple[object, ...], Row] = {}
    for body in bodies:
        for path in recorded_proofs(here.run.records, body):
            for row in read_batches(path):
                if row["state"] == "verified":
                    found[row["site"], row.get("key"), row.get("home_version_id")] = row
    return list(found.values())


def _rows_home(here: Workplace, shard: Shard, rows: RowShard, proofs: Sequence[Row]) -> SiteSeen:
    home = shard.verified.home

    def look() -> SiteSeen:
        if not proofs:
            return _unproven(home, rows.rows)
        there = shard_digest(here, rows, home, at_home=True)
        if all(there.sha256 == proof["home_sha256"] for proof in proofs):
            return SiteSeen(home, "home", there.rows, there.rows, 0, 0, 0)
        then = proofs[0]["home_rows"]
        if rows.kind == "shared" and there.rows >= then and not _ahead(here, shard, rows):
            return SiteSeen(home, "home", there.rows, there.rows, 0, 0, 0)
        reason = f"{there.rows:,} rows now, {then:,} when they were proven, of another digest"
        return SiteSeen(home, "home", there.rows, 0, 0, max(there.rows, 1), 0, reason)

    return _tried(home, "home", rows.rows, look)


def _ahead(here: Workplace, shard: Shard, rows: RowShard) -> int:
    """Of rows that are others' too and go on changing: how many home does not hold as they are at
    the primary now. Later runs brought what changed."""
    return ahead_of_home(here, shard.plan, rows, rows.source)[1]


def _rows_gone(here: Workplace, shard: Shard, rows: RowShard) -> list[SiteSeen]:
    """Public projections may be left of what others refer to: they are no rows of the shard."""
    if rows.kind != "members":
        return []

    def look_at(site: str) -> Callable[[], SiteSeen]:
        def look() -> SiteSeen:
            left = shard_digest(here, rows, site, at_home=False).rows
            reason = f"{left:,} rows of members are there" if left else ""
            asked = max(rows.rows, left)
            return SiteSeen(site, "source", asked, asked - left, 0, left, 0, reason)

        return look

    sites = dict.fromkeys(body.site for body in shard.erased)
    return [_tried(site, "source", rows.rows, look_at(site)) for site in sites]


def _objects_home(here: Workplace, shard: Shard, proofs: Sequence[Row]) -> SiteSeen:
    home = shard.verified.home
    versions = [proof for proof in proofs if proof["kind"] == "version"]

    def look() -> SiteSeen:
        if not proofs:
            return _unproven(home, len(versions))
        store = here.estate.objects(home)
        store.check(write=False)  # else all that a missing bucket had is missing
        return _told(home, "home", asyncio.run(_all(store, versions, compare_at_home)))

    return _tried(home, "home", len(versions), look)


def _objects_gone(here: Workplace, shard: Shard) -> list[SiteSeen]:
    seen = []
    for site in dict.fromkeys(body.site for body in shard.erased):
        mine = [body for body in shard.erased if body.site == site]
        paths = [path for body in mine for path in recorded_proofs(here.run.records, body)]
        gone = [row for path in paths for row in read_batches(path) if _can_be_asked(row)]

        def look(site: str = site, gone: list[Row] = gone) -> SiteSeen:
            store = here.estate.objects(site)
            store.check(write=False)
            return _told(site, "source", asyncio.run(_all(store, gone, _ask)))

        seen.append(_tried(site, "source", len(gone), look))
    return seen


def _can_be_asked(row: Row) -> bool:
    """Markers and uploads hold nothing."""
    return bool(row["kind"] == "version" and row["state"] == "erased")


async def _all(store: ObjectSite, rows: Sequence[Row], one: _Look) -> list[tuple[_Mark, str]]:
    async def look(row: Row) -> tuple[_Mark, str]:
        try:
            return await one(store, row)
        except DomicileError as error:
            return "unread", error.failed

    return await in_flight(look, rows, most=_AT_ONCE)


async def compare_at_home(store: ObjectSite, proof: Row) -> tuple[_Mark, str]:
    """An object at home with its proof. A sealed one is not opened: it must be the one under the
    id that was proven, and of its size."""
    key, version = proof["key"], proof["home_version_id"]
    try:
        read = await store.read(key, version)
        seal = Seal.of(read.attributes)
        if seal is None:
            content = await read_content(store, key, version)
            equal = content.sha256 == proof["sha256"] and not proof["object_ids"]
            return ("as said", "") if equal else ("unlike", "other bytes than were proven")
    except SiteMissing:
        return "unlike", "the version that was proven is not there"
    known = seal.object_id.hex() in proof["object_ids"]
    fits = read.size_bytes == sealed_size(proof["size_bytes"])
    return ("sealed", "") if known and fits else ("unlike", "not the sealed object of the proof")


async def _ask(store: ObjectSite, gone: Row) -> tuple[_Mark, str]:
    if gone["version_id"] == "null":
        return "unread", "the store gave it no id of its own, so that nobody can ask for it"
    try:
        await store.read(gone["key"], gone["version_id"])
    except SiteMissing:
        return "as said", ""
    return "unlike", "a version that was erased can be read"


def _unproven(home: str, items: int) -> SiteSeen:
    reason = "its proofs found nothing equal"
    return SiteSeen(home, "home", items, 0, 0, 0, max(items, 1), reason)


def _told(site: str, part: Literal["home", "source"], marks: list[tuple[_Mark, str]]) -> SiteSeen:
    sums = Counter(mark for mark, _ in marks)
    reason = next((why for mark, why in marks if mark in {"unlike", "unread"}), "")
    return SiteSeen(
        site,
        part,
        len(marks),
        sums["as said"],
        sums["sealed"],
        sums["unlike"],
        sums["unread"],
        reason,
    )


def _tried(
    site: str, part: Literal["home", "source"], items: int, look: Callable[[], SiteSeen]
) -> SiteSeen:
    """What a look sees, or why it could not be taken."""
    try:
        return look()
    except DomicileError as error:
        return SiteSeen(site, part, items, 0, 0, 0, max(items, 1), error.failed)
