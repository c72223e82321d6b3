"""Erasing objects at a site: exactly the versions, markers and uploads that were verified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

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
    """Erase what these proofs verified at this site. A version id names content that can't
    change; where a store has none (``null``), the listing must still show what was verified, or
    the item is left alone and reported. A delete marker goes last, and stays where a version of
    its key does: without it, what was deleted could be read by its key again. Older versions go
    before newer ones, which therefore uncover none of them."""
    chosen = [proof for proof in proofs if proof["site"] == site.name]
    chosen = [proof for proof in chosen if proof["state"] == "verified"]
    left = _changed(site, [proof for proof in chosen if proof["kind"] != "upload"])
    versions = [_ref(proof) for proof in chosen if proof["kind"] == "version"]
    left |= _delete(site, [ref for ref in reversed(versions) if ref not in left])
    under = {ref.key: left[ref] for ref in versions if ref in left}
    markers = [_ref(proof) for proof in chosen if proof["kind"] == "marker"]
    left |= {ref: _hiding(ref, under[ref.key]) for ref in markers if ref.key in under}
    left |= _delete(site, [ref for ref in markers if ref not in left])
    for proof in chosen:
        if proof["kind"] == "upload":
            site.abort(Upload(proof["key"], proof["version_id"], _EPOCH, proof["size_bytes"]))
    return [result_row(proof, left.get(_ref(proof))) for proof in chosen]


def _delete(site: ObjectSite, refs: Sequence[VersionRef]) -> dict[VersionRef, DeleteFailure]:
    return {failure.ref: failure for failure in site.delete(refs)}


def _hiding(marker: VersionRef, version: DeleteFailure) -> DeleteFailure:
    """A marker that stays for the sake of the version under it."""
    hold = replace(version.hold, reason="its key has a held version") if version.hold else None
    return DeleteFailure(marker, f"a version of its key stays ({version.reason})", hold)


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
