"""Where a server may still hold rows that were erased from its tables, in plain sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from psycopg.rows import class_row

from domicile.sites.postgres.connect import Connection, site_name
from domicile.sites.postgres.failures import site_errors
from domicile.sites.postgres.model import TableName
from domicile.sites.postgres.selecting import table_identifier

__all__ = ["held_back_by", "remains"]

_SETTINGS: LiteralString = """
SELECT current_setting('wal_level') AS wal_level, current_setting('archive_mode') AS archive_mode,
  current_setting('log_statement') AS log_statement,
  current_setting('log_min_duration_statement')::int >= 0 AS logs_slow_statements,
  pg_is_in_recovery() AS in_recovery,
  pg_has_role('pg_read_all_stats', 'USAGE') AS sees_others,
  EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements') AS keeps_statements
"""
_REPLICAS: LiteralString = """
SELECT format('a replica or subscriber (%s) receives every change', application_name) AS sentence
FROM pg_stat_replication ORDER BY 1
"""
_SLOTS: LiteralString = """
SELECT format('the %s replication slot %s keeps write-ahead log%s', slot_type, slot_name,
  CASE WHEN xmin IS NULL AND catalog_xmin IS NULL THEN ''
    ELSE ', and holds back the removal of dead rows' END) AS sentence
FROM pg_replication_slots ORDER BY 1
"""
_PUBLICATIONS: LiteralString = """
SELECT format('the publication %s: whoever subscribes to it has copies', pubname) AS sentence
FROM pg_publication ORDER BY 1
"""
_SNAPSHOTS: LiteralString = """
SELECT format('session %s (%s) holds a snapshot since %s: what was erased after that could not be'
  ' removed', pid, coalesce(nullif(application_name, ''), backend_type), xact_start) AS sentence
FROM pg_stat_activity
WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
  AND backend_type <> 'autovacuum worker' AND (datname = current_database() OR datname IS NULL)
ORDER BY xact_start
"""
_PREPARED: LiteralString = """
SELECT format('a prepared transaction since %s holds back the removal of dead rows', prepared)
  AS sentence
FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared
"""
_HOLDERS: LiteralString = """
SELECT format('session %%s (%%s) since %%s', pid,
  coalesce(nullif(application_name, ''), backend_type), xact_start) AS sentence
FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker'
  AND (backend_xmin IS NOT NULL AND (datname = current_database() OR datname IS NULL)
    OR pid IN (SELECT l.pid FROM pg_locks l WHERE l.granted AND l.relation = ANY (%(tables)s::oid[])
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())))
UNION ALL
SELECT format('the prepared transaction %%L since %%s', gid, prepared)
FROM pg_prepared_xacts WHERE database = current_database()
UNION ALL
SELECT format('the replication slot %%s', slot_name) FROM pg_replication_slots
WHERE xmin IS NOT NULL
ORDER BY 1
"""
_ALWAYS = (
    "backups, snapshots of disks and file systems, and freed blocks of disks: no query shows them"
)


@dataclass(frozen=True, slots=True)
class _Settings:
    wal_level: str
    archive_mode: str
    log_statement: str
    logs_slow_statements: bool
    in_recovery: bool
    sees_others: bool
    keeps_statements: bool


@dataclass(frozen=True, slots=True)
class _Found:
    sentence: str


def remains(connection: Connection) -> list[str]:
    """What on this server may still hold erased rows, as far as it can be asked; the last
    sentence says what cannot. Raises `SiteError`."""
    with site_errors(site_name(connection)):
        with connection.cursor(row_factory=class_row(_Settings)) as cursor:
            settings = cursor.execute(_SETTINGS).fetchone()
        sentences = _of_settings(settings) if settings is not None else []
        for query in (_REPLICAS, _SLOTS, _PUBLICATIONS, _SNAPSHOTS, _PREPARED):
            with connection.cursor(row_factory=class_row(_Found)) as cursor:
                sentences += [row.sentence for row in cursor.execute(query)]
    return [*sentences, _ALWAYS]


def held_back_by(connection: Connection, table: TableName) -> list[str]:
    """Who keeps the server from removing a table's dead rows, as far as the site's user may see.
    Raises `SiteError`."""
    with site_errors(site_name(connection)):
        oids = connection.execute(
            "SELECT relid::oid FROM pg_partition_tree(CAST(%(table)s AS regclass))"
            " UNION SELECT CAST(%(table)s AS regclass)::oid",
            {"table": table_identifier(table).as_string(connection)},
        ).fetchall()
        with connection.cursor(row_factory=class_row(_Found)) as cursor:
            rows = cursor.execute(_HOLDERS, {"tables": [oid for (oid,) in oids]}).fetchall()
    return [row.sentence for row in rows] or ["a session that the site's user may not see"]


def _of_settings(settings: _Settings) -> list[str]:
    sentences = [
        f"the write-ahead log (wal_level {settings.wal_level}), until its segments are recycled"
    ]
    if settings.in_recovery:
        sentences.append("this server is a standby: its primary has the same rows")
    if settings.archive_mode != "off":
        sentences.append("the archive of the write-ahead log, from before and since the erasure")
    if settings.log_statement != "none" or settings.logs_slow_statements:
        sentences.append("the server's log, which records statements with their values")
    if settings.keeps_statements:
        sentences.append("pg_stat_statements, which keeps the texts of statements")
    if not settings.sees_others:
        sentences.append("old snapshots of other users' sessions, which this user may not see")
    return sentences
