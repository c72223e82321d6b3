"""A bucket without versions, in memory: what a key holds can change under its only name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime

from domicile.errors import SiteMissing
from domicile.sites.objects import (
    Attributes,
    BucketRule,
    Capabilities,
    DeleteFailure,
    Hold,
    ObjectRead,
    ObjectVersion,
    Span,
    Upload,
    VersionRef,
)

_THEN = datetime(2026, 1, 2, tzinfo=UTC)


class Unversioned:
    """An `ObjectSite`. deleted lists what it was asked to delete; stuck are keys that it will
    not."""

    def __init__(self, name: str, *, page: int = 2) -> None:
        self.name = name
        self.objects: dict[str, bytes] = {}
        self.deleted: list[VersionRef] = []
        self.aborted: list[Upload] = []
        self.stuck: set[str] = set()
        self._page = page
        self._writes: dict[str, int] = {}

    def put(self, key: str, data: bytes) -> None:
        """Write a key at once."""
        self.objects[key] = data
        self._writes[key] = self._writes.get(key, 0) + 1

    def listing(self) -> list[ObjectVersion]:
        """Everything, in key order."""
        return [
            ObjectVersion(
                key,
                "null",
                is_latest=True,
                is_marker=False,
                size_bytes=len(data),
                etag=f"{key}#{self._writes[key]}",
                modified=_THEN,
            )
            for key, data in sorted(self.objects.items(), key=lambda entry: entry[0].encode())
        ]

    def capabilities(self) -> Capabilities:
        return Capabilities(versions=False, tags=False, uploads=True, holds=False)

    def check(self, *, write: bool) -> None:
        del write

    def versions(
        self, prefix: str = "", after: str = "", until: str = ""
    ) -> Iterator[list[ObjectVersion]]:
        found = [
            version
            for version in self.listing()
            if version.key.startswith(prefix) and version.key > after
            if not until or version.key <= until
        ]
        for start in range(0, len(found), self._page):
            yield found[start : start + self._page]

    def uploads(self, prefix: str = "") -> Iterator[list[Upload]]:
        del prefix
        return iter(())

    async def read(
        self, key: str, version_id: str | None = None, span: Span | None = None
    ) -> ObjectRead:
        assert span is None
        if key not in self.objects or version_id not in {None, "null"}:
            raise SiteMissing(f"site {self.name}: {key} is not there")
        data = self.objects[key]
        return ObjectRead(Attributes(), len(data), "null", "e", _THEN, _at_once(data))

    async def write(
        self, key: str, chunks: AsyncIterator[bytes], attributes: Attributes, size_bytes: int
    ) -> str:
        del attributes, size_bytes
        self.put(key, b"".join([chunk async for chunk in chunks]))
        return "null"

    async def put_marker(self, key: str) -> str:
        self.objects.pop(key, None)
        return "null"

    def delete(self, refs: Sequence[VersionRef]) -> list[DeleteFailure]:
        self.deleted += refs
        for ref in refs:
            if ref.key not in self.stuck:
                self.objects.pop(ref.key, None)
        return [DeleteFailure(ref, "AccessDenied") for ref in refs if ref.key in self.stuck]

    def holds(self, refs: Sequence[VersionRef]) -> dict[VersionRef, Hold]:
        del refs
        return {}

    def rules(self) -> list[BucketRule]:
        return []

    def abort(self, upload: Upload) -> None:
        self.aborted.append(upload)

    def close(self) -> None:
        """Nothing is held open."""


async def _at_once(data: bytes) -> AsyncIterator[bytes]:
    yield data
