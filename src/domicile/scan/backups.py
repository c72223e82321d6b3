"""Base backups and write-ahead log in a store: found for what they are, and never examined."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from domicile.errors import ObjectWithheld, SiteMissing, SourceChanged
from domicile.sites.archives import (
    BackupFacts,
    backup_roots,
    facts_of_label,
    facts_of_manifest,
    known_by_name,
)
from domicile.sites.objects import ObjectSite

__all__ = ["BackupJudge"]

_LARGEST_BYTES = 64 << 20
_LABELS, _MANIFEST, _VERSION = ("backup_label", "tablespace_map"), "backup_manifest", "PG_VERSION"


@dataclass(frozen=True, slots=True)
class _Backup:
    root: str
    facts: BackupFacts
    is_plain: bool


@dataclass
class BackupJudge:
    """Knows what of one site belongs to a physical backup. Keys come in their order."""

    site: ObjectSite
    _roots: dict[str, _Backup | None] = field(default_factory=dict)

    def reason(self, key: str) -> str:
        """Why an object is not examined; nothing where it is no part of a backup."""
        for root in [root for root in self._roots if not key.startswith(root)]:
            del self._roots[root]
        for root in backup_roots(key):
            if root not in self._roots:
                self._roots[root] = _look(self.site, root)
        for found in self._roots.values():
            if found is not None and found.facts.holds(found.root, key, is_plain=found.is_plain):
                return found.facts.reason
        return known_by_name(key)


def _look(site: ObjectSite, root: str) -> _Backup | None:
    """The base backup whose files lie right in a folder: it has a manifest, or a label beside the
    version of its server."""
    there = {
        version.key.removeprefix(root)
        for name in ("backup_", _VERSION)
        for page in site.versions(root + name)
        for version in page
        if not version.is_marker
    }
    is_plain = {_VERSION, "backup_label"} <= there or {_VERSION, _MANIFEST} <= there
    if not is_plain and _MANIFEST not in there:
        return None
    facts = BackupFacts()
    if _MANIFEST in there:
        facts = facts_of_manifest(asyncio.run(_head(site, root + _MANIFEST)))
    if "backup_label" in there:
        label = asyncio.run(_head(site, f"{root}backup_label")).decode("utf-8", "replace")
        facts = facts.beside(facts_of_label(label))
    return _Backup(root, facts, is_plain)


async def _head(site: ObjectSite, key: str) -> bytes:
    """An object's bytes; none where it can't be read or is too large to be what its name says."""
    data = b""
    try:
        async for chunk in (await site.read(key)).chunks:
            data += chunk
            if len(data) > _LARGEST_BYTES:
                return b""
    except (ObjectWithheld, SiteMissing, SourceChanged):
        return b""
    return data
