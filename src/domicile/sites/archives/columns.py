"""Parquet: row groups as tables, with each row's person's key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from domicile.sites.archives.model import Key, Unreadable

__all__ = ["check_groups", "opened_parquet", "parquet_groups", "parquet_keys"]

_LARGEST_GROUP = 1 << 30
_BATCH_ROWS = 8192


@contextmanager
def opened_parquet(stream: BinaryIO) -> Iterator[pq.ParquetFile]:
    """A Parquet file. Raises Unreadable where it is damaged, now or while it is read."""
    try:
        with pq.ParquetFile(stream) as file:
            yield file
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise Unreadable(f"it is a damaged Parquet file ({type(error).__name__})") from None


def parquet_keys(file: pq.ParquetFile, person: Sequence[str]) -> Iterator[Key]:
    """Each row's key, in bounded memory. Raises Unreadable."""
    _check_columns(file, person)
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(person)):
        yield from _keys(pa.Table.from_batches([batch]), person)


def parquet_groups(
    file: pq.ParquetFile, person: Sequence[str]
) -> Iterator[tuple[pa.Table, list[Key]]]:
    """Each row group, whole, with its rows' keys. Raises Unreadable where one is over 1 GiB."""
    _check_columns(file, person)
    check_groups(file)
    for number in range(file.num_row_groups):
        table = file.read_row_group(number)
        yield table, list(_keys(table, person))


def check_groups(file: pq.ParquetFile) -> None:
    """Raise Unreadable where a row group is too large to be rewritten: it is in memory then."""
    sizes = (file.metadata.row_group(n).total_byte_size for n in range(file.num_row_groups))
    if max(sizes, default=0) > _LARGEST_GROUP:
        raise Unreadable("a row group of it is larger than 1 GiB")


def _check_columns(file: pq.ParquetFile, person: Sequence[str]) -> None:
    schema = file.schema_arrow
    for column in person:
        if schema.names.count(column) != 1:
            raise Unreadable(f"it has no column {column}, or has it twice")
        kind = schema.field(column).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not any(
            holds(kind) for holds in (pa.types.is_integer, pa.types.is_string, _is_large_string)
        ):
            raise Unreadable(f"its column {column} holds neither text nor whole numbers")


def _is_large_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(kind))


def _keys(table: pa.Table, person: Sequence[str]) -> Iterator[Key]:
    columns = [table.column(name).cast(pa.string()).to_pylist() for name in person]
    for values in zip(*columns, strict=True):
        yield tuple(values) if all(values) else None
