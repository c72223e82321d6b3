"""Physical standbys: which database one is a copy of, and whether it has replayed what was written
there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import LiteralString

from psycopg.rows import class_row

from domicile.sites.postgres.connect import Connection, site_name
from domicile.sites.postgres.failures import site_errors

__all__ = ["Lineage", "lineage", "not_replayed", "written_until"]

_LINEAGE: LiteralString = """
SELECT s.system_identifier::text AS cluster, d.oid::bigint AS database,
  pg_catalog.pg_is_in_recovery() AS in_recovery
FROM pg_catalog.pg_control_system() s, pg_catalog.pg_database d
WHERE d.datname = pg_catalog.current_database()
"""
_REPLAYED: LiteralString = """
SELECT pg_catalog.pg_is_in_recovery() AS in_recovery,
  coalesce(pg_catalog.pg_last_wal_replay_lsn() >= CAST(%(until)s AS pg_lsn), false) AS reached,
  pg_catalog.pg_is_in_recovery() AND pg_catalog.pg_is_wal_replay_paused() AS paused,
  pg_catalog.pg_size_pretty(pg_catalog.pg_wal_lsn_diff(%(until)s,
    coalesce(pg_catalog.pg_last_wal_replay_lsn(), '0/0'))) AS behind
"""
_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a database shares with its physical copies: its cluster's identifier and its own OID
    there. in_recovery: the server is a standby now."""

    cluster: str
    database: int
    in_recovery: bool

    def follows(self, other: Lineage) -> bool:
        """Whether this is a standby's copy of a database that takes writes."""
        same = (self.cluster, self.database) == (other.cluster, other.database)
        return same and self.in_recovery and not other.in_recovery


@dataclass(frozen=True, slots=True)
class _Replay:
    in_recovery: bool
    reached: bool
    paused: bool
    behind: str


def lineage(connection: Connection) -> Lineage:
    """Raises `SiteError`."""
    with site_errors(site_name(connection)):
        with connection.cursor(row_factory=class_row(Lineage)) as cursor:
            found = cursor.execute(_LINEAGE).fetchone()
        connection.rollback()
    assert found is not None  # noqa: S101 - a session is always in a database
    return found


def written_until(connection: Connection) -> str:
    """Up to where (an LSN) a primary's write-ahead log is on its disk now: whatever was committed
    there before lies before it. Raises `SiteError`."""
    with site_errors(site_name(connection)):
        row = connection.execute("SELECT pg_catalog.pg_current_wal_flush_lsn()::text").fetchone()
        connection.rollback()
    return str(row[0]) if row else ""


def not_replayed(connection: Connection, until: str, *, patience_s: float) -> str:
    """Wait until a standby has replayed its primary's log up to ``until``. Returns nothing then,
    else why not, with the next step. A paused replay is not waited for. Raises `SiteError`."""
    deadline = time.monotonic() + patience_s
    while True:
        with site_errors(site_name(connection)):
            with connection.cursor(row_factory=class_row(_Replay)) as cursor:
                seen = cursor.execute(_REPLAYED, {"until": until}).fetchone()
            connection.rollback()
        if seen is None or not seen.in_recovery:
            return "it is a standby no more: scan and plan again"
        if seen.reached:
            return ""
        if seen.paused:
            return (
                f"its replay is paused, {seen.behind} behind its primary:"
                " SELECT pg_wal_replay_resume() there"
            )
        if time.monotonic() >= deadline:
            return (
                f"it is {seen.behind} behind its primary: see that it receives and replays its"
                " primary's write-ahead log"
            )
        time.sleep(_PAUSE_S)
