"""A versioned object store in plain files: versions, delete markers and uploads as a bucket has.

For a laptop, a mounted disk and the demo. Needs a POSIX file system that tells ``A`` from ``a``.
One writer or many: files are committed by rename, and processes do not disturb each other.
"""

# Paths are plain strings: Path costs more than the file system does.
# ruff: noqa: PTH100, PTH103, PTH110, PTH118, PTH123

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import msgspec

from domicile.errors import SiteRefused, SourceChanged
from domicile.sites.objects import directory_uploads
from domicile.sites.objects.directory_errors import damaged, no_such_version, site_errors
from domicile.sites.objects.directory_files import fsync_directory, prune
from domicile.sites.objects.directory_versions import (
    PendingVersion,
    Sidecar,
    is_version_id,
    read_sidecar,
    scan,
    unlink_version,
)
from domicile.sites.objects.directory_walk import KeyDirectory, foreign, walk
from domicile.sites.objects.keys import encode_key, is_key
from domicile.sites.objects.model import (
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

__all__ = ["DirectorySite"]

_PAGE = 1000
_CHUNK_BYTES = 1 << 20
_CAPABILITIES = Capabilities(versions=True, tags=True, uploads=True, holds=False)
_PROBE = ".domicile-probe/"


class DirectorySite:
    """An `ObjectSite` in the directory ``root``, which must exist (see `create`).

    With ``durable=False`` writes skip fsync: for data that can be made again, such as a demo's.
    """

    def __init__(self, name: str, root: Path, *, durable: bool = True) -> None:
        self._name = name
        self._root = os.path.abspath(root)
        self._durable = durable

    @property
    def name(self) -> str:
        """The site's name in the charter."""
        return self._name

    def create(self) -> None:
        """Make the directory, as one would make a bucket."""
        with site_errors(self._name, self._root, "making the directory"):
            os.makedirs(self._root, mode=0o700, exist_ok=True)

    def capabilities(self) -> Capabilities:
        """Versions, tags and uploads, as a bucket has them; no holds: who may write to a directory
        may delete in it."""
        return _CAPABILITIES

    def check(self, *, write: bool) -> None:
        """Read the beginning of the listing; with ``write`` also write and delete a probe."""
        next(self.versions(), None)
        if not write:
            return
        key = _PROBE + os.urandom(8).hex()
        with site_errors(self._name, self._root, "writing a probe"):
            self._write_whole(key, b"probe", is_marker=False)
            if os.path.exists(os.path.join(self._root, "%2EDOMICILE-PROBE")):
                raise SiteRefused(
                    f"site {self._name}: the file system does not tell upper from lower case",
                    expected="a case-sensitive file system, or two keys would share a file",
                )
        # Every probe goes, those of commands that were killed among them.
        pages = self.versions(_PROBE)
        refs = [VersionRef(one.key, one.version_id) for page in pages for one in page]
        for failure in self.delete(refs):
            raise SiteRefused(f"site {self._name}: a probe could not be deleted: {failure.reason}")
        for unfinished in self.uploads(_PROBE):
            for upload in unfinished:
                self.abort(upload)

    def versions(
        self, prefix: str = "", after: str = "", until: str = ""
    ) -> Iterator[list[ObjectVersion]]:
        """See `ObjectSite.versions`. Raises `SiteRefused` on a file that is none of ours."""
        page: list[ObjectVersion] = []
        with site_errors(self._name, self._root, "listing"):
            for place in walk(self._name, self._root, prefix, after):
                if until and place.key > until:
                    break
                page.extend(self._versions_of(place))
                while len(page) >= _PAGE:
                    yield page[:_PAGE]
                    del page[:_PAGE]
        if page:
            yield page

    def _versions_of(self, place: KeyDirectory) -> Iterator[ObjectVersion]:
        found = scan(place.path)
        if found.foreign:
            raise foreign(self._name, found.foreign[0])
        is_latest = True
        for version_id in found.committed:
            sidecar = self._sidecar(place.path, version_id)
            if sidecar is None:
                continue
            yield ObjectVersion(
                key=place.key,
                version_id=version_id,
                is_latest=is_latest,
                is_marker=sidecar.is_marker,
                size_bytes=sidecar.size_bytes,
                etag=sidecar.etag,
                modified=_moment(sidecar),
            )
            is_latest = False

    def _sidecar(self, directory: str, version_id: str) -> Sidecar | None:
        try:
            return read_sidecar(directory, version_id)
        except msgspec.DecodeError as error:
            raise SiteRefused(
                f"site {self._name}: the sidecar {version_id}.json is damaged",
                expected="the JSON that the directory driver wrote",
                next_step="restore the file from a copy of the directory",
            ) from error

    def uploads(self, prefix: str = "") -> Iterator[list[Upload]]:
        """Unfinished uploads, and the bytes of writes that died before they committed."""
        with site_errors(self._name, self._root, "listing uploads"):
            found = directory_uploads.list_uploads(self._name, self._root, prefix)
        for start in range(0, len(found), _PAGE):
            yield found[start : start + _PAGE]

    async def read(
        self, key: str, version_id: str | None = None, span: Span | None = None
    ) -> ObjectRead:
        """See `ObjectSite.read`. An open version stays readable though it is deleted meanwhile."""
        directory = self._directory_of(key)
        with site_errors(self._name, self._root, "reading", key):
            for candidate in scan(directory).committed if version_id is None else [version_id]:
                sidecar = self._sidecar(directory, candidate) if is_version_id(candidate) else None
                if sidecar is None:
                    continue
                if sidecar.is_marker:
                    break
                return self._opened(directory, candidate, sidecar, key, span)
        raise no_such_version(self._name, key)

    def _opened(
        self, directory: str, version_id: str, sidecar: Sidecar, key: str, span: Span | None
    ) -> ObjectRead:
        chunks: AsyncIterator[bytes]
        size = sidecar.size_bytes
        part = span.within(size, f"site {self._name}: {key!r}") if span else None
        if size <= _CHUNK_BYTES:
            data = self._read_small(directory, version_id, sidecar, key)
            chunks = _at_once(data[part.start : part.end] if part else data)
        else:
            descriptor = os.open(f"{directory}/{version_id}.data", os.O_RDONLY | os.O_CLOEXEC)
            if part:
                os.lseek(descriptor, part.start, os.SEEK_SET)
            left = part.end - part.start if part else size
            chunks = _Chunks(self._name, self._root, key, descriptor, left)
        modified = _moment(sidecar).replace(microsecond=0)
        return ObjectRead(sidecar.attributes, size, version_id, sidecar.etag, modified, chunks)

    def _read_small(self, directory: str, version_id: str, sidecar: Sidecar, key: str) -> bytes:
        if not sidecar.size_bytes:
            return b""
        with open(f"{directory}/{version_id}.data", "rb", buffering=0) as file:
            data = file.read(_CHUNK_BYTES + 1)
        if len(data) != sidecar.size_bytes:
            raise damaged(self._name, key)
        return data

    async def write(
        self, key: str, chunks: AsyncIterator[bytes], attributes: Attributes, size_bytes: int
    ) -> str:
        """See `ObjectSite.write`. Raises `SourceChanged` unless ``size_bytes`` come."""
        with site_errors(self._name, self._root, "writing", key):
            pending = self._begin(key)
            try:
                received = 0
                async for chunk in chunks:
                    received += len(chunk)
                    if received <= size_bytes:
                        pending.write(chunk)
                self._require_size(key, received, size_bytes)
                sidecar = _sidecar(pending, size_bytes, attributes, is_marker=False)
                if self._durable:
                    await asyncio.to_thread(pending.commit, sidecar)
                else:
                    pending.commit(sidecar)
            finally:
                pending.discard()
            return pending.version_id

    def _require_size(self, key: str, received: int, size_bytes: int) -> None:
        if received != size_bytes:
            raise SourceChanged(
                f"site {self._name}: {received} bytes came for {key!r}",
                expected=f"{size_bytes} bytes, as announced",
                next_step="scan the source again",
            )

    def _begin(self, key: str) -> PendingVersion:
        self._directory_of(key)
        return PendingVersion.begin(self._root, encode_key(key), durable=self._durable)

    def _write_whole(self, key: str, data: bytes, *, is_marker: bool) -> str:
        pending = self._begin(key)
        try:
            if data:
                pending.write(data)
            pending.commit(_sidecar(pending, len(data), Attributes(), is_marker=is_marker))
        finally:
            pending.discard()
        return pending.version_id

    async def put_marker(self, key: str) -> str:
        """See `ObjectSite.put_marker`."""
        with site_errors(self._name, self._root, "putting a delete marker on", key):
            return await asyncio.to_thread(self._write_whole, key, b"", is_marker=True)

    def delete(self, refs: Sequence[VersionRef]) -> list[DeleteFailure]:
        """Delete versions, bytes first, then directories that are left empty; durable."""
        failures: list[DeleteFailure] = []
        touched: set[str] = set()
        for key, of_key in groupby(refs, key=lambda ref: ref.key):
            if not is_key(key):
                continue  # nothing can be stored under it
            directory = "/".join((self._root, *encode_key(key)))
            failures.extend(_delete_versions(directory, of_key))
            touched.add(prune(self._root, directory))
        if self._durable:
            with site_errors(self._name, self._root, "deleting"):
                for directory in touched:
                    fsync_directory(directory)
        return failures

    def holds(self, refs: Sequence[VersionRef]) -> dict[VersionRef, Hold]:  # noqa: ARG002
        """Nothing is ever held."""
        return {}

    def begin_upload(self, key: str) -> str:
        """Begin a multipart upload that stays unfinished until it is aborted; returns its id."""
        self._directory_of(key)
        with site_errors(self._name, self._root, "beginning an upload of", key):
            return directory_uploads.begin(self._root, key, durable=self._durable)

    def put_part(self, upload_id: str, number: int, data: bytes) -> None:
        """Store part ``number`` (1 to 10,000) of an unfinished upload."""
        with site_errors(self._name, self._root, "storing a part"):
            directory_uploads.put_part(
                self._root, self._name, upload_id, number, data, durable=self._durable
            )

    def rules(self) -> list[BucketRule]:
        """A directory does nothing by itself."""
        return []

    def abort(self, upload: Upload) -> None:
        """See `ObjectSite.abort`. Raises `SiteRefused` for a write that is under way."""
        with site_errors(self._name, self._root, "aborting an upload of", upload.key):
            directory_uploads.abort(self._name, self._root, upload)

    def close(self) -> None:
        """Nothing is held open."""

    def _directory_of(self, key: str) -> str:
        if not is_key(key):
            raise SiteRefused(
                f"site {self._name}: {key[:40]!r} cannot be a key",
                expected="1 to 1,024 bytes of UTF-8",
            )
        return "/".join((self._root, *encode_key(key)))


class _Chunks:
    """A large version's bytes, read from an open file that closes itself."""

    def __init__(self, site: str, root: str, key: str, descriptor: int, size_bytes: int) -> None:
        self._site = site
        self._root = root
        self._descriptor: int | None = descriptor
        self._left = size_bytes
        self._key = key

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        if self._descriptor is None or not self._left:
            self._close()
            raise StopAsyncIteration
        with site_errors(self._site, self._root, "reading", self._key):
            chunk = await asyncio.to_thread(
                os.read, self._descriptor, min(self._left, _CHUNK_BYTES)
            )
        if not chunk:
            raise damaged(self._site, self._key)
        self._left -= len(chunk)
        return chunk

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self._close()


async def _at_once(data: bytes) -> AsyncIterator[bytes]:
    if data:
        yield data


def _sidecar(
    pending: PendingVersion, size_bytes: int, attributes: Attributes, *, is_marker: bool
) -> Sidecar:
    return Sidecar(is_marker, size_bytes, pending.etag, time.time_ns(), attributes)


def _delete_versions(directory: str, refs: Iterable[VersionRef]) -> Iterator[DeleteFailure]:
    for ref in refs:
        if not is_version_id(ref.version_id):
            continue  # no version has such an id
        try:
            unlink_version(directory, ref.version_id)
        except OSError as error:
            yield DeleteFailure(ref, error.strerror or type(error).__name__)


def _moment(sidecar: Sidecar) -> datetime:
    return datetime.fromtimestamp(sidecar.modified_ns / 1e9, UTC)
