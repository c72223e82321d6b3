"""One writer at a time: an exclusive ``fcntl`` lock, freed by the kernel when its process dies.

A POSIX record lock and not ``flock``: a forked worker that outlives its killed parent must not keep
the ledger locked. Such locks say nothing within one process, so a table of held locks does.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from threading import Lock

from domicile.errors import UsageError

__all__ = ["Taken", "WriterLock"]

_table = Lock()
_held: dict[tuple[int, int], int] = {}  # device and inode of the lock file -> holder's process id


class Taken(UsageError):
    """Somebody else writes to this log."""


class WriterLock:
    """Held from construction to `release`. Raises Taken where somebody holds it."""

    def __init__(self, path: Path) -> None:
        with _table:
            # Closing any descriptor of the file would drop the lock: look before opening.
            if path.exists() and _held.get(_identity(path)) == os.getpid():
                raise _taken(path)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                os.close(self._descriptor)
                raise _taken(path) from None
            self._identity = _identity(path)
            self._process = os.getpid()
            _held[self._identity] = self._process

    @property
    def held(self) -> bool:
        """Whether this process (not a forked parent) holds it."""
        return self._descriptor >= 0 and self._process == os.getpid()

    def release(self) -> None:
        """Free the lock; a second time does nothing."""
        with _table:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
                if self._process == os.getpid():
                    _held.pop(self._identity, None)


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _taken(path: Path) -> Taken:
    return Taken(
        f"the ledger {path.parent.parent} is being written by somebody else",
        expected="one writer at a time",
        next_step="wait until the other command has ended, or stop it, and repeat",
    )
