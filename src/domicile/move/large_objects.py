"""Large objects on their way home, and what of home's follows the source's.

As with rows, only what is ours is replaced: contents that a copy brought and nobody changed since,
to which nothing at home refers but rows that copies wrote (`domicile.move.merge`). What a copy
brought is written down at home by its digest.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import psycopg
from psycopg import sql

from domicile.move.merge import written_by_copies
from domicile.sites.postgres import bring_large_object, referring_columns, table_rows

__all__ = ["bring_large_objects"]


def bring_large_objects(
    source: psycopg.Connection, home: psycopg.Connection, oids: Iterable[int]
) -> None:
    """Bring these large objects home, within the callers' transactions; the rows that refer to them
    are there, and recorded as copies. Raises `SiteRefused` where home has another; `SiteError`."""
    for oid in oids:
        brought = bring_large_object(source, home, oid, partial(_is_ours, home, oid))
        home.execute(
            "INSERT INTO domicile.large_objects (oid, sha256) VALUES (%s, %s)"
            " ON CONFLICT (oid) DO UPDATE SET sha256 = excluded.sha256",
            (oid, brought),
        )


def _is_ours(home: psycopg.Connection, oid: int, contents: str) -> bool:
    """Whether home has what a copy brought, for rows that copies wrote and no others."""
    brought = home.execute("SELECT sha256 FROM domicile.large_objects WHERE oid = %s", (oid,))
    if brought.fetchone() != (contents,):
        return False
    for table, column in referring_columns(home):
        others = home.execute(
            sql.SQL("SELECT FROM {} AS t WHERE {} = {}::oid AND NOT ({}) LIMIT 1").format(
                table_rows(table),
                sql.Identifier("t", column),
                sql.Literal(oid),
                written_by_copies(table),
            )
        )
        if others.fetchone() is not None:
            return False
    return True
