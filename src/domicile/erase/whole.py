"""Erasing archives whole: all files of a dump in a folder or none, its table of contents last; and
no older version is uncovered by the erasure of a newer one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from domicile.erase.objects import listed_versions
from domicile.sites.archives import dump_file
from domicile.sites.objects import DeleteFailure, Hold, ObjectSite, VersionRef

__all__ = ["hide_older", "incomplete", "is_toc", "staying_tocs"]

Row = dict[str, Any]
_NO_VERSIONS = "null"
_UNCOVERS = (
    "an older version of it, of others, would take its place, and this store no longer keeps"
    " versions: turn versioning on, or delete the older one"
)


def is_toc(proof: Row) -> bool:
    """Whether it is the table of contents of a dump in a folder, by its name."""
    part = dump_file(proof["key"])
    return part is not None and part.is_toc


def incomplete(proofs: Sequence[Row]) -> dict[VersionRef, DeleteFailure | None]:
    """Verified versions of dumps in folders (of those of one site) that stay: another file of the
    dump was not verified."""
    failed = {_folder(p) for p in proofs if p["state"] == "failed"} & _dumps(proofs)
    why = "another file of its dump was not verified"
    verified = [proof for proof in proofs if proof["state"] == "verified"]
    return {_ref(p): DeleteFailure(_ref(p), why) for p in verified if _folder(p) in failed}


def staying_tocs(tocs: Sequence[Row], rows: Sequence[Row]) -> dict[VersionRef, DeleteFailure]:
    """Tables of contents that stay for the sake of files that do. rows: what became of these."""
    stays = {_folder(row): row for row in rows if row["state"] != "erased"}
    return {
        _ref(proof): _for_the_sake(_ref(proof), stays[_folder(proof)])
        for proof in tocs
        if _folder(proof) in stays
    }


def hide_older(site: ObjectSite, proofs: Sequence[Row]) -> dict[VersionRef, DeleteFailure | None]:
    """Put a delete marker on each key whose current version these proofs erase and whose older ones
    stay; those of these that must stay, for want of one."""
    verified = [proof for proof in proofs if proof["state"] == "verified"]
    listed = listed_versions(site, list(dict.fromkeys(proof["key"] for proof in verified)))
    going = {_ref(proof) for proof in verified}
    staying: dict[str, set[str]] = {}
    for ref, version in listed.items():
        if ref not in going and not version.is_marker:
            staying.setdefault(ref.key, set()).add(ref.version_id)
    failures: dict[VersionRef, DeleteFailure | None] = {}
    for ref, version in listed.items():
        if version.is_latest and ref in going and ref.key in staying:
            if _NO_VERSIONS in {ref.version_id, *staying[ref.key]}:  # a marker would replace it
                failures[ref] = DeleteFailure(ref, _UNCOVERS)
            else:
                asyncio.run(_put_marker(site, ref.key))
    return failures


async def _put_marker(site: ObjectSite, key: str) -> None:
    await site.put_marker(key)


def _for_the_sake(ref: VersionRef, row: Row) -> DeleteFailure:
    is_held = row["state"] == "held"
    hold = Hold("a file of its dump is held", row["held_until"]) if is_held else None
    return DeleteFailure(ref, f"a file of its dump stays ({row['reason']})", hold)


def _dumps(proofs: Sequence[Row]) -> set[str | None]:
    return {_folder(proof) for proof in proofs if is_toc(proof)}


def _folder(row: Mapping[str, Any]) -> str | None:
    part = dump_file(row["key"])
    return None if part is None else part.folder


def _ref(row: Mapping[str, Any]) -> VersionRef:
    return VersionRef(row["key"], row["version_id"])
