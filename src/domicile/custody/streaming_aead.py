"""Tink's streaming AEAD, AES256_GCM_HKDF_1MB: how a sealed object's bytes are laid out. Pure.

A published format (Tink, "AES-GCM-HKDF Streaming AEAD"), readable with Google Tink in four
languages::

    header:  length (40) u8 | salt 32 | nonce prefix 7
    segment: AES-256-GCM under HKDF-SHA256(key, salt, info = associated data),
             nonce = prefix | index u32 big-endian | 1 for the last segment, else 0

Segments are 1 MiB with their tags; the header counts towards the first one. So every segment can be
opened alone, at its place; a cut, an added, a swapped or a repeated one fails, since index and last
mark are in the nonce. What a reader of some segments does not learn is that the others are whole.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from domicile.errors import EvidenceError

__all__ = [
    "HEADER_BYTES",
    "KEY_BYTES",
    "SEGMENT_BYTES",
    "Opener",
    "Sealer",
    "Segments",
    "open_segments",
    "plain_size",
    "sealed_size",
]

KEY_BYTES = 32
SEGMENT_BYTES = 1 << 20
_TAG_BYTES = 16
_SALT_BYTES = 32
_PREFIX_BYTES = 7
HEADER_BYTES = 1 + _SALT_BYTES + _PREFIX_BYTES
_HEADER_BEGINS = bytes([HEADER_BYTES])
_ROOM = SEGMENT_BYTES - _TAG_BYTES
"""Plaintext bytes of a segment; the first has HEADER_BYTES less."""
_MAX_SEGMENTS = 1 << 32
Bytes = bytes | bytearray | memoryview
_SHA256 = SHA256()
_NONCE = struct.Struct(f">{_PREFIX_BYTES}sI?")


def sealed_size(plain_bytes: int) -> int:
    """How many bytes the sealed form of so many has."""
    return HEADER_BYTES + plain_bytes + _TAG_BYTES * _count(plain_bytes)


def plain_size(sealed_bytes: int) -> int:
    """How many bytes a sealed object of so many holds. Raises EvidenceError where none has so
    many."""
    segments = max(1, -(-sealed_bytes // SEGMENT_BYTES))
    plain = sealed_bytes - HEADER_BYTES - _TAG_BYTES * segments
    if plain < 0 or sealed_size(plain) != sealed_bytes:
        raise _broken(f"a sealed object cannot have {sealed_bytes:,} bytes")
    return plain


@dataclass(frozen=True, slots=True)
class Segments:
    """The segments first to last (inclusive) that hold a range of the plaintext, of ``count``."""

    first: int
    last: int
    count: int
    sealed_bytes: int

    @classmethod
    def of_range(cls, start: int, end: int, sealed_bytes: int) -> Segments:
        """Those that plaintext bytes ``start`` to ``end`` touch, in a sealed object of this size.

        Raises ValueError where the object has no such range, EvidenceError where no sealed object
        has this size.
        """
        plain = plain_size(sealed_bytes)
        if not 0 <= start <= end <= plain:
            raise ValueError((start, end))
        first = (
            (start + HEADER_BYTES) // _ROOM if start < plain else (plain + HEADER_BYTES) // _ROOM
        )
        last = (max(start, end - 1) + HEADER_BYTES) // _ROOM
        count = _count(plain)
        return cls(min(first, count - 1), min(last, count - 1), count, sealed_bytes)

    @property
    def sealed_start(self) -> int:
        """Where their sealed bytes begin (behind the header)."""
        return max(HEADER_BYTES, self.first * SEGMENT_BYTES)

    @property
    def sealed_end(self) -> int:
        """Where their sealed bytes end."""
        return min(self.sealed_bytes, (self.last + 1) * SEGMENT_BYTES)

    @property
    def plain_start(self) -> int:
        """Where their plaintext begins in the whole."""
        return max(0, self.first * _ROOM - HEADER_BYTES)


class Sealer:
    """Seals one object, in the memory of two segments. A key may seal any number of objects: each
    has a salt of its own."""

    def __init__(self, key: bytes, associated_data: bytes) -> None:
        """Raises ValueError where the key has not 32 bytes."""
        fresh = os.urandom(_SALT_BYTES + _PREFIX_BYTES)
        self._segments = _Cipher(key, associated_data, fresh[:_SALT_BYTES], fresh[_SALT_BYTES:])
        self._held = _Held()
        self.header = _HEADER_BEGINS + fresh
        """The first bytes of the sealed object; `update` and `finish` give the others."""

    def update(self, data: Bytes) -> Iterator[memoryview]:
        """Take in plaintext; the segments that are complete by it, each valid until the next is
        asked for. Nothing is taken in unless they are asked for to the end."""
        view = memoryview(data)
        while self._held.size + len(view) > self._room:
            plain, view = self._held.fill(view, self._room)
            yield self._segments.seal(plain, is_last=False)
        self._held.add(view)

    def finish(self) -> memoryview:
        """The last segment. Nothing may follow."""
        return self._segments.seal(self._held.take(), is_last=True)

    @property
    def _room(self) -> int:
        return _ROOM - (HEADER_BYTES if self._segments.index == 0 else 0)


class Opener:
    """Opens one object from its first byte on, in the memory of two segments. Each segment that it
    gives out is authentic and in its place; only when `finish` has returned is it known that the
    whole is whole."""

    def __init__(self, key: bytes, associated_data: bytes) -> None:
        """Raises ValueError where the key has not 32 bytes."""
        self._key, self._associated_data = _checked(key), associated_data
        self._segments: _Cipher | None = None
        self._held = _Held()

    def update(self, data: Bytes) -> Iterator[memoryview]:
        """Take in sealed bytes; the plaintext of the segments that are complete by them, each valid
        until the next is asked for. Nothing is taken in unless they are asked for to the end.

        Raises EvidenceError where a segment is not what was sealed.
        """
        view = memoryview(data)
        if self._segments is None:
            if self._held.size + len(view) < HEADER_BYTES:
                self._held.add(view)
                return
            header, view = self._held.fill(view, HEADER_BYTES)
            self._segments = _from_header(self._key, self._associated_data, bytes(header))
        while self._held.size + len(view) > (room := _sealed_room(self._segments.index)):
            sealed, view = self._held.fill(view, room)
            yield self._segments.open(sealed, is_last=False)
        self._held.add(view)

    def finish(self) -> memoryview:
        """The last segment's plaintext. Raises EvidenceError where the object was cut off."""
        if self._segments is None:
            raise _broken("a sealed object ends within its header")
        return self._segments.open(self._held.take(), is_last=True)


def open_segments(
    key: bytes, associated_data: bytes, header: bytes, segments: Segments, sealed: bytes
) -> bytes:
    """The plaintext of some segments, whose sealed bytes are all there, the object's header beside.

    Raises EvidenceError where one is not what was sealed in its place, or the last one is not the
    object's last: so whoever asks for it too knows the object's length.
    """
    if len(sealed) != segments.sealed_end - segments.sealed_start:
        raise _broken(f"{len(sealed):,} bytes are no whole segments of a sealed object")
    cipher = _from_header(_checked(key), associated_data, header)
    cipher.index = segments.first
    view, opened = memoryview(sealed), list[bytes]()
    for index in range(segments.first, segments.last + 1):
        room = _sealed_room(index)
        opened.append(bytes(cipher.open(view[:room], is_last=index == segments.count - 1)))
        view = view[room:]
    return b"".join(opened)


class _Cipher:
    """Segments of one object, one after the other from ``index`` on."""

    __slots__ = ("_aead", "_prefix", "_room", "index")

    def __init__(self, key: bytes, associated_data: bytes, salt: bytes, prefix: bytes) -> None:
        self._aead = AESGCM(_derive(_checked(key), salt, associated_data))
        self._prefix = prefix
        self._room = bytearray()
        self.index = 0

    def seal(self, plain: memoryview, *, is_last: bool) -> memoryview:
        sealed = self._buffer(len(plain) + _TAG_BYTES)
        self._aead.encrypt_into(self._nonce(is_last=is_last), plain, None, sealed)
        return sealed

    def open(self, sealed: memoryview, *, is_last: bool) -> memoryview:
        index, nonce = self.index, self._nonce(is_last=is_last)
        plain = self._buffer(max(0, len(sealed) - _TAG_BYTES))
        try:
            self._aead.decrypt_into(nonce, sealed, None, plain)
        except (InvalidTag, ValueError):
            raise _broken(f"segment {index} of a sealed object is not what was sealed") from None
        return plain

    def _buffer(self, size: int) -> memoryview:
        """Room for one segment, the same each time: the first one is a little smaller than the
        others, and fresh memory costs more than sealing."""
        if size > len(self._room):
            self._room = bytearray(size if size < SEGMENT_BYTES // 2 else SEGMENT_BYTES)
        return memoryview(self._room)[:size]

    def _nonce(self, *, is_last: bool) -> bytes:
        if self.index >= _MAX_SEGMENTS:
            raise _broken("a sealed object has more segments than its format allows")
        nonce = _NONCE.pack(self._prefix, self.index, is_last)
        self.index += 1
        return nonce


class _Held:
    """What came and does not make a segment yet."""

    __slots__ = ("_kept", "_room", "size")

    def __init__(self) -> None:
        self._room = bytearray()
        self._kept: memoryview | None = None
        self.size = 0

    def add(self, view: memoryview) -> None:
        """Keep it: a copy, unless it is all there is and can't change."""
        if not self.size and type(view.obj) is bytes:
            self._kept, self.size = view, len(view)
            return
        if self._kept is not None:
            kept, self._kept, self.size = self._kept, None, 0
            self._copy(kept)
        self._copy(view)

    def _copy(self, view: memoryview) -> None:
        end = self.size + len(view)
        if end > len(self._room):
            room = bytearray(max(end, min(4 * end, SEGMENT_BYTES)))
            room[: self.size] = self._room[: self.size]
            self._room = room  # not resized: somebody may still read what was taken
        self._room[self.size : end] = view
        self.size = end

    def fill(self, view: memoryview, room: int) -> tuple[memoryview, memoryview]:
        """The first ``room`` bytes of what is held and what came, and the rest of what came. Not
        copied where nothing is held. Nothing is held any more."""
        if not self.size:
            return view[:room], view[room:]
        missing = room - self.size
        self.add(view[:missing])
        return self.take(), view[missing:]

    def take(self) -> memoryview:
        """What is held, valid until more is; nothing is any more."""
        if self._kept is not None:
            view, self._kept, self.size = self._kept, None, 0
            return view
        view, self.size = memoryview(self._room)[: self.size], 0
        return view


def _from_header(key: bytes, associated_data: bytes, header: bytes) -> _Cipher:
    if len(header) != HEADER_BYTES or header[0] != HEADER_BYTES:
        raise _broken("a sealed object has no header of its format")
    return _Cipher(key, associated_data, header[1 : 1 + _SALT_BYTES], header[1 + _SALT_BYTES :])


def _derive(key: bytes, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 (RFC 5869)."""
    return HKDF(_SHA256, KEY_BYTES, salt, info).derive(key)


def _checked(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise ValueError(len(key))
    return key


def _sealed_room(index: int) -> int:
    return SEGMENT_BYTES - (HEADER_BYTES if index == 0 else 0)


def _count(plain_bytes: int) -> int:
    """Segments of so many bytes: at least one."""
    return max(1, -(-(plain_bytes + HEADER_BYTES) // _ROOM))


def _broken(failed: str) -> EvidenceError:
    return EvidenceError(
        failed,
        expected="the bytes as they were sealed, under their own key and object id",
        next_step="keep them as they are, restore the object from a copy and compare",
    )
