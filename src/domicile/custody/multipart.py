"""A sealed object that comes in parts: one stream per part, and an index that binds them. Pure.

Parts arrive in any order, and again, before anybody knows how many there will be. So each is sealed
by itself (`streaming_aead`), its number in its associated data, and the store strings their bytes
together. Once the upload is complete, the index says which parts those are: number, plaintext size,
and the header of the very stream that was taken, in the order of their numbers. It is sealed too::

    part:   stream, associated data = object id | "part" | number u32 big-endian
    index:  stream, associated data = object id | "index"
    its plaintext: (number u32 | plaintext bytes u64 | header 40), big-endian, for each part

With it every range can be opened alone. A part that was left out, added, swapped, cut, or replaced
by another upload of the same number is refused. Google Tink opens each part, and the index.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from domicile.custody.streaming_aead import (
    HEADER_BYTES,
    Opener,
    Sealer,
    Segments,
    open_segments,
    sealed_size,
)
from domicile.errors import EvidenceError

__all__ = ["MOST_PARTS", "Part", "PartRange", "PartsIndex", "part_opener", "part_sealer"]

MOST_PARTS = 10_000
"""As in S3."""
_ENTRY = struct.Struct(f">IQ{HEADER_BYTES}s")


@dataclass(frozen=True, slots=True)
class Part:
    """One part as it was sealed: its number (1 to `MOST_PARTS`), how many bytes of plaintext it
    has, and its stream's header."""

    number: int
    plain_bytes: int
    header: bytes

    @property
    def sealed_bytes(self) -> int:
        """How many bytes of the stored object it makes."""
        return sealed_size(self.plain_bytes)


@dataclass(frozen=True, slots=True)
class PartRange:
    """What to read for a piece of the plaintext: ``sealed_end - sealed_start`` bytes of the stored
    object from ``sealed_start`` on are these segments of one part; of their plaintext, the bytes
    ``skip`` to ``skip + take`` are the piece."""

    part: Part
    segments: Segments
    sealed_start: int
    sealed_end: int
    skip: int
    take: int

    def open(self, key: bytes, object_id: bytes, sealed: bytes) -> bytes:
        """The piece, from those sealed bytes. Raises EvidenceError where they are not what was
        sealed there."""
        context = _part(object_id, self.part.number)
        plain = open_segments(key, context, self.part.header, self.segments, sealed)
        return plain[self.skip : self.skip + self.take]


@dataclass(frozen=True, slots=True)
class PartsIndex:
    """Which parts an object is made of, in the order of their numbers."""

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        """Raises ValueError where these are no parts of one object."""
        numbers = [part.number for part in self.parts]
        if not numbers or not 1 <= numbers[0] <= numbers[-1] <= MOST_PARTS:
            raise ValueError(numbers)
        if any(after <= before for before, after in pairwise(numbers)):
            raise ValueError(numbers)
        if any(len(part.header) != HEADER_BYTES or part.plain_bytes < 0 for part in self.parts):
            raise ValueError(self.parts)

    @property
    def plain_bytes(self) -> int:
        """The whole object's size before it was sealed."""
        return sum(part.plain_bytes for part in self.parts)

    @property
    def sealed_bytes(self) -> int:
        """The whole object's size as it is stored."""
        return sum(part.sealed_bytes for part in self.parts)

    def seal(self, key: bytes, object_id: bytes) -> bytes:
        """The index as it is kept."""
        sealer = Sealer(key, _index(object_id))
        packed = b"".join(_ENTRY.pack(p.number, p.plain_bytes, p.header) for p in self.parts)
        return b"".join([sealer.header, *map(bytes, sealer.update(packed)), sealer.finish()])

    @classmethod
    def open(cls, key: bytes, object_id: bytes, sealed: bytes) -> PartsIndex:
        """The index that was sealed for this object. Raises EvidenceError where it is another."""
        opener = Opener(key, _index(object_id))
        packed = b"".join([*map(bytes, opener.update(sealed)), opener.finish()])
        try:
            return cls(tuple(Part(*entry) for entry in _ENTRY.iter_unpack(packed)))
        except (struct.error, ValueError):
            raise EvidenceError(
                "the index of a sealed object's parts is of no known format",
                expected="number, size and header of each part, in their order",
                next_step="open it with the version that sealed it",
            ) from None

    def ranges(self, start: int, end: int) -> Iterator[PartRange]:
        """What to read for the plaintext bytes ``start`` to ``end`` (exclusive), part by part.
        Raises ValueError where the object has no such range."""
        if not 0 <= start <= end <= self.plain_bytes:
            raise ValueError((start, end))
        plain = sealed = 0
        for part in self.parts:
            first, last = max(start - plain, 0), min(end - plain, part.plain_bytes)
            if first < last:
                yield _range(part, first, last, sealed)
            plain, sealed = plain + part.plain_bytes, sealed + part.sealed_bytes


def part_sealer(key: bytes, object_id: bytes, number: int) -> Sealer:
    """Seals one part; its `Sealer.header` goes into the index."""
    return Sealer(key, _part(object_id, number))


def part_opener(key: bytes, object_id: bytes, part: Part, header: bytes) -> Opener:
    """Opens one part from its first byte on. Raises EvidenceError where the header that lies there
    is that of another upload of the part."""
    if header != part.header:
        raise EvidenceError(
            f"part {part.number} of a sealed object is not the one that was taken",
            expected="the upload of that part that the index names",
            next_step="keep it as it is, restore the object from a copy and compare",
        )
    return Opener(key, _part(object_id, part.number))


def _range(part: Part, start: int, end: int, before: int) -> PartRange:
    segments = Segments.of_range(start, end, part.sealed_bytes)
    return PartRange(
        part,
        segments,
        before + segments.sealed_start,
        before + segments.sealed_end,
        start - segments.plain_start,
        end - start,
    )


def _part(object_id: bytes, number: int) -> bytes:
    return b"%spart%s" % (object_id, number.to_bytes(4, "big"))


def _index(object_id: bytes) -> bytes:
    return object_id + b"index"
