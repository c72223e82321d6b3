"""How much an archive may unpack to, and how deep: what is beyond is refused, not read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

from domicile.sites.archives.model import Unreadable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["DEEPEST", "Bounded", "Budget", "Unclosed"]

DEEPEST = 4
"""Layers: a compressed tar of compressed exports has three."""
_RATIO = 1100  # DEFLATE's own limit is 1,032
_ALWAYS_BYTES = 16 << 20


class Budget:
    """Bytes that one archive may unpack to, its members together. size_bytes: the archive's."""

    def __init__(self, size_bytes: int) -> None:
        self._left = _ALWAYS_BYTES + _RATIO * size_bytes

    def spend(self, size_bytes: int) -> None:
        """Raise Unreadable where this is more than is left."""
        self._left -= size_bytes
        if self._left < 0:
            raise Unreadable(f"it unpacks to more than {_RATIO:,} times its size")


class Bounded(io.RawIOBase):
    """What a decompressor gives, counted."""

    def __init__(self, stream: BinaryIO, budget: Budget) -> None:
        self._stream, self._budget = stream, budget

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Some bytes more."""
        view = memoryview(buffer).cast("B")
        data = self._stream.read(len(view))
        self._budget.spend(len(data))
        view[: len(data)] = data
        return len(data)


class Unclosed(io.RawIOBase):
    """A stream that stays open when what is laid over it is closed."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        """It may be."""
        return True

    def writable(self) -> bool:
        """It may be."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """As the stream gives."""
        return self._stream.read(size)

    def write(self, data: ReadableBuffer, /) -> int:
        """As the stream takes."""
        return self._stream.write(data)

    def tell(self) -> int:
        """Where the stream is."""
        return self._stream.tell()
