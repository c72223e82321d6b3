"""Taking out of the database's files what was deleted from its tables.

``secure_delete`` overwrites what is deleted, but not the copies that a B-tree leaves behind when it
moves rows between pages: so the file is also written anew (VACUUM). The write-ahead log, where
there is one, is emptied, and whether it is empty is looked at: an open reader prevents it.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from domicile.errors import SiteRefused

__all__ = ["scrub"]

_IN_MEMORY_BYTES = 256 << 20
_DONE = (
    "deleted rows were overwritten, the database's file was written anew without them, and its"
    " journals are empty; blocks of the disk that held them before, snapshots and backups of the"
    " file are not examined"
)
_NOT_EXAMINED = (
    "rows were deleted; their dead copies in the files, the write-ahead log and the replicas of a"
    " {} database are not examined"
)


def scrub(engine: sa.Engine) -> str:
    """What was done and looked at, in words for a certificate. Raises SiteRefused where another
    process reads the database all the while."""
    if engine.dialect.name != "sqlite":
        return _NOT_EXAMINED.format(engine.dialect.name)
    path = Path(str(engine.url.database))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if path.stat().st_size < _IN_MEMORY_BYTES:  # else its copy goes through a temporary file
            connection.exec_driver_sql("PRAGMA temp_store = MEMORY")
        connection.exec_driver_sql("VACUUM")
        busy, left, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    if busy or left > 0 or _bytes_in(path, "-wal") or _bytes_in(path, "-journal"):
        raise SiteRefused(
            "the state database's journal still holds what was deleted: somebody reads it",
            expected="no other process that has the state database open",
            next_step="end it (a backup, a shell), then run the same command again",
        )
    return _DONE


def _bytes_in(path: Path, suffix: str) -> int:
    try:
        return path.with_name(path.name + suffix).stat().st_size
    except FileNotFoundError:
        return 0
