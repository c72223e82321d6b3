"""Erasing objects at a site: exactly the versions, markers and uploads that were verified."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from domicile.sites.objects import ObjectSite, ObjectVersion, Upload, VersionRef

__all__ = ["OBJECTS_ERASED", "erase_objects", "listed_range"]

OBJECTS_ERASED = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("version_id", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("state", pa.string(), nullable=False),  # erased, failed
        pa.field("reason", pa.string(), nullable=False),
    ]
)
"""What became of each verified item of a site."""

_MUTABLE = "null"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Row = dict[str, Any]


def erase_objects(site: ObjectSite, proofs: Sequence[Row]) -> list[Row]:
    """Erase what these proofs verified at this site. A version id names content that can't
    change; where a store has none (``null``), the listing must still show what was verified, or
    the item is left alone and reported."""
    chosen = [proof for proof in proofs if proof["site"] == site.name]
    chosen = [proof for proof in chosen if proof["state"] == "verified"]
    changed = _changed(site, [proof for proof in chosen if proof["kind"] != "upload"])
    refs = [
        VersionRef(proof["key"], proof["version_id"])
        for proof in chosen
        if proof["kind"] != "upload" and _ref(proof) not in changed
    ]
    failures = {failure.ref: failure.reason for failure in site.delete(refs)}
    for proof in chosen:
        if proof["kind"] == "upload":
            site.abort(Upload(proof["key"], proof["version_id"], _EPOCH, proof["size_bytes"]))
    return [_row(proof, changed.get(_ref(proof)) or failures.get(_ref(proof))) for proof in chosen]


def listed_range(site: ObjectSite, keys: Sequence[str]) -> dict[VersionRef, ObjectVersion]:
    """What a store lists under these keys (in key order)."""
    wanted = set(keys)
    found: dict[VersionRef, ObjectVersion] = {}
    if not keys:
        return found
    last = keys[-1].encode()
    for page in site.versions(after=keys[0][:-1]):
        for version in page:
            if version.key in wanted:
                found[VersionRef(version.key, version.version_id)] = version
        if page and page[-1].key.encode() > last:
            break
    return found


def _changed(site: ObjectSite, proofs: Sequence[Row]) -> dict[VersionRef, str]:
    """Items without a version id of their own whose listing is no longer the verified one."""
    mutable = [proof for proof in proofs if proof["version_id"] == _MUTABLE]
    listed = listed_range(site, [proof["key"] for proof in mutable])
    changed: dict[VersionRef, str] = {}
    for proof in mutable:
        there = listed.get(_ref(proof))
        if there is not None and (there.etag, there.size_bytes, there.is_marker) != (
            proof["etag"],
            proof["size_bytes"],
            proof["kind"] == "marker",
        ):
            changed[_ref(proof)] = "it changed since it was verified"
    return changed


def _ref(proof: Row) -> VersionRef:
    return VersionRef(proof["key"], proof["version_id"])


def _row(proof: Row, reason: str | None) -> Row:
    return {
        "kind": proof["kind"],
        "key": proof["key"],
        "version_id": proof["version_id"],
        "dataset": proof["dataset"],
        "size_bytes": proof["size_bytes"],
        "state": "failed" if reason else "erased",
        "reason": reason or "",
    }
