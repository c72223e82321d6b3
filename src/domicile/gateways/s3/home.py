"""The objects at home, opened, as they were proven there: what a gateway gives out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from domicile.custody.sealing import UNSEALED, SealedStore, SubjectKeys
from domicile.custody.streaming_aead import plain_size
from domicile.errors import EvidenceError
from domicile.gateways.s3.answers import Listed
from domicile.move.bindings import Bound
from domicile.sites.objects import ObjectRead, ObjectSite, ObjectVersion, Span

__all__ = ["Home"]

_MD5 = re.compile(r"[0-9a-f]{32}\Z")


class Home:
    """A home store that seals under these keys; ``bound`` says what was proven under a key of the
    store's."""

    def __init__(
        self,
        store: ObjectSite,
        keys: SubjectKeys,
        bound: Callable[[str], Bound | None],
    ) -> None:
        self._store, self._keys, self._bound = store, keys, bound

    async def read(
        self, key: str, span: Span | None = None, version_id: str | None = None
    ) -> ObjectRead:
        """Open an object's current version, or this one, or some of its bytes. Its ETag is the
        sealed bytes'. Raises as `ObjectSite.read`; EvidenceError where it is not what was proven at
        home under this key."""
        store = SealedStore(self._store, self._keys, {})
        read = await store.read(key, version_id, span)
        seal = store.seals.get((key, read.version_id))
        bound = await asyncio.to_thread(self._bound, key)
        ids = bound.object_ids if bound is not None else frozenset()
        if (ids and seal is None) or (seal is not None and seal.object_id.hex() not in ids):
            raise EvidenceError(
                "the object is not what was proven at home under this key",
                expected="the one that the inventory binds to it",
                next_step="see who wrote there since, and restore it from a copy",
            )
        metadata = tuple((n, v) for n, v in read.attributes.metadata if n != UNSEALED)
        read.attributes = replace(read.attributes, metadata=metadata)
        read.etag = _shown_etag(read.etag)
        return read

    def pages(self, prefix: str, after: str) -> Iterator[Sequence[ObjectVersion]]:
        """Versions under a prefix, of keys behind one."""
        return self._store.versions(prefix, after)

    def listed(self, version: ObjectVersion) -> Listed:
        """A version, as a listing shows it: with the size of what is sealed in it. Of one that lies
        unsealed among sealed ones that is too little; reading it tells the right one."""
        try:
            size = plain_size(version.size_bytes)
        except EvidenceError:
            size = version.size_bytes
        return Listed(version.key, version.modified, _shown_etag(version.etag), size)


def _shown_etag(etag: str) -> str:
    """An ETag that nobody takes for the MD5 of what they get: it is of the sealed bytes."""
    plain = etag.strip('"')
    return f"{plain}-1" if _MD5.match(plain) else plain
