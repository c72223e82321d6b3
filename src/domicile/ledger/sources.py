"""Where a log's files are read from: the least that a reader needs, and a directory that has it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from domicile.errors import EvidenceError
from domicile.ledger.tiles import Tile

__all__ = ["DirectorySource", "Source", "stored_tiles", "unreadable"]


class Source(Protocol):
    """A place that holds a log's files under their names. It travels to worker processes."""

    @property
    def place(self) -> str:
        """What messages call it."""
        ...

    def read(self, name: str, limit_bytes: int) -> bytes | None:
        """A whole file; None where there is none. Raises EvidenceError where it cannot be a file
        of a log (longer than the limit, no regular file), SiteError where the place does not
        answer.
        """
        ...

    def tiles(self) -> Iterator[Tile] | None:
        """Every tile and bundle that is there, in no order; None where nobody can tell."""
        ...


@dataclass(frozen=True, slots=True)
class DirectorySource:
    """A directory of this machine."""

    directory: Path

    @property
    def place(self) -> str:
        """Its path."""
        return str(self.directory)

    def read(self, name: str, limit_bytes: int) -> bytes | None:
        """A regular file under the directory; a pipe or a device would make the reader wait."""
        try:
            data = _read_regular(self.directory / name, limit_bytes)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise unreadable(f"{name} cannot be read ({error.strerror})") from error
        if len(data) > limit_bytes:
            raise unreadable(f"{name} has more than {limit_bytes:,} bytes")
        return data

    def tiles(self) -> Iterator[Tile]:
        """What lies there now."""
        return stored_tiles(self.directory)


def _read_regular(path: Path, limit_bytes: int) -> bytes:
    """A regular file, or its beginning, which is longer than the limit."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a file")
        return os.read(descriptor, min(status.st_size, limit_bytes) + 1)
    finally:
        os.close(descriptor)


def stored_tiles(directory: Path) -> Iterator[Tile]:
    """Every tile and bundle that the directory holds, in no order; other names are left out."""
    for path in (directory / "tile").rglob("*"):
        tile = Tile.parse(path.relative_to(directory).as_posix())
        if tile is not None and path.is_file():
            yield tile


def unreadable(failed: str) -> EvidenceError:
    """A file of the log is not what it must be."""
    return EvidenceError(
        failed,
        expected="a log as C2SP tlog-tiles lays it out",
        next_step="restore the directory from a copy, then run `domicile ledger verify`",
    )
