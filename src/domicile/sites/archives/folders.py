"""``pg_dump`` in the directory format: which files of a folder are parts of one dump, what its
table of contents says of each, and whose the rows of one of them are.

The format is that of PostgreSQL's ``pg_backup_archiver.c`` (``ReadHead``, ``ReadToc``) and
``pg_backup_directory.c``, archive versions 1.12 (PostgreSQL 9.0) to 1.16 (PostgreSQL 18).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from domicile.sites.archives.bounds import Bounded, Budget
from domicile.sites.archives.detection import Kind
from domicile.sites.archives.dumps import table_keys
from domicile.sites.archives.lines import read_line
from domicile.sites.archives.model import NOBODY_CAN_SAY, Key, Unreadable
from domicile.sites.archives.reading import DAMAGED, decompressed, size_of

__all__ = ["DumpFile", "Toc", "dump_file", "part_keys", "read_blobs", "read_toc"]

_NAME = re.compile(
    r"(?P<name>toc\.dat|[0-9]+\.dat|blob_[0-9]+\.dat|blobs(?:_[0-9]+)?\.toc)"
    r"(?:\.(?P<packed>gz|lz4|zst))?"
)
_TAR = 3  # "to be compatible with the tar format", as pg_dump says
_OLDEST, _NEWEST = (1, 12), (1, 16)
_LARGEST_TOC_BYTES = 256 << 20
_TIME_INTEGERS = 7


@dataclass(frozen=True, slots=True)
class DumpFile:
    """A key that is called as a file of a dump in the directory format is. folder: with its ``/``;
    name: without what tells its compression."""

    folder: str
    name: str
    packed: Kind

    @property
    def is_toc(self) -> bool:
        """Whether it is the table of contents of the whole dump."""
        return self.name == "toc.dat"

    @property
    def lists_blobs(self) -> bool:
        """Whether it is a list of large objects."""
        return self.name.endswith(".toc")


def dump_file(key: str) -> DumpFile | None:
    """What part of a dump a key may be, by its name."""
    folder, slash, last = key.rpartition("/")
    found = _NAME.fullmatch(last)
    if found is None:
        return None
    return DumpFile(folder + slash, found["name"], cast("Kind", found["packed"] or "unknown"))


@dataclass(frozen=True, slots=True)
class Toc:
    """What a table of contents says. heads: for each file's name the COPY that reads its rows, or
    nothing where it isn't one."""

    heads: Mapping[str, str]


def read_toc(file: BinaryIO, packed: Kind) -> Toc | None:
    """A table of contents, a file from its beginning on; None where it is no such thing. Raises
    Unreadable where it is one that can't be read."""
    with _unpacked(file, packed) as stream:
        data = stream.read(_LARGEST_TOC_BYTES + 1)
    if not data.startswith(b"PGDMP"):
        return None
    if len(data) > _LARGEST_TOC_BYTES:
        raise Unreadable("its table of contents is larger than 256 MiB")
    try:
        return Toc(dict(_Fields(data).files()))
    except (IndexError, UnicodeDecodeError):
        raise Unreadable("its table of contents is damaged") from None


def read_blobs(file: BinaryIO, packed: Kind) -> list[str]:
    """The names of the files in a list of large objects. Raises Unreadable."""
    names = []
    with _unpacked(file, packed) as stream:
        while line := read_line(stream):
            number, _, name = line.decode("utf-8", "replace").rstrip("\n").partition(" ")
            part = dump_file(name)
            if not number.isdigit() or part is None or part.folder:
                raise Unreadable("its list of large objects is damaged")
            names.append(part.name)
    return names


def part_keys(
    file: BinaryIO, part: DumpFile, head: str, tables: Mapping[str, Sequence[str]]
) -> Iterator[Key]:
    """The key of each row of a dump's file. A large object is a row that does not tell. Raises
    Unreadable, maybe after some rows."""
    with _unpacked(file, part.packed) as stream:
        if part.name.startswith("blob"):
            if stream.read(1):
                yield NOBODY_CAN_SAY
            while stream.read(1 << 20):
                pass
        else:
            yield from table_keys(stream, head, tables)


@contextmanager
def _unpacked(file: BinaryIO, packed: Kind) -> Iterator[BinaryIO]:
    """A file's contents from its beginning, bounded. Damage is Unreadable."""
    file.seek(0)
    budget = Budget(size_of(file))
    try:
        with decompressed(file, packed) as stream:
            bounded = Bounded(stream, budget)
            yield cast("BinaryIO", io.BufferedReader(bounded, 1 << 16))
    except DAMAGED as error:
        raise Unreadable(f"a file of it is damaged ({type(error).__name__})") from None


class _Fields:
    """The fields of a table of contents, one after the other. IndexError: it ends before."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, len(b"PGDMP")
        self._version = (self._byte(), self._byte())
        self._byte()  # revision
        self._integer_bytes = self._byte()
        self._byte()  # size of an offset
        if self._byte() != _TAR:
            raise Unreadable("its toc.dat is of a dump in another format")
        if not _OLDEST <= self._version <= _NEWEST:
            raise Unreadable("its toc.dat is of a version of pg_dump that is not known here")

    def files(self) -> Iterator[tuple[str, str]]:
        """The name of each file, and the COPY that reads it."""
        self._byte() if self._version >= (1, 15) else self._integer()  # compression
        for _ in range(_TIME_INTEGERS):
            self._integer()
        for _ in range(3):  # database, version of the server, of pg_dump
            self._text()
        for _ in range(self._integer()):
            copy, name = self._entry()
            if name:
                part = dump_file(name)
                if part is None or part.folder:
                    raise Unreadable("its table of contents is damaged")
                yield part.name, copy

    def _entry(self) -> tuple[str, str]:
        self._integer()  # its number
        self._integer()  # whether it has data
        for _ in range(4):  # catalog, oid, tag, description
            self._text()
        self._integer()  # section
        for _ in range(2):  # definition, its drop
            self._text()
        copy = self._text()
        for _ in range(2 + (self._version >= (1, 14))):  # schema, tablespace, access method
            self._text()
        if self._version >= (1, 16):
            self._integer()  # kind of relation
        for _ in range(2):  # owner, oids
            self._text()
        while self._raw() is not None:  # what it depends on
            pass
        return copy, self._text()

    def _byte(self) -> int:
        value = self._data[self._at]
        self._at += 1
        return value

    def _integer(self) -> int:
        is_negative = self._byte()
        value = int.from_bytes(self._take(self._integer_bytes), "little")
        return -value if is_negative else value

    def _text(self) -> str:
        return (self._raw() or b"").decode()

    def _raw(self) -> bytes | None:
        length = self._integer()
        return None if length < 0 else self._take(length)

    def _take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._data):
            raise IndexError
        taken = self._data[self._at : end]
        self._at = end
        return taken
