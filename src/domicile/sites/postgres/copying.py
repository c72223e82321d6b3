"""Rows as raw COPY streams: piped from one database into another, hashed in passing.

Invariants:
- bytes are never decoded; memory is bounded by one chunk and one row;
- a stream's SHA-256 covers every byte of it; for ordered queries over equal rows it is equal
  between servers (the binary format's header and trailer are constant);
- a failure leaves both transactions for the caller to roll back, both connections usable.
"""

from __future__ import annotations

import hashlib
import select
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from psycopg import pq, sql
from psycopg.errors import error_from_result

from domicile.errors import SiteError
from domicile.sites.postgres.connect import Connection, site_name
from domicile.sites.postgres.failures import site_errors
from domicile.sites.postgres.model import TableName
from domicile.sites.postgres.selecting import (
    CopyFormat,
    copy_from_statement,
    copy_to_statement,
)

__all__ = ["CopyResult", "CopyStream", "digest", "pipe"]

Chunk = bytearray | memoryview

_CHUNK_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class CopyResult:
    """A finished stream: rows, bytes, and the SHA-256 of all its bytes in lower-case hex."""

    rows: int
    size_bytes: int
    sha256: str


class CopyStream:
    """``COPY (query) TO STDOUT`` as chunks of bytes, to be iterated once.

    Chunks are of some 128 KiB, or one row where that is longer; their borders mean nothing, and
    a chunk is the reader's to keep no longer than it needs.
    `result` is there when the iteration has ended. Raises `SiteError` while iterating. Close the
    iterator (`contextlib.closing`) where it may be left early: the server's query is cancelled.
    """

    def __init__(self, connection: Connection, query: sql.Composable, form: CopyFormat) -> None:
        self.result: CopyResult | None = None
        self._connection = connection
        self._statement = copy_to_statement(query, form)

    def chunks(self) -> Generator[Chunk, None, None]:
        """The stream's bytes."""
        seen = hashlib.sha256()
        size_bytes = 0
        connection = self._connection
        # The Copy block cancels the query and drains the connection when left by an error.
        with (
            site_errors(site_name(connection)),
            connection.cursor() as cursor,
            cursor.copy(self._statement),
        ):
            for chunk in _batched(connection.pgconn):
                seen.update(chunk)
                size_bytes += len(chunk)
                yield chunk
                del chunk
            rows = _finish(connection.pgconn)
        self.result = CopyResult(rows, size_bytes, seen.hexdigest())


def digest(
    connection: Connection,
    query: sql.Composable,
    form: CopyFormat,
    *,
    on_bytes: Callable[[int], None] | None = None,
) -> CopyResult:
    """Read a query's rows and hash them. on_bytes is told the size of every chunk."""
    stream = CopyStream(connection, query, form)
    with closing(stream.chunks()) as chunks:
        for chunk in chunks:
            if on_bytes is not None:
                on_bytes(len(chunk))
            del chunk
    return _result(stream)


def pipe(  # noqa: PLR0913 - two ends, and what goes between them
    source: Connection,
    query: sql.Composable,
    home: Connection,
    table: TableName,
    columns: Sequence[str],
    form: CopyFormat,
    *,
    on_bytes: Callable[[int], None] | None = None,
) -> CopyResult:
    """Copy a query's rows into a table's columns; neither side is committed.

    Raises `SiteError` with the name of the side that failed, also where the home took fewer or
    more rows than the source gave (a trigger or rule of the table).
    """
    stream = CopyStream(source, query, form)
    with site_errors(site_name(home)), home.cursor() as cursor:
        statement = copy_from_statement(table, columns, form)
        with cursor.copy(statement) as copy, closing(stream.chunks()) as chunks:
            for chunk in chunks:
                copy.write(chunk)
                if on_bytes is not None:
                    on_bytes(len(chunk))
                del chunk
        taken = cursor.rowcount
    result = _result(stream)
    if taken != result.rows:
        raise SiteError(
            f"site {site_name(home)}: table {table} took {taken} of {result.rows} rows",
            expected="every row that is copied in",
            next_step="look at the table's triggers",
        )
    return result


def _result(stream: CopyStream) -> CopyResult:
    if stream.result is None:
        raise SiteError("a COPY stream ended without its result")
    return stream.result


def _batched(pgconn: pq.abc.PGconn) -> Iterator[Chunk]:
    """COPY data in chunks. libpq hands out one small message per row, so this loop is hot: a row's
    memory must be free again before the next one comes."""
    read = pgconn.get_copy_data
    chunk = bytearray()
    poller = select.poll()
    poller.register(pgconn.socket, select.POLLIN)
    while True:
        length, row = read(1)
        if length >= _CHUNK_BYTES:  # as it is: a copy of a long row would be the fourth
            if chunk:
                yield chunk
                chunk = bytearray()
            yield row
            del row
        elif length > 0:
            chunk += row
            if len(chunk) >= _CHUNK_BYTES:
                yield chunk
                chunk = bytearray()
        elif length == 0:
            poller.poll()
            pgconn.consume_input()
        else:
            break
    if chunk:
        yield chunk


def _finish(pgconn: pq.abc.PGconn) -> int:
    """The number of rows that the server says it sent; raises what it says went wrong, with the
    connection ready for its next command."""
    results = list(iter(pgconn.get_result, None))
    for result in results:
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise error_from_result(result)
    return (results[0].command_tuples or 0) if results else 0
