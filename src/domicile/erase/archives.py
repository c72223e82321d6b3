"""Rewriting archives at a site before their verified versions are erased.

A version that is still its key's current one gives way to one without members' rows. That one is
written only from the very bytes that were verified, compared with them row by row before it is
written and again as the store gives it back; until then nothing is erased. An older version, and an
archive in which nobody else has a row, is erased whole. Where that would uncover an older version
of others, a delete marker is put on the key first.

Of a dump in a folder the table of contents goes last, and stays where another of its files does:
what an erasure that was killed has left is still known for what it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, BinaryIO

from domicile.charter import ObjectDataset
from domicile.erase.objects import erase_objects, listed_versions, result_row
from domicile.erase.whole import hide_older, incomplete, is_toc, staying_tocs
from domicile.errors import SiteMissing
from domicile.inventory import Archives, Workplace, memberships, writing
from domicile.people import Register
from domicile.sites.archives import Key, Unreadable, rewrite, same_but_for, size_of
from domicile.sites.objects import (
    Attributes,
    DeleteFailure,
    ObjectSite,
    ObjectVersion,
    VersionRef,
    versions_of,
)

__all__ = ["erase_with_archives"]

Row = dict[str, Any]
_NOT_THE_SAME = "the store's rewritten version is not what was written"
_CHANGED = "it changed while it was rewritten"


@dataclass(frozen=True, slots=True)
class _Rewritten:
    """What became of one verified version: the version that took its place, or why none did, and
    it must stay. Neither: it is erased whole."""

    version_id: str = ""
    failed: str = ""


def erase_with_archives(here: Workplace, site: ObjectSite, proofs: Sequence[Row]) -> list[Row]:
    """`erase_objects`, after archives were rewritten: one that could not be stays; where the store
    keeps no versions, what took its place is all there is of it."""
    done = _rewrite_archives(here, site, proofs)
    settled: dict[VersionRef, DeleteFailure | None] = {
        ref: DeleteFailure(ref, new.failed) if new.failed else None
        for ref, new in done.items()
        if new.failed or new.version_id == ref.version_id
    }
    mine = [proof for proof in proofs if proof["site"] == site.name]
    archives = [proof for proof in mine if _is_archive(here, proof)]
    settled |= incomplete(archives)
    settled |= hide_older(site, [proof for proof in archives if _ref(proof) not in settled])
    left = [proof for proof in mine if _ref(proof) not in settled]
    tocs = [proof for proof in archives if is_toc(proof) and _ref(proof) not in settled]
    rows = erase_objects(site, [proof for proof in left if proof not in tocs])
    rows += [result_row(p, settled[_ref(p)]) for p in mine if _ref(p) in settled]
    staying = staying_tocs(tocs, rows)
    rows += erase_objects(site, [proof for proof in tocs if _ref(proof) not in staying])
    rows += [result_row(p, staying[_ref(p)]) for p in tocs if _ref(p) in staying]
    places = {ref: new.version_id or None for ref, new in done.items()}
    return [{**row, "rewritten_as": places.get(_ref(row))} for row in rows]


def _is_archive(here: Workplace, proof: Row) -> bool:
    dataset = here.estate.charter.objects.get(proof["dataset"])
    return proof["kind"] == "version" and dataset is not None and dataset.is_archive


def _ref(row: Mapping[str, Any]) -> VersionRef:
    return VersionRef(row["key"], row["version_id"])


def _rewrite_archives(
    here: Workplace, site: ObjectSite, proofs: Sequence[Row]
) -> dict[VersionRef, _Rewritten]:
    """Rewrite those of these verified versions at a site that the charter says are."""
    chosen = [proof for proof in proofs if _is_rewritten(here, site, proof)]
    if not chosen:
        return {}
    there = listed_versions(site, list(dict.fromkeys(proof["key"] for proof in chosen)))
    latest = {ref.key: version for ref, version in there.items() if version.is_latest}
    archives = Archives(here.estate, here.run)
    done: dict[VersionRef, _Rewritten] = {}
    with Register(here.run.people, here.run.people_index) as register:
        for proof in chosen:
            ref = _ref(proof)
            if ref in there:
                dataset = here.estate.charter.objects[proof["dataset"]]
                rewriter = _Rewriter(site, archives, register, dataset)
                done[ref] = rewriter.rewrite(ref, proof["sha256"], latest[ref.key])
    return done


def _is_rewritten(here: Workplace, site: ObjectSite, proof: Row) -> bool:
    dataset = here.estate.charter.objects.get(proof["dataset"])
    verified = (proof["site"], proof["state"], proof["kind"]) == (site.name, "verified", "version")
    return verified and dataset is not None and dataset.treatment == "rewrite"


@dataclass(frozen=True, slots=True)
class _Rewriter:
    site: ObjectSite
    archives: Archives
    register: Register
    dataset: ObjectDataset

    def rewrite(self, ref: VersionRef, verified: str, latest: ObjectVersion) -> _Rewritten:
        """Put a version without members' rows in the place of this one, unless another has taken
        it."""
        with ExitStack() as stack:
            try:
                fetched = self.archives.fetched(self.site, ref.key, ref.version_id)
                before, attributes = stack.enter_context(fetched)
            except SiteMissing:  # its deletion was killed when its bytes had gone: it is repeated
                return _Rewritten()
            if _sha256(before) != verified:
                return _Rewritten(failed="it changed since it was verified")
            try:
                if latest.version_id != ref.version_id:
                    return self._adopt(before, attributes, latest)
                return self._put(latest, before, attributes)
            except Unreadable as error:
                return _Rewritten(failed=f"it can't be rewritten: {error}")
            except SiteMissing:
                return _Rewritten(failed=_CHANGED)

    def _put(self, old: ObjectVersion, before: BinaryIO, attributes: Attributes) -> _Rewritten:
        person = self.dataset.person
        with self.archives.scratch() as after:
            if not rewrite(before, after, person, self._keep):
                return _Rewritten()
            if not same_but_for(before, after, person, self._keep):
                return _Rewritten(failed="a version without members' rows could not be made")
            return self._replace(old, before, after, attributes)

    def _adopt(self, before: BinaryIO, attributes: Attributes, latest: ObjectVersion) -> _Rewritten:
        """Recognise what an erasure that was killed has put in its place."""
        if latest.is_marker:
            return _Rewritten()
        with self.archives.fetched(self.site, latest.key, latest.version_id) as (stored, kept):
            try:
                same = same_but_for(before, stored, self.dataset.person, self._keep)
                ours = same and kept == attributes
            except Unreadable:
                ours = False
        return _Rewritten(version_id=latest.version_id if ours else "")

    def _replace(
        self, old: ObjectVersion, before: BinaryIO, after: BinaryIO, attributes: Attributes
    ) -> _Rewritten:
        if not self._is_latest(old):
            return _Rewritten(failed=_CHANGED)
        key, size_bytes = old.key, size_of(after)
        written = asyncio.run(self.site.write(key, _chunks(after), attributes, size_bytes))
        if self._is_stored(key, written, before, attributes):
            return _Rewritten(version_id=written)
        if written != old.version_id:  # else the next erasure would take it for somebody else's
            self.site.delete([VersionRef(key, written)])
        return _Rewritten(failed=_NOT_THE_SAME)

    def _is_latest(self, old: ObjectVersion) -> bool:
        """Whether a version is what its key has now, as it was when it was listed."""
        versions = versions_of(self.site, [old.key]).get(old.key, [])
        now = next((version for version in versions if version.is_latest), None)
        return now is not None and (now.version_id, now.etag, now.size_bytes) == (
            old.version_id,
            old.etag,
            old.size_bytes,
        )

    def _is_stored(self, key: str, written: str, before: BinaryIO, attributes: Attributes) -> bool:
        """Whether the store gives back what was written: whatever else it gives, it does not."""
        with self.archives.fetched(self.site, key, written) as (stored, kept):
            try:
                same = same_but_for(before, stored, self.dataset.person, self._keep)
            except Unreadable:
                return False
        return same and kept == attributes

    def _keep(self, keys: Sequence[Key]) -> list[bool]:
        """Which rows stay: all that are not known members'."""
        return [whose is not True for whose in memberships(self.register, keys)]


def _sha256(file: BinaryIO) -> str:
    digest = sha256()
    for chunk in writing(file):
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    for chunk in writing(file):
        yield chunk
