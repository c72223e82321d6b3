"""Erasing objects at a site: exactly the versions, markers and uploads that were verified."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from domicile.erase.covering import goes_last, stays_on_top
from domicile.sites.objects import (
    DeleteFailure,
    ObjectSite,
    ObjectVersion,
    Upload,
    VersionRef,
    versions_of,
)

__all__ = ["OBJECTS_ERASED", "erase_objects", "listed_versions", "result_row"]

OBJECTS_ERASED = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("version_id", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("state", pa.string(), nullable=False),  # erased, held, failed
        pa.field("reason", pa.string(), nullable=False),
        pa.field("held_until", pa.timestamp("s", tz="UTC")),  # null: nobody can say
        pa.field("rewritten_as", pa.string()),  # the version that took an archive's place
    ]
)
"""What became of each verified item of a site."""

_MUTABLE = "null"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Row = dict[str, Any]


def erase_objects(site: ObjectSite, proofs: Sequence[Row]) -> list[Row]:
    """Erase what these proofs (a key's newest first) verified at this site. A version id names
    content that can't change; where a store has none (``null``), the listing must still show what
    was verified, or the item is left alone and reported.

    No older version is uncovered, wherever this is killed: the newest item of a key and its delete
    markers go last, in requests of their own, and stay where a version under them does. No marker
    is put in their place: a later plan would take it for a deletion at the source."""
    mine = [proof for proof in proofs if proof["site"] == site.name]
    there = [p for p in mine if p["kind"] != "upload" and p["state"] in {"verified", "failed"}]
    chosen = [proof for proof in mine if proof["state"] == "verified"]
    items = [proof for proof in there if proof["state"] == "verified"]
    left = _changed(site, items)
    last = goes_last((_ref(proof), proof["kind"] == "marker") for proof in there)
    going = [ref for ref in map(_ref, items) if ref not in left]
    left |= _delete(site, [ref for ref in reversed(going) if ref not in last])
    unproven = {_ref(proof) for proof in there if proof["kind"] == "version"} - {*going}
    last &= {*going}
    left |= _on_top(site, last, left, {ref.key for ref in (*unproven, *left)})
    left |= _delete(site, [ref for ref in reversed(going) if ref in last and ref not in left])
    for proof in chosen:
        if proof["kind"] == "upload":
            site.abort(Upload(proof["key"], proof["version_id"], _EPOCH, proof["size_bytes"]))
    return [result_row(proof, left.get(_ref(proof))) for proof in chosen]


def _delete(site: ObjectSite, refs: Sequence[VersionRef]) -> dict[VersionRef, DeleteFailure]:
    return {failure.ref: failure for failure in site.delete(refs)} if refs else {}


def _on_top(
    site: ObjectSite,
    last: Collection[VersionRef],
    left: Mapping[VersionRef, DeleteFailure],
    keys: Collection[str],
) -> dict[VersionRef, DeleteFailure]:
    """Those of what goes last that stay, as these keys have something that does."""
    doubtful = sorted({ref.key for ref in last} & {*keys})
    stays: dict[VersionRef, DeleteFailure] = {}
    for versions in versions_of(site, doubtful).values():
        stays |= stays_on_top(versions, last, left)
    return stays


def listed_versions(site: ObjectSite, keys: Sequence[str]) -> dict[VersionRef, ObjectVersion]:
    """What a store lists under these keys (in key order)."""
    found = versions_of(site, keys).values()
    return {VersionRef(one.key, one.version_id): one for versions in found for one in versions}


def _changed(site: ObjectSite, proofs: Sequence[Row]) -> dict[VersionRef, DeleteFailure]:
    """Items without a version id of their own whose listing is no longer the verified one."""
    mutable = [proof for proof in proofs if proof["version_id"] == _MUTABLE]
    there = listed_versions(site, [proof["key"] for proof in mutable])
    changed: dict[VersionRef, DeleteFailure] = {}
    for proof in mutable:
        now = there.get(_ref(proof))
        if now is not None and (now.etag, now.size_bytes, now.is_marker) != (
            proof["etag"],
            proof["size_bytes"],
            proof["kind"] == "marker",
        ):
            reason = "it changed since it was verified"
            changed[_ref(proof)] = DeleteFailure(_ref(proof), reason)
    return changed


def _ref(proof: Row) -> VersionRef:
    return VersionRef(proof["key"], proof["version_id"])


def result_row(proof: Row, failure: DeleteFailure | None) -> Row:
    """What became of one proof's item: erased, or why not."""
    hold = failure.hold if failure else None
    reason = hold.reason if hold else failure.reason if failure else ""
    return {
        "kind": proof["kind"],
        "key": proof["key"],
        "version_id": proof["version_id"],
        "dataset": proof["dataset"],
        "size_bytes": proof["size_bytes"],
        "state": "held" if hold else "failed" if failure else "erased",
        "reason": reason,
        "held_until": hold.until if hold else None,
        "rewritten_as": None,
    }
