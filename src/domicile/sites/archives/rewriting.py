"""Rewriting an export without some of its rows, and proving that the others are as they were.

CSV and JSON lines keep every other record's very bytes, in order, and their compression; Parquet
keeps its schema, its row groups' order and every other row's values.
"""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from domicile.sites.archives.bounds import Unclosed
from domicile.sites.archives.columns import check_groups, opened_parquet, parquet_groups
from domicile.sites.archives.detection import Kind
from domicile.sites.archives.lines import Record, csv_records, json_records
from domicile.sites.archives.model import Key, Unreadable
from domicile.sites.archives.reading import ARROW_CODECS, DAMAGED, PACKED, decompressed, kind_in

__all__ = ["REWRITABLE", "Keep", "is_rewritable", "rewrite", "same_but_for"]

Keep = Callable[[Sequence[Key]], Sequence[bool]]
"""Which of these rows stay."""

REWRITABLE = frozenset({"csv", "jsonl", "parquet"})
_AT_ONCE = 2_000


@contextmanager
def _told_damage() -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        raise Unreadable(f"it is damaged ({type(error).__name__})") from None


@_told_damage()
def is_rewritable(file: BinaryIO) -> bool:
    """Whether a file is of a format that can be rewritten: an export, compressed or not. Raises
    Unreadable, as also where a Parquet file's row groups are too large for it."""
    outer, inner = kind_in(file)
    if inner == outer == "parquet":
        with opened_parquet(file) as parquet:
            check_groups(parquet)
        file.seek(0)
    return inner in REWRITABLE and (inner != "parquet" or outer == inner)


@_told_damage()
def rewrite(file: BinaryIO, out: BinaryIO, person: Sequence[str], keep: Keep) -> int:
    """Write the rows that stay to ``out``; how many they are. Raises Unreadable."""
    outer, inner = kind_in(file)
    if inner == "parquet":
        return _rewrite_parquet(file, out, person, keep)
    rows = 0
    with ExitStack() as stack:
        stream = stack.enter_context(decompressed(file, outer))
        packed = stack.enter_context(_compressing(out, outer))
        head, records = _records(stream, inner, person)
        packed.write(head)
        for raw, stays in _judged(records, keep):
            if stays:
                packed.write(raw)
                rows += 1
    return rows


@_told_damage()
def same_but_for(before: BinaryIO, after: BinaryIO, person: Sequence[str], keep: Keep) -> bool:
    """Whether ``after`` holds exactly the rows of ``before`` that stay, in order. Raises
    Unreadable."""
    kinds = kind_in(before)
    if kinds[0] in PACKED and kind_in(after)[0] != kinds[0]:
        return False
    if kinds[1] == "parquet":
        return _same_parquet(before, after, person, keep)
    before.seek(0)
    after.seek(0)
    with decompressed(before, kinds[0]) as old, decompressed(after, kinds[0]) as new:
        head, records = _records(old, kinds[1], person)
        if new.read(len(head)) != head:
            return False
        for raw, stays in _judged(records, keep):
            if stays and new.read(len(raw)) != raw:
                return False
        return not new.read(1)


def _records(stream: BinaryIO, kind: Kind, person: Sequence[str]) -> tuple[bytes, Iterator[Record]]:
    """What stands before the rows, and the rows."""
    if kind == "csv":
        records = csv_records(stream, person)
        return next(records)[0], records
    if kind == "jsonl":
        return b"", json_records(stream, person)
    raise Unreadable("it is of a format that can't be rewritten")


def _judged(records: Iterator[Record], keep: Keep) -> Iterator[tuple[bytes, bool]]:
    while batch := list(islice(records, _AT_ONCE)):
        stays = keep([key for _, key in batch])
        yield from zip((raw for raw, _ in batch), stays, strict=True)


@contextmanager
def _compressing(out: BinaryIO, kind: Kind) -> Iterator[BinaryIO]:
    """The same input gives the same output: no time stands in it."""
    if kind == "gz":
        with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packed:
            yield cast("BinaryIO", packed)
    elif kind == "bz2":
        with bz2.BZ2File(out, "wb") as packed_bz2:
            yield cast("BinaryIO", packed_bz2)
    elif codec := ARROW_CODECS.get(kind):
        sink = pa.PythonFile(Unclosed(out), mode="w")
        with pa.CompressedOutputStream(sink, codec) as packed_arrow:
            yield cast("BinaryIO", packed_arrow)
    else:
        yield out


def _rewrite_parquet(file: BinaryIO, out: BinaryIO, person: Sequence[str], keep: Keep) -> int:
    rows = 0
    with (
        opened_parquet(file) as parquet,
        pq.ParquetWriter(
            Unclosed(out), parquet.schema_arrow, compression=_codec(parquet)
        ) as writer,
    ):
        for table, keys in parquet_groups(parquet, person):
            kept = table.filter(pa.array(keep(keys), pa.bool_()))
            rows += kept.num_rows
            if kept.num_rows:
                writer.write_table(kept, row_group_size=kept.num_rows)
    return rows


def _codec(parquet: pq.ParquetFile) -> str:
    if not parquet.num_row_groups:
        return "snappy"
    codec = str(parquet.metadata.row_group(0).column(0).compression).lower()
    return {"uncompressed": "none"}.get(codec, codec)


def _same_parquet(before: BinaryIO, after: BinaryIO, person: Sequence[str], keep: Keep) -> bool:
    with opened_parquet(before) as old, opened_parquet(after) as new:
        if not old.schema_arrow.equals(new.schema_arrow, check_metadata=True):
            return False
        if not old.schema.equals(new.schema):  # INT96 timestamps would be written as INT64
            return False
        there = parquet_groups(new, person)
        for table, keys in parquet_groups(old, person):
            kept = table.filter(pa.array(keep(keys), pa.bool_()))
            if kept.num_rows and not _equal(kept, next(there, (None, []))[0]):
                return False
        return next(there, None) is None


def _equal(one: pa.Table, other: pa.Table | None) -> bool:
    """By value; not-a-number equals itself."""
    if other is None or one.num_rows != other.num_rows:
        return False
    return one.equals(other) or repr(one.to_pylist()) == repr(other.to_pylist())
