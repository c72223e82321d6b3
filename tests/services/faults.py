"""An object site that breaks every write and deletion, for tests of recovery.

Each operation on each name is broken twice, in an order that the seed decides: once it fails and
nothing is done, once it is done and reported failed. The third try goes through.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

from domicile.errors import SiteUnreachable
from domicile.sites.objects.model import (
    Attributes,
    BucketRule,
    Capabilities,
    DeleteFailure,
    Hold,
    ObjectRead,
    ObjectSite,
    ObjectVersion,
    Span,
    Upload,
    VersionRef,
)

FAILED = "failed"
LIED = "succeeded but reported failed"


@dataclass
class FaultySite:
    """Wraps any `ObjectSite`. ``faults`` lists what was broken: (operation, key, how)."""

    inner: ObjectSite
    seed: int = 0
    faults: list[tuple[str, str, str]] = field(default_factory=list)
    _pending: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.inner.name

    def capabilities(self) -> Capabilities:
        return self.inner.capabilities()

    def check(self, *, write: bool) -> None:
        self.inner.check(write=write)

    def versions(
        self, prefix: str = "", after: str = "", until: str = ""
    ) -> Iterator[list[ObjectVersion]]:
        return self.inner.versions(prefix, after, until)

    def uploads(self, prefix: str = "") -> Iterator[list[Upload]]:
        return self.inner.uploads(prefix)

    async def read(
        self, key: str, version_id: str | None = None, span: Span | None = None
    ) -> ObjectRead:
        return await self.inner.read(key, version_id, span)

    async def write(
        self, key: str, chunks: AsyncIterator[bytes], attributes: Attributes, size_bytes: int
    ) -> str:
        fault = self._next("write", key)
        if fault != FAILED:
            version_id = await self.inner.write(key, chunks, attributes, size_bytes)
            if fault is None:
                return version_id
        raise self._broken("write", key)

    async def put_marker(self, key: str) -> str:
        fault = self._next("put_marker", key)
        if fault != FAILED:
            version_id = await self.inner.put_marker(key)
            if fault is None:
                return version_id
        raise self._broken("put_marker", key)

    def delete(self, refs: Sequence[VersionRef]) -> list[DeleteFailure]:
        """Breaks each version of its own, so that one batch has all three outcomes."""
        faults = {ref: self._next("delete", f"{ref.key}@{ref.version_id}") for ref in refs}
        failures = self.inner.delete([ref for ref in refs if faults[ref] != FAILED])
        return failures + [DeleteFailure(ref, "a planned fault") for ref in refs if faults[ref]]

    def holds(self, refs: Sequence[VersionRef]) -> dict[VersionRef, Hold]:
        return self.inner.holds(refs)

    def rules(self) -> list[BucketRule]:
        return self.inner.rules()

    def abort(self, upload: Upload) -> None:
        fault = self._next("abort", f"{upload.key}@{upload.upload_id}")
        if fault != FAILED:
            self.inner.abort(upload)
        if fault is not None:
            raise self._broken("abort", upload.key)

    def close(self) -> None:
        self.inner.close()

    def _next(self, operation: str, key: str) -> str | None:
        if (operation, key) not in self._pending:
            order = [FAILED, LIED]
            random.Random(f"{self.seed}/{operation}/{key}").shuffle(order)  # noqa: S311 - a seeded plan
            self._pending[operation, key] = order
        left = self._pending[operation, key]
        if not left:
            return None
        fault = left.pop(0)
        self.faults.append((operation, key, fault))
        return fault

    def _broken(self, operation: str, key: str) -> SiteUnreachable:
        return SiteUnreachable(f"site {self.name}: {operation} of {key!r} failed: a planned fault")
