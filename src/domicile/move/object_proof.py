"""Proving objects: every version away from home is read again, and so is home; nothing that the
copy recorded is believed.

A version is verified where home holds, under the same key, a version with the same bytes and the
same attributes. A key is where it should be when home's current version equals the primary's (or
both are deleted); until then nothing of the key is verified.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from domicile.custody.sealing import SealedStore
from domicile.errors import ObjectWithheld, SiteMissing
from domicile.inventory import Workplace, read_batches
from domicile.move.chains import key_groups, owners_of
from domicile.move.plan import ObjectShard, Plan
from domicile.move.transfer import (
    UNREADABLE,
    Budget,
    Content,
    in_flight,
    read_content,
    read_home,
)
from domicile.sites.objects import ObjectSite, ObjectVersion, versions_of

__all__ = ["OBJECT_PROOF", "prove_objects"]

OBJECT_PROOF = pa.schema(
    [
        pa.field("site", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # version, marker or upload
        pa.field("key", pa.string(), nullable=False),
        pa.field("version_id", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("etag", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("home_version_id", pa.string(), nullable=False),
        pa.field("object_ids", pa.list_(pa.string()), nullable=False),
        pa.field("state", pa.string(), nullable=False),  # verified, gone or failed
        pa.field("reason", pa.string(), nullable=False),
    ]
)
"""One version, marker or upload away from home and what was proven of it. Markers and unfinished
uploads hold no readable content: they are verified with their key. object_ids: those, in hex, of
every sealed version at home that equals it; home_version_id is one of these versions."""

Row = dict[str, Any]


def prove_objects(here: Workplace, plan: Plan, shard: ObjectShard) -> list[Row]:
    """Read a shard's versions on every site and at home, and compare."""
    groups = list(key_groups(read_batches(here.run.shard(shard.id))))
    home = here.home_objects(owners_of(groups))
    stored = versions_of(home, [str(group[0]["key"]) for group in groups])
    proofs = asyncio.run(_Prover(here, plan, home, stored).prove_all(groups))
    return [row for group in proofs for row in group]


@dataclass
class _Prover:
    here: Workplace
    plan: Plan
    home: ObjectSite
    stored: Mapping[str, Sequence[ObjectVersion]]
    budget: Budget = field(init=False)

    async def prove_all(self, groups: Sequence[Sequence[Row]]) -> list[list[Row]]:
        self.budget = Budget()
        return await in_flight(self.prove_key, groups)

    async def prove_key(self, group: Sequence[Row]) -> list[Row]:
        key = str(group[0]["key"])
        home_site = str(self.plan.home_objects)
        stored = self.stored.get(key, ())
        home = [
            (version, await self._read(home_site, key, version.version_id, version.size_bytes))
            for version in stored
            if not version.is_marker
        ]
        away = [row for row in group if row["site"] != home_site]
        proofs = [await self._prove(row, home) for row in away]
        wrong = self._wrong_current(away, proofs, stored)
        return [_failed(proof, wrong) if wrong else proof for proof in proofs]

    async def _prove(self, row: Row, home: Sequence[tuple[ObjectVersion, Content | None]]) -> Row:
        if row["kind"] != "version":
            return _proof(row, "verified")
        try:
            content = await self._read(
                row["site"], row["key"], row["version_id"], row["size_bytes"]
            )
        except ObjectWithheld as error:
            return _proof(row, "failed", reason=error.failed)
        if content is None:
            return _proof(row, "gone")
        equal = [version for version, there in home if there == content]
        if not equal:
            return _proof(row, "failed", content, reason=_unlike(content, [c for _, c in home]))
        proof = _proof(row, "verified", content, equal[0].version_id)
        return {**proof, "object_ids": self._object_ids(equal)}

    def _object_ids(self, versions: Sequence[ObjectVersion]) -> list[str]:
        if not isinstance(self.home, SealedStore):
            return []
        seals = self.home.seals
        return [seals[version.key, version.version_id].object_id.hex() for version in versions]

    async def _read(self, site: str, key: str, version_id: str, size_bytes: int) -> Content | None:
        async with self.budget.take(size_bytes):
            try:
                if site == self.plan.home_objects:
                    return await read_home(self.home, key, version_id)
                return await read_content(self.here.estate.objects(site), key, version_id)
            except SiteMissing:
                return None

    def _wrong_current(
        self, away: Sequence[Row], proofs: Sequence[Row], stored: Sequence[ObjectVersion]
    ) -> str:
        """Why home's current state of the key is not the primary's, if it is not."""
        order = [n for n in self.here.estate.object_names if n != self.plan.home_objects]
        latest = [
            (row, proof)
            for row, proof in zip(away, proofs, strict=True)
            if row["site"] == order[-1] and row["is_latest"] and row["kind"] != "upload"
        ]
        if not latest or latest[0][1]["state"] == "gone":
            return ""
        row, proof = latest[0]
        current = next((version for version in stored if version.is_latest), None)
        if row["kind"] == "marker":
            deleted = current is None or current.is_marker
            return "" if deleted else "the source deleted this key, home has it as current"
        if proof["state"] == "failed" or current is None or current.is_marker:
            return str(proof["reason"]) or "home does not have this key as current"
        same = proof["home_version_id"] == current.version_id
        return "" if same else "home's current version is not the source's"


def _unlike(content: Content, home: Sequence[Content | None]) -> str:
    """Why none of home's contents is this one."""
    if any(there and there.sha256 == content.sha256 for there in home):
        return "home has these bytes with other attributes, or not sealed"
    if UNREADABLE in home:
        return "home's version cannot be opened"
    return "home has no equal version"


def _proof(
    row: Row,
    state: str,
    content: Content | None = None,
    home_version: str = "",
    reason: str = "",
) -> Row:
    return {
        "site": row["site"],
        "kind": row["kind"],
        "key": row["key"],
        "version_id": row["version_id"],
        "dataset": row["dataset"],
        "size_bytes": row["size_bytes"],
        "etag": row["etag"],
        "sha256": content.sha256 if content else "",
        "home_version_id": home_version,
        "object_ids": [],
        "state": state,
        "reason": reason,
    }


def _failed(proof: Row, reason: str) -> Row:
    if proof["state"] == "gone":
        return proof
    return {**proof, "state": "failed", "reason": proof["reason"] or reason}
