"""Reading an archive: whose each row is, through compression and containers, as a stream."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING, BinaryIO, cast

import pyarrow as pa

from domicile.sites.archives.bounds import DEEPEST, Bounded, Budget, Unclosed
from domicile.sites.archives.columns import opened_parquet, parquet_keys
from domicile.sites.archives.detection import HEAD_BYTES, Kind, kind_of, why_not
from domicile.sites.archives.dumps import as_sql, sql_keys
from domicile.sites.archives.lines import csv_records, json_records
from domicile.sites.archives.model import Key, Layout, Unreadable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["ARROW_CODECS", "DAMAGED", "PACKED", "Reader", "decompressed", "kind_in", "size_of"]

PACKED = frozenset({"gz", "bz2", "zst", "lz4"})
ARROW_CODECS: dict[Kind, str] = {"zst": "zstd", "lz4": "lz4"}
_MOST_MEMBERS = 100_000
_TAR_END_BYTES = 1024
DAMAGED = (
    EOFError,
    OSError,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,  # zipfile: encrypted
    ValueError,  # names that are no UTF-8; times that no datetime holds
    pa.ArrowException,
)
_BACKUP = frozenset({"backup_label", "PG_VERSION", "./backup_label", "./PG_VERSION"})


@dataclass(frozen=True, slots=True)
class Reader:
    """layout: how rows tell their person. spool: where anonymous temporary files may lie, for what
    must be sought in. programs: every ``pg_restore`` here, newest first."""

    layout: Layout
    spool: Path
    programs: Sequence[Path] = ()

    def keys(self, file: BinaryIO) -> Iterator[Key]:
        """The key of every row of an archive, a file from its beginning on. Raises Unreadable,
        maybe after some rows."""
        file.seek(0)
        try:
            yield from self._keys(file, Budget(size_of(file)), 0)
        except DAMAGED as error:
            raise Unreadable(f"it is damaged or encrypted ({type(error).__name__})") from None

    def _keys(self, file: BinaryIO, budget: Budget, depth: int) -> Iterator[Key]:
        if depth > DEEPEST:
            raise Unreadable(f"it is packed more than {DEEPEST} times")
        buffered, head = _peeked(file)
        kind = kind_of(head)
        match kind:
            case "gz" | "bz2" | "zst" | "lz4":
                with decompressed(buffered, kind) as stream:
                    yield from self._keys(
                        cast("BinaryIO", Bounded(stream, budget)), budget, depth + 1
                    )
            case "csv" | "jsonl":
                yield from self._line_keys(buffered, kind)
            case "sql":
                yield from sql_keys(buffered, self.layout.tables)
            case "unknown":
                raise Unreadable(why_not(head))
            case _:
                with self._sought(buffered) as whole:
                    yield from self._sought_keys(whole, kind, budget, depth)

    def _line_keys(self, stream: BinaryIO, kind: Kind) -> Iterator[Key]:
        self._require_person()
        records = (csv_records if kind == "csv" else json_records)(stream, self.layout.person)
        if kind == "csv":
            next(records)
        for _, key in records:
            yield key

    def _sought_keys(self, file: BinaryIO, kind: Kind, budget: Budget, depth: int) -> Iterator[Key]:
        if kind == "parquet":
            self._require_person()
            with opened_parquet(file) as parquet:
                yield from parquet_keys(parquet, self.layout.person)
        elif kind == "pg_dump":
            with as_sql(file, self.programs, is_tar=False) as stream:
                yield from sql_keys(stream, self.layout.tables)
        elif kind == "zip":
            yield from self._zip_keys(file, budget, depth)
        else:
            yield from self._tar_keys(file, budget, depth)

    def _zip_keys(self, file: BinaryIO, budget: Budget, depth: int) -> Iterator[Key]:
        with zipfile.ZipFile(file) as archive:
            every = archive.infolist()
            if min((each.header_offset for each in every), default=0):
                raise Unreadable("something lies before it in the file")
            files = [each for each in every if each.file_size or not each.is_dir()]
            _check_number(len(files))
            for member in files:
                if member.flag_bits & 1:
                    raise Unreadable("a member of it is encrypted")
                with archive.open(member) as stream:
                    inner = cast("BinaryIO", Bounded(cast("BinaryIO", stream), budget))
                    yield from self._keys(inner, budget, depth + 1)

    def _tar_keys(self, file: BinaryIO, budget: Budget, depth: int) -> Iterator[Key]:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for number, member in enumerate(archive, 1):
                _check_number(number)
                if member.name in _BACKUP:
                    raise Unreadable("it is a base backup: only a server can read it")
                if number == 1 and member.name == "toc.dat":
                    file.seek(0)
                    with as_sql(file, self.programs, is_tar=True) as stream:
                        yield from sql_keys(stream, self.layout.tables)
                    return
                inner = archive.extractfile(member) if member.isreg() else None
                if inner is not None:
                    bounded = cast("BinaryIO", Bounded(cast("BinaryIO", inner), budget))
                    yield from self._keys(bounded, budget, depth + 1)
                elif not member.isdir():
                    raise Unreadable("a member of it is no file")
            _check_end(file, archive.offset)

    @contextmanager
    def _sought(self, stream: BinaryIO) -> Iterator[BinaryIO]:
        """The stream as a file that can be sought in, at its beginning."""
        if stream.seekable():
            yield stream
            return
        with tempfile.TemporaryFile(dir=self.spool) as whole:
            copyfileobj(stream, whole, 1 << 20)
            whole.seek(0)
            yield cast("BinaryIO", whole)

    def _require_person(self) -> None:
        if not self.layout.person:
            raise Unreadable("the charter does not say which of its columns holds the person's key")


def kind_in(file: BinaryIO) -> tuple[Kind, Kind]:
    """What a file is, and what is in it where it is compressed (else the same)."""
    file.seek(0)
    buffered, head = _peeked(file)
    outer = inner = kind_of(head)
    if outer in PACKED:
        with decompressed(buffered, outer) as stream:
            inner = kind_of(stream.read(HEAD_BYTES))
    file.seek(0)
    return outer, inner


@contextmanager
def decompressed(stream: BinaryIO, kind: Kind) -> Iterator[BinaryIO]:
    """What a compressed stream holds; the stream itself where it is not."""
    if kind == "gz":
        with gzip.GzipFile(fileobj=stream) as unpacked:
            yield cast("BinaryIO", unpacked)
    elif kind == "bz2":
        yield cast("BinaryIO", io.BufferedReader(_Bz2(stream), 1 << 20))
    elif codec := ARROW_CODECS.get(kind):
        source = pa.PythonFile(Unclosed(stream), mode="r")
        with closing(pa.CompressedInputStream(source, codec)) as unpacked_arrow:
            yield cast("BinaryIO", io.BufferedReader(unpacked_arrow, 1 << 20))
    else:
        yield stream


class _Bz2(io.RawIOBase):
    """What bzip2 streams hold, one after the other. `bz2.BZ2File` ignores what follows them."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._open, self._ahead = stream, bz2.BZ2Decompressor(), b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Some bytes more. Raises OSError where what follows is no such stream, EOFError where one
        is cut."""
        view = memoryview(buffer).cast("B")
        data = b""
        while not data:
            if self._open.eof:
                self._ahead = self._open.unused_data or self._stream.read(1 << 16)
                if not self._ahead:
                    return 0
                self._open = bz2.BZ2Decompressor()
            elif self._open.needs_input and not self._ahead:
                self._ahead = self._stream.read(1 << 16)
                if not self._ahead:
                    raise EOFError
            data = self._open.decompress(self._ahead, len(view))
            self._ahead = b""
        view[: len(data)] = data
        return len(data)


def size_of(file: BinaryIO) -> int:
    """A file's size; it stays where it is."""
    here = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(here)
    return size


def _peeked(file: BinaryIO) -> tuple[BinaryIO, bytes]:
    """A reader over what is left of a stream, and its first bytes."""
    if file.seekable():
        here = file.tell()
        head = file.read(HEAD_BYTES)
        file.seek(here)
        return file, head
    buffered = io.BufferedReader(cast("io.RawIOBase", file), 1 << 16)
    return cast("BinaryIO", buffered), buffered.peek(HEAD_BYTES)[:HEAD_BYTES]


def _check_end(file: BinaryIO, offset: int) -> None:
    """A tar ends with two blocks of zeros, and zeros alone follow: tarfile ends quietly at a header
    that is damaged."""
    file.seek(offset)
    zeros = 0
    while block := file.read(1 << 20):
        if block.count(0) < len(block):
            raise Unreadable("it is damaged, or something follows its end")
        zeros += len(block)
    if zeros < _TAR_END_BYTES:
        raise Unreadable("its end is cut off")


def _check_number(members: int) -> None:
    if members > _MOST_MEMBERS:
        raise Unreadable(f"it has more than {_MOST_MEMBERS:,} members")
