"""A store whose objects lie sealed: what is written to it is sealed, what is read is opened.

An object's bytes are Tink's streaming AEAD (`streaming_aead`) under its subject's key, and its id,
minted when it is sealed, is the associated data. Whose key it is and the id travel in the object's
metadata, so that any copy of it can be opened; that this id belongs under this key of the store is
known to the inventory, not to the store.

Not sealed: the object's name, its size, and its attributes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from domicile.custody.streaming_aead import (
    HEADER_BYTES,
    Opener,
    Sealer,
    Segments,
    open_segments,
    plain_size,
    sealed_size,
)
from domicile.custody.subjects import SUBJECT_BYTES
from domicile.errors import EvidenceError, KeyAbsent
from domicile.sites.objects import (
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

__all__ = ["OBJECT_ID_BYTES", "SEAL", "UNSEALED", "Seal", "SealedStore", "SubjectKeys"]

SEAL = "domicile-seal"
"""The metadata of a sealed object: format, subject and object id, as ``1.HEX.HEX``."""
UNSEALED = "domicile-unsealed"
"""The metadata that an object is shown with which is not sealed: it equals no source's."""
OBJECT_ID_BYTES = 16
_FORMAT = "1"
_OURS = re.compile(rf"(?:{SEAL}|{UNSEALED})(?:-x)*\Z")
_ESCAPE = "-x"


class SubjectKeys(Protocol):
    """The keys that objects are sealed under, by subject."""

    def of(self, subjects: Collection[bytes]) -> dict[bytes, bytes]:
        """Each subject's key, made where there is none yet."""
        ...

    def known(self, subjects: Collection[bytes]) -> dict[bytes, bytes]:
        """The keys of those who have one."""
        ...


@dataclass(frozen=True, slots=True)
class Seal:
    """Which key a sealed object is under, and the id that is its associated data."""

    subject: bytes
    object_id: bytes

    @property
    def text(self) -> str:
        """As metadata has it."""
        return f"{_FORMAT}.{self.subject.hex()}.{self.object_id.hex()}"

    @classmethod
    def of(cls, attributes: Attributes) -> Seal | None:
        """The seal of an object with these attributes; None where it has none.

        Raises EvidenceError where it is of no known format.
        """
        text = dict(attributes.metadata).get(SEAL)
        if text is None:
            return None
        parts = text.split(".")
        try:
            seal = cls(*map(bytes.fromhex, parts[1:]))
        except (TypeError, ValueError):
            raise _unknown_seal() from None
        if seal.text != text or len(seal.subject + seal.object_id) != _SEAL_BYTES:
            raise _unknown_seal()
        return seal


_SEAL_BYTES = SUBJECT_BYTES + OBJECT_ID_BYTES


class SealedStore:
    """See `ObjectSite`. Listings tell sealed sizes; reads and writes mean what was sealed.

    store: where all of it lies. subjects: whose each key that is written is. seals: those of every
    version that was read or written here, by key and version id.
    """

    def __init__(self, store: ObjectSite, keys: SubjectKeys, subjects: Mapping[str, bytes]) -> None:
        self.store, self._keys, self._subjects = store, keys, subjects
        self._opened: dict[bytes, bytes] = {}
        self.seals: dict[tuple[str, str], Seal] = {}

    async def read(
        self, key: str, version_id: str | None = None, span: Span | None = None
    ) -> ObjectRead:
        """Open one version. Each chunk is authentic and in its place; that the whole is whole is
        known when the last one has come, and not before. Of a span, the segments that it touches
        are authentic, and the object has the length that it had when it was sealed.

        An object without a seal is shown with `UNSEALED` in its metadata. Raises EvidenceError, at
        once or between chunks, where it is not what was sealed or its key is not there.
        """
        if span is not None:
            return await self._read_span(key, version_id, span)
        read = await self.store.read(key, version_id)
        seal = Seal.of(read.attributes)
        if seal is None:
            return _unsealed(read)
        opener = Opener(self._known(seal, key), seal.object_id)
        return self._shown(key, read, seal, _open(opener, read.chunks))

    async def _read_span(self, key: str, version_id: str | None, span: Span) -> ObjectRead:
        """The header first: it says how the object is sealed, and which version it is."""
        first = await self.store.read(key, version_id, Span(0, HEADER_BYTES))
        seal, version_id = Seal.of(first.attributes), first.version_id
        if seal is None:
            return _unsealed(await self.store.read(key, version_id, span))
        size = plain_size(first.size_bytes)
        part = span.within(size, f"site {self.name}: {key!r}")
        sealed = _Sealed(
            key=self._known(seal, key),
            object_id=seal.object_id,
            header=b"".join([chunk async for chunk in first.chunks]),
            segments=Segments.of_range(part.start, part.end, first.size_bytes),
        )
        last = sealed.last
        if last is not None:
            end = await self.store.read(key, version_id, Span(last.sealed_start, last.sealed_end))
            sealed.open(last, b"".join([chunk async for chunk in end.chunks]))
        segments = sealed.segments
        lies = Span(segments.sealed_start, segments.sealed_end)
        read = await self.store.read(key, version_id, lies)
        return self._shown(key, read, seal, _open_span(sealed, part, read.chunks))

    def _shown(
        self, key: str, read: ObjectRead, seal: Seal, chunks: AsyncIterator[bytes]
    ) -> ObjectRead:
        self.seals[key, read.version_id] = seal
        return ObjectRead(
            replace(read.attributes, metadata=_unescaped(read.attributes.metadata)),
            plain_size(read.size_bytes),
            read.version_id,
            read.etag,
            read.modified,
            chunks,
        )

    async def write(
        self, key: str, chunks: AsyncIterator[bytes], attributes: Attributes, size_bytes: int
    ) -> str:
        """Seal a new current version under its subject's key and a new object id."""
        seal = Seal(self._subjects[key], secrets.token_bytes(OBJECT_ID_BYTES))
        sealer = Sealer(self._key(seal.subject), seal.object_id)
        metadata = (*_escaped(attributes.metadata), (SEAL, seal.text))
        version_id = await self.store.write(
            key,
            _seal(sealer, chunks),
            replace(attributes, metadata=tuple(sorted(metadata))),
            sealed_size(size_bytes),
        )
        self.seals[key, version_id] = seal
        return version_id

    def _key(self, subject: bytes) -> bytes:
        """A subject's key, made where there is none; everybody's at once, the first time."""
        if subject not in self._opened:
            self._opened |= self._keys.of({*self._subjects.values(), subject})
        return self._opened[subject]

    def _known(self, seal: Seal, key: str) -> bytes:
        if seal.subject not in self._opened:
            self._opened |= self._keys.known({*self._subjects.values(), seal.subject})
        if seal.subject not in self._opened:
            raise KeyAbsent(
                f"{self.name}: {key!r} is sealed under a key that is not here",
                expected="the key that it was sealed under",
                next_step="restore the wrapped keys from a backup, unless it was destroyed",
            )
        return self._opened[seal.subject]

    # As the store is.

    @property
    def name(self) -> str:
        """The site's name in the charter."""
        return self.store.name

    def capabilities(self) -> Capabilities:
        """What the store can do."""
        return self.store.capabilities()

    def check(self, *, write: bool) -> None:
        """Reach the store."""
        self.store.check(write=write)

    def versions(
        self, prefix: str = "", after: str = "", until: str = ""
    ) -> Iterator[list[ObjectVersion]]:
        """As the store lists them: sizes are those of what lies there."""
        return self.store.versions(prefix, after, until)

    def uploads(self, prefix: str = "") -> Iterator[list[Upload]]:
        """As the store lists them."""
        return self.store.uploads(prefix)

    async def put_marker(self, key: str) -> str:
        """Put a delete marker on top."""
        return await self.store.put_marker(key)

    def delete(self, refs: Sequence[VersionRef]) -> list[DeleteFailure]:
        """Delete these versions."""
        return self.store.delete(refs)

    def holds(self, refs: Sequence[VersionRef]) -> dict[VersionRef, Hold]:
        """Those of these versions that are held now."""
        return self.store.holds(refs)

    def rules(self) -> list[BucketRule]:
        """The store's."""
        return self.store.rules()

    def abort(self, upload: Upload) -> None:
        """Abort an upload."""
        self.store.abort(upload)

    def close(self) -> None:
        """Release connections."""
        self.store.close()


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A sealed object of which some segments are read."""

    key: bytes
    object_id: bytes
    header: bytes
    segments: Segments

    @property
    def last(self) -> Segments | None:
        """The object's last segment, which alone proves its length; None where it is touched."""
        count = self.segments.count
        return None if self.segments.last == count - 1 else self._at(count - 1)

    def each(self) -> Iterator[Segments]:
        """The segments that are read, one by one."""
        return map(self._at, range(self.segments.first, self.segments.last + 1))

    def open(self, segment: Segments, sealed: bytes) -> bytes:
        """One segment's plaintext."""
        return open_segments(self.key, self.object_id, self.header, segment, sealed)

    def _at(self, index: int) -> Segments:
        return replace(self.segments, first=index, last=index)


async def _open_span(
    sealed: _Sealed, span: Span, chunks: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """A segment at a time, whatever the chunks."""
    held = bytearray()
    for segment in sealed.each():
        size = segment.sealed_end - segment.sealed_start
        while len(held) < size and (chunk := await anext(chunks, None)):
            held += chunk
        plain = sealed.open(segment, bytes(held[:size]))
        del held[:size]
        start = segment.plain_start
        yield plain[max(span.start - start, 0) : span.end - start]


def _unsealed(read: ObjectRead) -> ObjectRead:
    marked = (*_escaped(read.attributes.metadata), (UNSEALED, _FORMAT))
    read.attributes = replace(read.attributes, metadata=tuple(sorted(marked)))
    return read


async def _seal(sealer: Sealer, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    before = sealer.header
    async for chunk in chunks:
        for segment in sealer.update(chunk):
            yield b"%s%s" % (before, segment)
            before = b""
    yield b"%s%s" % (before, sealer.finish())


async def _open(opener: Opener, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        for segment in opener.update(chunk):
            yield bytes(segment)
    yield bytes(opener.finish())


def _escaped(metadata: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    """The source's metadata, whose names cannot be taken for ours."""
    for name, value in metadata:
        yield (name + _ESCAPE if _OURS.match(name) else name), value


def _unescaped(metadata: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The source's metadata out of a sealed object's."""
    others = ((name, value) for name, value in metadata if name != SEAL)
    plain = ((n.removesuffix(_ESCAPE) if _OURS.match(n) else n, v) for n, v in others)
    return tuple(sorted(plain))


def _unknown_seal() -> EvidenceError:
    return EvidenceError(
        "an object's seal is of no known format",
        expected="a format, whose key it is under, and the object's id",
        next_step="see who changed its metadata; open it with the version that sealed it",
    )
