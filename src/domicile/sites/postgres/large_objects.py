"""Large objects: read, written, compared and removed with the rows that refer to them.

A large object is named by its oid alone, which rows hold as a value: it goes home under the same
oid, or not at all. Contents pass in pieces, never as a whole. Reading one takes its owner's rights
or a grant, removing one its owner's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import LiteralString

import psycopg
from psycopg import sql

from domicile.errors import SiteRefused
from domicile.sites.postgres.connect import Connection, site_name
from domicile.sites.postgres.failures import site_errors
from domicile.sites.postgres.model import TableName
from domicile.sites.postgres.selecting import table_identifier, table_rows

__all__ = [
    "LARGE_OBJECT_TABLE",
    "bring_large_object",
    "digest_large_object",
    "forgotten_large_objects",
    "large_objects_in",
    "note_large_objects",
    "readable_large_objects",
    "referring_columns",
    "remove_large_objects",
]

LARGE_OBJECT_TABLE = TableName("pg_catalog", "pg_largeobject", is_root=False)
PIECE_BYTES = 1024 * 1024
_NOTED = "domicile_large_objects"
_FOR_WRITING = 0x20000  # libpq's INV_WRITE

# Every column that may hold an oid of a large object, domains such as `lo` among them.
_OID_COLUMNS: LiteralString = """
SELECT n.nspname, c.relname, a.attname, c.relkind = 'p' FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND (t.oid = 'oid'::regtype OR (t.typtype = 'd' AND t.typbasetype = 'oid'::regtype))
ORDER BY 1, 2, 3
"""
_MAY_READ: LiteralString = """
(SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
  OR current_setting('lo_compat_privileges')::boolean OR pg_has_role(m.lomowner, 'USAGE')
  OR EXISTS (SELECT FROM aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT'
    AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')))
"""


def large_objects_in(
    connection: Connection, rows: sql.Composable, columns: Sequence[str]
) -> list[int]:
    """The large objects that a query's rows refer to in these of its columns, by oid, each once.
    What there is no large object of is left out."""
    query = sql.SQL(
        "SELECT m.oid::bigint FROM pg_catalog.pg_largeobject_metadata AS m"
        " WHERE m.oid IN ({}) ORDER BY 1"
    ).format(_values(rows, columns))
    with site_errors(site_name(connection)):
        return [int(oid) for (oid,) in connection.execute(query)]


def digest_large_object(connection: Connection, oid: int) -> str:
    """The SHA-256 of a large object's contents, in hex. Raises `SiteError`."""
    seen = hashlib.sha256()
    for piece in _pieces(connection, oid):
        seen.update(piece)
    return seen.hexdigest()


def readable_large_objects(
    connection: Connection, rows: sql.Composable, columns: Sequence[str]
) -> dict[int, str]:
    """The digests of those of `large_objects_in` that the site's user may read, by oid."""
    query = sql.SQL(
        "SELECT m.oid::bigint FROM pg_catalog.pg_largeobject_metadata AS m"
        " WHERE m.oid IN ({}) AND ({})"
    ).format(_values(rows, columns), sql.SQL(_MAY_READ))
    with site_errors(site_name(connection)):
        found = [int(oid) for (oid,) in connection.execute(query).fetchall()]
    return {oid: digest_large_object(connection, oid) for oid in found}


def referring_columns(connection: Connection) -> list[tuple[TableName, str]]:
    """Every column of the database that may name large objects."""
    with site_errors(site_name(connection)):
        return [
            (TableName(schema, table, is_root=root), column)
            for schema, table, column, root in connection.execute(_OID_COLUMNS).fetchall()
        ]


def _never(_: str) -> bool:
    return False


def bring_large_object(
    source: Connection,
    home: Connection,
    oid: int,
    replaceable: Callable[[str], bool] = _never,
) -> str:
    """Make a large object at home, under its oid, as it is at the source; within the callers'
    transactions. Answers the SHA-256 of its contents, in hex. One that is there already must be the
    same, or ``replaceable``, which is told the digest of what home has. Raises `SiteRefused` where
    it is another; `SiteError`."""
    with site_errors(site_name(home)):
        try:
            with home.transaction():
                home.execute("SELECT pg_catalog.lo_create(%s::oid)", (oid,))
        except psycopg.errors.UniqueViolation:
            at_home = digest_large_object(home, oid)
            if digest_large_object(source, oid) == at_home:
                return at_home
            if not replaceable(at_home):
                raise _another(home, oid) from None
            _empty(home, oid)
    offset, seen = 0, hashlib.sha256()
    for piece in _pieces(source, oid):
        with site_errors(site_name(home)):
            home.execute("SELECT pg_catalog.lo_put(%s::oid, %s, %b)", (oid, offset, piece))
        offset += len(piece)
        seen.update(piece)
    return seen.hexdigest()


def forgotten_large_objects(
    connection: Connection, known: Mapping[TableName, Sequence[str]]
) -> tuple[int, int]:
    """How many large objects no row of the ``known`` tables refers to by these of its columns, and
    how many others the site's user may not read."""
    unknown: list[sql.Composable] = [sql.SQL("true")]
    for table, columns in known.items():
        rows = sql.SQL("SELECT * FROM {}").format(table_rows(table))
        unknown += [sql.SQL("m.oid NOT IN ({})").format(_values(rows, [c])) for c in columns]
    query = sql.SQL(
        "SELECT count(*) FILTER (WHERE unknown),"
        " count(*) FILTER (WHERE NOT unknown AND NOT may_read) FROM"
        " (SELECT {} AS unknown, {} AS may_read FROM pg_catalog.pg_largeobject_metadata AS m) AS f"
    ).format(sql.SQL(" AND ").join(unknown), sql.SQL(_MAY_READ))
    row = connection.execute(query).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def note_large_objects(
    connection: Connection, rows: sql.Composable, columns: Sequence[str]
) -> None:
    """Remember, for the length of the transaction, what a query's rows refer to, before they go."""
    noted = sql.Identifier(_NOTED)
    connection.execute(
        sql.SQL("CREATE TEMP TABLE IF NOT EXISTS {} (oid oid PRIMARY KEY) ON COMMIT DROP").format(
            noted
        )
    )
    connection.execute(
        sql.SQL("INSERT INTO pg_temp.{} {} ON CONFLICT DO NOTHING").format(
            noted, _values(rows, columns)
        )
    )


def remove_large_objects(connection: Connection) -> None:
    """Remove what was noted and no row refers to any more, of whatever table."""
    noted = sql.SQL("pg_temp.{}").format(sql.Identifier(_NOTED))
    for name, column in referring_columns(connection):
        connection.execute(
            sql.SQL("DELETE FROM {} AS o WHERE o.oid IN (SELECT {} FROM {} AS t)").format(
                noted, sql.Identifier("t", column), table_identifier(name)
            )
        )
    connection.execute(
        sql.SQL(
            "SELECT pg_catalog.lo_unlink(m.oid) FROM pg_catalog.pg_largeobject_metadata AS m"
            " WHERE m.oid IN (SELECT o.oid FROM {} AS o)"
        ).format(noted)
    )


def _values(rows: sql.Composable, columns: Sequence[str]) -> sql.Composable:
    """The oids that columns of a query's rows hold."""
    return sql.SQL(" UNION ").join(
        sql.SQL("SELECT {}::oid FROM ({}) AS r WHERE {} IS NOT NULL").format(
            sql.Identifier("r", column), rows, sql.Identifier("r", column)
        )
        for column in columns
    )


def _pieces(connection: Connection, oid: int) -> Iterator[bytes]:
    offset = 0
    with site_errors(site_name(connection)), connection.cursor(binary=True) as cursor:
        while True:
            row = cursor.execute(
                "SELECT pg_catalog.lo_get(%s::oid, %s, %s)", (oid, offset, PIECE_BYTES)
            ).fetchone()
            piece = bytes(row[0]) if row else b""
            yield piece
            offset += len(piece)
            if len(piece) < PIECE_BYTES:
                return


def _empty(home: Connection, oid: int) -> None:
    row = home.execute("SELECT pg_catalog.lo_open(%s::oid, %s)", (oid, _FOR_WRITING)).fetchone()
    opened = row and row[0]
    home.execute("SELECT pg_catalog.lo_truncate64(%s, 0)", (opened,))
    home.execute("SELECT pg_catalog.lo_close(%s)", (opened,))


def _another(home: Connection, oid: int) -> SiteRefused:
    return SiteRefused(
        f"site {site_name(home)}: there is another large object {oid}",
        expected="none under an oid that comes home, or the same, or what a copy brought and nobody"
        " changed",
        next_step=f"where nobody needs home's, SELECT lo_unlink({oid}) there; else give the"
        " source's another oid, in its rows too",
    )
