"""What a database lets others do than the owners of its things, as statements that grant the same
on another server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql
from psycopg.rows import class_row

from domicile.sites.postgres.catalogue_queries import OURS
from domicile.sites.postgres.connect import Connection, site_name
from domicile.sites.postgres.failures import site_errors

__all__ = ["Grant", "read_grants"]

_GRANTS: LiteralString = """
WITH granted (rank, what, owner, acl) AS (
  SELECT 1, format('SCHEMA %I', n.nspname), n.nspowner, n.nspacl FROM pg_namespace n WHERE {ours}
UNION ALL
  SELECT 2, format('%s %I.%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
    n.nspname, c.relname), c.relowner, c.relacl
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't' AND {ours}
), columns AS (
  SELECT 3 AS rank, format('TABLE %I.%I', n.nspname, c.relname) AS what, a.attname::text AS name,
    c.relowner AS owner, a.attacl AS acl
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE a.attacl IS NOT NULL AND NOT a.attisdropped AND c.relpersistence <> 't' AND {ours}
), each AS (
  SELECT rank, what, owner, x.privilege_type AS privilege, x.grantee, x.is_grantable
  FROM granted CROSS JOIN aclexplode(acl) AS x
UNION ALL
  SELECT rank, what, owner, format('%s (%I)', x.privilege_type, name), x.grantee, x.is_grantable
  FROM columns CROSS JOIN aclexplode(acl) AS x
)
SELECT coalesce(r.rolname::text, '') AS role, format('GRANT %s ON %s TO %s%s;', privilege, what,
  CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(coalesce(r.rolname::text, grantee::text)) END,
  CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS statement
FROM each LEFT JOIN pg_roles r ON r.oid = grantee
WHERE grantee <> owner AND NOT (what = 'SCHEMA public' AND grantee = 0)
ORDER BY rank, what, role, statement
"""


@dataclass(frozen=True, slots=True)
class Grant:
    """One privilege that a role has. role: empty for everybody; statement: SQL that grants it."""

    role: str
    statement: str


def read_grants(connection: Connection) -> list[Grant]:
    """The grants on schemas, tables, views, columns and sequences, but to their owners. Raises
    `SiteError`."""
    query = sql.SQL(_GRANTS).format(ours=OURS)
    with (
        site_errors(site_name(connection)),
        connection.cursor(row_factory=class_row(Grant)) as cursor,
    ):
        return cursor.execute(query).fetchall()
