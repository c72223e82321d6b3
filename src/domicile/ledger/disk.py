"""The one seam to the operating system through which the ledger writes; tests break it here.

Durable means: the file fsynced, then renamed into place, then its directory fsynced.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

__all__ = ["NO_ROOM", "Disk", "SyncFailed"]


NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""A write that failed so wrote at most a part."""


class SyncFailed(OSError):
    """An fsync failed: what the disk holds is unknown, and asking again proves nothing."""


class Disk:
    """The operating system's calls, one method each. Raises OSError; SyncFailed from syncs."""

    def create(self, path: Path, mode: int = 0o644) -> int:
        """Create a file that must not exist and return its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)

    def write(self, descriptor: int, data: bytes) -> None:
        """Write all of ``data``."""
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    def sync(self, descriptor: int) -> None:
        """Wait until file (or directory) and its length are on the medium."""
        try:
            os.fsync(descriptor)
        except OSError as error:
            raise SyncFailed(error.errno, "fsync failed") from error

    def open(self, path: Path) -> int:
        """Open a file that is there, for writing in its middle."""
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def write_at(self, descriptor: int, data: bytes, offset: int) -> None:
        """Write all of ``data`` from ``offset`` on."""
        view = memoryview(data)
        while view:
            done = os.pwrite(descriptor, view, offset)
            view, offset = view[done:], offset + done

    def sync_data(self, descriptor: int) -> None:
        """Wait until what was written to a file of settled length is on the medium."""
        try:
            os.fdatasync(descriptor)
        except OSError as error:
            raise SyncFailed(error.errno, "fdatasync failed") from error

    def truncate(self, descriptor: int, length: int) -> None:
        """Cut a file off."""
        os.ftruncate(descriptor, length)

    def rename(self, source: Path, target: Path) -> None:
        """Put ``source`` in ``target``'s place at once."""
        source.replace(target)

    def make_directory(self, path: Path) -> None:
        """Create one directory; its parent exists."""
        path.mkdir(mode=0o755, exist_ok=True)

    def remove(self, path: Path) -> None:
        """Remove one file; an absent one counts as removed."""
        path.unlink(missing_ok=True)

    def remove_directory(self, path: Path) -> None:
        """Remove one empty directory."""
        path.rmdir()

    def write_synced(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        """Create ``path`` with ``data`` and fsync it (not its directory)."""
        descriptor = self.create(path, mode)
        try:
            self.write(descriptor, data)
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def sync_directory(self, path: Path) -> None:
        """Make the names in a directory durable."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def make_directories(self, path: Path) -> None:
        """Create a directory and its missing parents, each durable in its parent."""
        missing = []
        while not path.is_dir():
            missing.append(path)
            path = path.parent
        for directory in reversed(missing):
            self.make_directory(directory)
            self.sync_directory(directory.parent)
