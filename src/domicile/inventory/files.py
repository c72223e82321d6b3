"""Immutable files of the inventory: written whole, fsynced, renamed; digested once.

A result file is Parquet whose schema metadata holds the body of the ledger entry that announces
it, so that a run killed between the two can announce it later from the file alone.
"""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import MsgspecError

from domicile.errors import EvidenceError, SiteRefused
from domicile.ledger import Body, FileDigest, digest_file

__all__ = [
    "announce",
    "announced_body",
    "digest_under",
    "read_batches",
    "write_bytes",
    "write_parquet",
]

_BODY = b"domicile.body"
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})

B = TypeVar("B", bound=Body)


def write_bytes(path: Path, data: bytes) -> None:
    """Put a whole file in place, durably; an existing one is replaced."""
    temporary = _temporary(path)
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _publish(temporary, path)
    except OSError as error:
        _drop(temporary)
        raise _refused(path, error) from error


def write_parquet(
    path: Path, schema: pa.Schema, tables: Iterable[pa.Table], body: Body | None = None
) -> None:
    """Put a Parquet file in place, durably, a row group a table. body: what the ledger will say of
    it (its ``files`` still empty); such a file never takes the place of another. Raises SiteRefused
    where one is there, and where the disk refuses it."""
    temporary = _temporary(path)
    if body is not None:
        schema = schema.with_metadata({_BODY: msgspec.json.encode(body)})
    try:
        with temporary.open("xb") as file:
            with pq.ParquetWriter(file, schema, compression="zstd") as writer:
                for table in tables:
                    writer.write_table(table.cast(schema))
            file.flush()
            os.fsync(file.fileno())
        (_publish if body is None else _publish_new)(temporary, path)
    except FileExistsError as error:
        _drop(temporary)
        raise _there(path) from error
    except OSError as error:
        _drop(temporary)
        raise _refused(path, error) from error
    except BaseException:
        _drop(temporary)
        raise


def read_batches(path: Path, columns: list[str] | None = None) -> Iterator[dict[str, object]]:
    """The rows of a Parquet file as dictionaries, in bounded memory."""
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=4096, columns=columns):
                yield from batch.to_pylist()
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise _damaged(path) from error


def announced_body(path: Path, kind: type[B]) -> B:
    """The ledger entry's body that a result file carries, its ``files`` still empty."""
    try:
        metadata = pq.read_schema(path).metadata or {}
        return msgspec.json.decode(metadata[_BODY], type=kind)
    except (KeyError, OSError, UnicodeDecodeError, pa.ArrowException, MsgspecError) as error:
        raise _damaged(path) from error


def announce(path: Path, records: Path, kind: type[B]) -> B:
    """The body to append for a finished result file: what it carries, with its digest."""
    body = announced_body(path, kind)
    return msgspec.structs.replace(body, files=(digest_under(path, records),))


def digest_under(path: Path, records: Path) -> FileDigest:
    """A file's digest under its path relative to the records directory."""
    return digest_file(path, records)


def _temporary(path: Path) -> Path:
    """A name beside ``path`` that nobody else takes, in a directory that is there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(path, error) from error
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")


def _drop(temporary: Path) -> None:
    """Clean up after an error, which is the one to be told."""
    with suppress(OSError):
        temporary.unlink(missing_ok=True)


def _publish_new(temporary: Path, path: Path) -> None:
    """Put it in place unless something is there. Raises FileExistsError."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        if not path.samefile(temporary):  # else a network's answer was lost, and asked again
            raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            raise FileExistsError from error
        _publish(temporary, path)
        return
    temporary.unlink()
    _fsync_directory(path)


def _publish(temporary: Path, path: Path) -> None:
    temporary.rename(path)
    _fsync_directory(path)


def _fsync_directory(path: Path) -> None:
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _there(path: Path) -> SiteRefused:
    return SiteRefused(
        f"{path.name} is there already, by another worker",
        expected="one worker at a shard",
        next_step="run the same command again: it goes on from what is there",
    )


def _refused(path: Path, error: OSError) -> SiteRefused:
    return SiteRefused(
        f"the records refused a file of the inventory ({path.name}: {error.strerror})",
        expected="room and permission in the records directory",
        next_step="make room, then run the same command again: it resumes",
    )


def _damaged(path: Path) -> EvidenceError:
    return EvidenceError(
        f"inventory file {path.name} is missing, damaged or not one of ours",
        expected="the file as it was written",
        next_step="run `domicile ledger verify`, then restore the file or start a new scan",
    )
