"""Digests of the records' files, as entries name them."""

from __future__ import annotations

import os
import stat
from hashlib import file_digest
from pathlib import Path

from domicile.errors import UsageError
from domicile.ledger.entries import FileDigest

__all__ = ["digest_file", "hash_file"]


def digest_file(path: Path, records: Path) -> FileDigest:
    """Hash a file of the records for an entry. Raises UsageError where it is not a regular file
    under ``records`` or cannot be read.
    """
    try:
        relative = path.resolve().relative_to(records.resolve()).as_posix()
        sha256, size_bytes = hash_file(path)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be recorded",
            expected=f"a readable file under {records}",
            next_step="write the file first, then its entry",
        ) from error
    return FileDigest(path=relative, sha256=sha256, size_bytes=size_bytes)


def hash_file(path: Path) -> tuple[str, int]:
    """SHA-256 (hex) and size in bytes, in bounded memory. Raises OSError, also for what is not a
    regular file (a pipe would make the reader wait for ever).
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path.name} is not a regular file")
        digest = file_digest(file, "sha256").hexdigest()
        return digest, file.tell()
