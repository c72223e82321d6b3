"""What a schema needs of the server that it is made on: extensions, collations, roles, and its
consent.

Asked before anything moves. The schema itself is tried in a transaction that is rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg

from domicile.errors import SiteError, SiteUnreachable
from domicile.sites.postgres.connect import Connection, PostgresSite, site_name
from domicile.sites.postgres.dump import apply_sql, schema_sql
from domicile.sites.postgres.failures import site_errors

__all__ = ["lacking_at", "schema_refusal"]

_EXTENSIONS: LiteralString = "SELECT extname::text FROM pg_extension ORDER BY 1"
_AVAILABLE: LiteralString = """
SELECT v.name::text, bool_or(NOT v.superuser
  OR (v.trusted AND has_database_privilege(current_database(), 'CREATE'))
  OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)) OR bool_or(v.installed)
FROM pg_available_extension_versions v GROUP BY v.name
"""
# Those of the system catalogue that anything rests on: they come from the operating system.
_COLLATIONS: LiteralString = """
SELECT DISTINCT c.collname::text FROM pg_depend d JOIN pg_collation c ON c.oid = d.refobjid
WHERE d.refclassid = 'pg_collation'::regclass AND c.collnamespace = 'pg_catalog'::regnamespace
ORDER BY 1
"""
_XML_COLUMN: LiteralString = """
SELECT format('%s.%s', c.relname, a.attname)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE a.atttypid = 'xml'::regtype AND c.relkind IN ('r', 'p') ORDER BY 1 LIMIT 1
"""
# Policies come home with their tables; the roles that they name don't. 0 is PUBLIC.
_POLICIES: LiteralString = """
SELECT DISTINCT r.rolname::text, format('%s on %s', p.polname, c.relname)
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
  JOIN pg_roles r ON r.oid = ANY (p.polroles) ORDER BY 1, 2
"""
_ROLES: LiteralString = "SELECT rolname::text FROM pg_roles"
_FORCED: LiteralString = """
SELECT format('%s.%s', n.nspname, c.relname) FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relrowsecurity AND c.relforcerowsecurity AND NOT c.relispartition ORDER BY 1
"""
_BYPASSES: LiteralString = """
SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user
"""
_KNOWN_COLLATIONS: LiteralString = """
SELECT collname::text FROM pg_collation WHERE collnamespace = 'pg_catalog'::regnamespace
  AND collencoding IN (-1, (SELECT encoding FROM pg_database WHERE datname = current_database()))
"""


def lacking_at(source: Connection, home: Connection) -> Iterator[str]:
    """What of the source's server home's server lacks, each with its next step. Raises
    `SiteError`."""
    available: dict[str, bool] = dict(_asked(home, _AVAILABLE))
    for (name,) in _asked(source, _EXTENSIONS):
        if name not in available:
            yield (
                f"home's server has no extension {name}: install its package there, or drop it"
                " at the source if nothing needs it"
            )
        elif not available[name]:
            yield (
                f"home's user may not create the extension {name}: let a superuser of home run"
                f' CREATE EXTENSION "{name}" in this database'
            )
    for (column,) in _asked(source, _XML_COLUMN):
        if not _takes_xml(home):
            yield (
                f"home's server was built without libxml, and {column} is of type xml: run a build"
                " with it, or change the column's type"
            )
    known = {name for (name,) in _asked(home, _KNOWN_COLLATIONS)}
    for (name,) in _asked(source, _COLLATIONS):
        if name not in known:
            yield (
                f"home's server has no collation {name}: generate the locale there and run"
                " SELECT pg_import_system_collations('pg_catalog') in this database"
            )
    yield from _row_security(source, home)


def _row_security(source: Connection, home: Connection) -> Iterator[str]:
    roles = {name for (name,) in _asked(home, _ROLES)}
    for role, policy in _asked(source, _POLICIES):
        if role not in roles:
            yield (
                f"home's server has no role {role}, which the policy {policy} names: create it"
                " there (CREATE ROLE), or change the policy"
            )
    forced = [table for (table,) in _asked(source, _FORCED)]
    if forced and not _asked(home, _BYPASSES)[0][0]:
        yield (
            f"row-level security of {', '.join(forced)} is FORCEd, and would hide its rows from"
            " home's user: give that user BYPASSRLS"
        )


def _takes_xml(home: Connection) -> bool:
    try:
        with home.transaction():
            home.execute("SELECT '<a/>'::xml")
    except psycopg.errors.FeatureNotSupported:
        return False
    return True


def schema_refusal(source: PostgresSite, home: Connection) -> str:
    """Why home would not take the source's schema; empty where it would. Nothing of it is left
    there. Raises `SiteError` where the source gives none, or home cannot be reached."""
    sections = [schema_sql(source, "pre-data"), schema_sql(source, "post-data")]
    try:
        with site_errors(site_name(home)), home.transaction(force_rollback=True):
            for text in sections:
                apply_sql(home, text)  # a savepoint of this one
    except SiteUnreachable:
        raise
    except SiteError as error:
        return error.failed
    return ""


def _asked(connection: Connection, query: LiteralString) -> list[tuple[Any, ...]]:
    with site_errors(site_name(connection)):
        return connection.execute(query).fetchall()
