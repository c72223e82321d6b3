"""The journal: what is durable before it is in the tree. Segments of groups of requests.

A *request* is one caller's entries, all or none, under an id of the caller's. A *group* is what one
fdatasync made durable: one frame, one CRC. Invariants:

- A group is written only after the fdatasync of the group before it. So damage with anything
  readable behind it cannot be a write that broke off: it halts. Damage at the end is such a write,
  was never acknowledged, and is cut.
- Segments are prewritten with zeros, so that an fdatasync has no length or extent to write. Each
  begins with a random nonce that is part of every checksum: bytes that a caller chose can never be
  read as a group.
- Groups follow each other without a gap: each names the index of its first entry.
- A segment is dropped only when all its entries are in the signed tree and newer segments remember
  enough ids (`KEPT_REQUESTS`).
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from domicile.errors import EvidenceError
from domicile.ledger.disk import NO_ROOM, Disk, SyncFailed
from domicile.ledger.tiles import decode_bundle, encode_bundle

__all__ = [
    "ID_BYTES",
    "KEPT_REQUESTS",
    "KEPT_SEGMENTS",
    "MAX_GROUP_BYTES",
    "SEGMENT_BYTES",
    "Group",
    "Journal",
    "Request",
    "encode_group",
    "read_segment",
]

ID_BYTES = 16
SEGMENT_BYTES = 4 << 20
MAX_GROUP_BYTES = 2 << 20
"""Of one group; a request may be half as large."""
KEPT_REQUESTS = 65_536
KEPT_SEGMENTS = 16
"""A request repeated under its id is recognised as long as it is among the last 65,536, or among
the last 64 MiB."""

_HEAD = struct.Struct(">8s16s")  # magic, nonce
_MAGIC = b"domjrnl1"
_FRAME = struct.Struct(">4sIIQ")  # mark, payload bytes, CRC-32, index of the first entry
_MARK = b"DGRP"
_REQUEST = struct.Struct(">16sII")  # id, entries, bytes of the bundle


class Request(NamedTuple):
    """One caller's entries: an id of 16 bytes, the number of entries, and their bundle."""

    id: bytes
    number: int
    bundle: bytes

    @classmethod
    def of(cls, identity: bytes, entries: Sequence[bytes]) -> Request:
        """A request of these entries, none of which exceeds 65,535 bytes."""
        return cls(identity, len(entries), encode_bundle(entries))

    @property
    def entries(self) -> list[bytes]:
        """The entries. Raises EvidenceError where the bundle holds another number of them."""
        if self.number == 1 and int.from_bytes(self.bundle[:2], "big") + 2 == len(self.bundle):
            return [self.bundle[2:]]
        return decode_bundle(self.bundle, self.number)

    @property
    def size_bytes(self) -> int:
        """What the request adds to a group."""
        return _REQUEST.size + len(self.bundle)


@dataclass(frozen=True, slots=True)
class Group:
    """Requests of one fdatasync. first: index in the log of the first entry."""

    first: int
    requests: tuple[Request, ...]

    @property
    def end(self) -> int:
        """The index after the last entry."""
        return self.first + sum(request.number for request in self.requests)


def encode_group(nonce: bytes, group: Group) -> bytes:
    """The frame of a group in the segment with this nonce."""
    pack = _REQUEST.pack
    payload = b"".join([pack(r.id, r.number, len(r.bundle)) + r.bundle for r in group.requests])
    crc = _checksum(nonce, group.first, payload)
    return _FRAME.pack(_MARK, len(payload), crc, group.first) + payload


def read_segment(data: bytes) -> tuple[list[Group], int, bool]:
    """A segment's groups, where they end, and whether nothing but zeros follows.

    Raises EvidenceError where damage has a readable group behind it, or the head is damaged.
    """
    magic, nonce = _HEAD.unpack_from(data) if len(data) >= _HEAD.size else (b"", b"")
    if magic != _MAGIC:
        raise _damaged("a segment has no head")
    groups: list[Group] = []
    at = _HEAD.size
    while (found := _frame_at(data, at, nonce)) is not None:
        group, at = found
        groups.append(group)
    rest = data[at:]
    clean = not rest.strip(b"\x00")
    if not clean and any(_frame_at(data, later, nonce) for later in _marks(data, at)):
        raise _damaged(f"a group is damaged at byte {at:,} of its segment, and others follow it")
    return groups, at, clean


def _frame_at(data: bytes, at: int, nonce: bytes) -> tuple[Group, int] | None:
    """The group that begins there and where it ends; None where none does."""
    if at + _FRAME.size > len(data):
        return None
    mark, length, crc, first = _FRAME.unpack_from(data, at)
    begin, end = at + _FRAME.size, at + _FRAME.size + length
    if mark != _MARK or length == 0 or end > len(data):
        return None
    payload = data[begin:end]
    if _checksum(nonce, first, payload) != crc:
        return None
    return Group(first, tuple(_requests(payload))), end


def _requests(payload: bytes) -> Iterator[Request]:
    at = 0
    while at < len(payload):
        identity, count, length = _REQUEST.unpack_from(payload, at)
        begin, at = at + _REQUEST.size, at + _REQUEST.size + length
        yield Request(identity, count, payload[begin:at])


def _marks(data: bytes, after: int) -> Iterator[int]:
    at = data.find(_MARK, after)
    while at >= 0:
        yield at
        at = data.find(_MARK, at + 1)


def _nonce(path: Path) -> bytes:
    with path.open("rb") as file:
        return bytes(_HEAD.unpack(file.read(_HEAD.size))[1])


def _checksum(nonce: bytes, first: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(nonce + first.to_bytes(8, "big")))


@dataclass(slots=True)
class _Segment:
    path: Path
    end: int  # the index after its last entry
    requests: int


class Journal:
    """The segments of one directory, open for writing. One thread appends; another may `prepare`
    and `trim`."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        self._directory, self._disk = directory, disk
        self._turn = Lock()
        self._making = Lock()
        self._segments: list[_Segment] = []
        self._spare: Path | None = None
        self._descriptor = -1
        self._nonce = b""
        self._at = 0
        self._number = 0

    @classmethod
    def open(cls, directory: Path, disk: Disk) -> tuple[Journal, list[Group]]:
        """Open the journal and read its groups; a broken-off write at its end is cut.

        Raises EvidenceError where it is damaged elsewhere, OSError where it cannot be read or cut.
        """
        disk.make_directories(directory)
        journal = cls(directory, disk)
        groups = list(journal._recover())
        return journal, groups

    def append(self, group: Group) -> None:
        """Make a group durable. Raises SyncFailed where it is unknown whether it is, another
        OSError where nothing of it was written."""
        size = _FRAME.size + sum([request.size_bytes for request in group.requests])
        if self._descriptor < 0 or self._at + size > SEGMENT_BYTES:
            self._rotate(group.first)
        frame = encode_group(self._nonce, group)
        try:
            self._disk.write_at(self._descriptor, frame, self._at)
        except OSError as error:
            if error.errno in NO_ROOM:  # at most a part was written: the next group goes over it
                raise
            raise SyncFailed(error.errno, error.strerror) from error
        self._disk.sync_data(self._descriptor)
        self._at += len(frame)
        with self._turn:
            self._segments[-1].end = group.end
            self._segments[-1].requests += len(group.requests)

    def prepare(self) -> None:
        """Have the next segment ready before it is needed."""
        with self._making:
            if self._spare is None and self._at > SEGMENT_BYTES // 2:
                self._spare = self._make()

    def trim(self, size: int) -> None:
        """Drop the oldest segments whose entries the signed tree of ``size`` holds."""
        with self._turn:
            while len(self._segments) > 1 and self._segments[0].end <= size:
                kept = sum(segment.requests for segment in self._segments[1:])
                if kept < KEPT_REQUESTS and len(self._segments) <= KEPT_SEGMENTS:
                    return
                self._remove_oldest()

    def drop(self) -> None:
        """Begin anew, oldest segment first: everything in it is in the signed tree."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        with self._turn:
            while self._segments:
                self._remove_oldest()

    def close(self) -> None:
        """Close the segment; a spare one is dropped."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._spare is not None:
            self._disk.remove(self._spare)
            self._spare = None

    def _remove_oldest(self) -> None:
        """Durable before the next one goes: a power loss must not leave a gap between two."""
        self._disk.remove(self._segments[0].path)
        self._disk.sync_directory(self._directory)
        self._segments.pop(0)

    def _rotate(self, first: int) -> None:
        with self._making:
            path = self._spare or self._make()
            self._spare = path  # where it cannot be opened it is still there
            descriptor, nonce = self._disk.open(path), _nonce(path)
            self._spare = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._nonce, self._at = descriptor, nonce, _HEAD.size
        with self._turn:
            self._segments.append(_Segment(path, first, 0))

    def _make(self) -> Path:
        """A durable segment of zeros under the next number."""
        path = self._directory / f"{self._number + 1:08d}"
        temporary = path.with_name(f"{path.name}.new")
        self._disk.remove(temporary)
        head = _HEAD.pack(_MAGIC, os.urandom(16))
        try:
            self._disk.write_synced(temporary, head.ljust(SEGMENT_BYTES, b"\x00"), mode=0o600)
            self._disk.rename(temporary, path)
            self._disk.sync_directory(self._directory)
        except OSError:
            self._discard((temporary, path))
            raise
        self._number += 1
        return path

    def _discard(self, paths: Iterable[Path]) -> None:
        for path in paths:
            try:
                self._disk.remove(path)
            except OSError:
                continue  # the next opening removes it

    def _recover(self) -> Iterator[Group]:
        """Every group in order. Everything is looked at before anything is cut."""
        read = [(path, *read_segment(path.read_bytes())) for path in self._stored()]
        torn = next((path for path, _, _, clean in read if not clean), None)
        for path, groups, at, _ in read:
            if torn is not None and path > torn and groups:
                raise _damaged(f"segment {torn.name} is damaged and {path.name} follows it")
            if groups:
                self._follow(groups)
                requests = sum(len(group.requests) for group in groups)
                self._segments.append(_Segment(path, groups[-1].end, requests))
                self._at = at
                yield from groups
        for path, groups, at, clean in read:
            if not groups:
                self._disk.remove(path)
            elif not clean:
                self._cut(path, at)
        self._continue(torn)

    def _stored(self) -> Sequence[Path]:
        paths = sorted(self._directory.iterdir())
        named = [path for path in paths if path.name.isdecimal()]
        self._discard(path for path in paths if path.suffix == ".new")
        self._number = int(named[-1].name) if named else 0
        return named

    def _follow(self, groups: Sequence[Group]) -> None:
        end = self._segments[-1].end if self._segments else groups[0].first
        for group in groups:
            if group.first != end:
                raise _damaged(f"entries {end} to {group.first - 1} are missing")
            end = group.end

    def _cut(self, path: Path, at: int) -> None:
        """Drop what a write that broke off left behind."""
        descriptor = self._disk.open(path)
        try:
            self._disk.truncate(descriptor, at)
            self._disk.sync(descriptor)
        finally:
            os.close(descriptor)

    def _continue(self, torn: Path | None) -> None:
        """Go on in the last segment, unless it was cut: then the next append makes a new one."""
        if self._segments and self._segments[-1].path != torn:
            path = self._segments[-1].path
            self._nonce = _nonce(path)
            self._descriptor = self._disk.open(path)


def _damaged(failed: str) -> EvidenceError:
    return EvidenceError(
        f"the ledger's journal is damaged: {failed}",
        expected="every group as it was made durable; only the last may have broken off",
        next_step="keep the directory as it is, restore a copy of it elsewhere and compare",
    )
