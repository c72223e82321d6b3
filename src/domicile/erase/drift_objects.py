"""Where members' objects come from that lie again at a store that was erased.

An object that came back is told by its id, or by its bytes: it is read and hashed, and must have
the SHA-256 with which a version of its key was proven before the erasure. Neither size nor ETag
decides that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from domicile.erase.past import Past
from domicile.errors import ObjectWithheld, SiteMissing
from domicile.inventory import read_batches
from domicile.move import recorded_proofs
from domicile.move.transfer import in_flight, read_content
from domicile.sites.objects import ObjectSite

__all__ = ["MOST_READ", "Erased", "Origin", "Whose", "object_origins", "origin_of", "read_erased"]

MOST_READ = 2_000
"""How many objects that may have come back are read at one look; of more it is not told."""

Origin = Literal["shredded", "newcomers", "returned", "written", "other"]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Whose:
    """Persons among those found: who was erased (their keys destroyed), and who was no member yet
    when the site was erased."""

    erased: AbstractSet[str]
    newcomers: AbstractSet[str]


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased under some keys: ids of versions, markers and uploads that name one thing
    for ever; and by key the sizes and SHA-256 of the versions."""

    ids: AbstractSet[tuple[str, str]]
    contents: Mapping[str, AbstractSet[tuple[int, str]]]
    ended: datetime

    def may_be(self, row: Row) -> bool:
        """Whether an object must be read to tell whether it came back."""
        sizes = {size for size, _ in self.contents.get(row["key"], ())}
        known = (row["key"], row["version_id"]) in self.ids
        return row["kind"] == "version" and not known and row["size_bytes"] in sizes


def origin_of(row: Row, whose: Whose, erased: Erased, sha256: str | None) -> Origin:
    """Where one item comes from. sha256: of its bytes; None where it was not read. Pure."""
    if row["person"] in whose.erased:
        return "shredded"
    if row["person"] in whose.newcomers:
        return "newcomers"
    known = erased.contents.get(row["key"], frozenset())
    if (row["key"], row["version_id"]) in erased.ids or (row["size_bytes"], sha256) in known:
        return "returned"
    if erased.may_be(row) and sha256 is None:
        return "other"
    return "written" if row["modified"] > erased.ended else "other"


def object_origins(
    store: ObjectSite, found: Sequence[Row], whose: Whose, erased: Erased
) -> list[Origin]:
    """Where each of these items comes from. Raises SiteError."""
    candidates = [
        row
        for row in found
        if erased.may_be(row) and row["person"] not in whose.erased | whose.newcomers
    ]
    read = asyncio.run(_read(store, candidates[:MOST_READ]))
    return [
        origin_of(row, whose, erased, read.get((row["key"], row["version_id"]))) for row in found
    ]


async def _read(store: ObjectSite, rows: Iterable[Row]) -> dict[tuple[str, str], str]:
    async def one(row: Row) -> tuple[tuple[str, str], str | None]:
        name = (row["key"], row["version_id"])
        try:
            return name, (await read_content(store, *name)).sha256
        except SiteMissing:  # since it was listed
            return name, ""
        except ObjectWithheld:
            return name, None

    found = dict(await in_flight(one, list(rows)))
    return {name: digest for name, digest in found.items() if digest is not None}


def read_erased(records: Path, past: Past, keys: AbstractSet[str]) -> Erased:
    """What was erased at a site under these keys, from the inventory's files."""
    ids: set[tuple[str, str]] = set()
    contents: dict[str, set[tuple[int, str]]] = {}
    for body in past.erasures:
        gone = set()
        for path in recorded_proofs(records, body):
            for row in read_batches(path):
                if row["key"] in keys and row["state"] == "erased":
                    gone.add((str(row["key"]), str(row["version_id"])))
        if not gone:
            continue
        ids |= {name for name in gone if name[1] != "null"}
        for path in recorded_proofs(records, past.proofs[body.verified_sha256]):
            for name, content in _proven(path, past.site, gone):
                contents.setdefault(name, set()).add(content)
    return Erased(ids, contents, past.ended)


def _proven(
    path: Path, site: str, gone: AbstractSet[tuple[str, str]]
) -> Iterator[tuple[str, tuple[int, str]]]:
    for proof in read_batches(path):
        name = (str(proof["key"]), str(proof["version_id"]))
        if proof["site"] == site and name in gone and proof["sha256"]:
            yield name[0], (int(str(proof["size_bytes"])), str(proof["sha256"]))
