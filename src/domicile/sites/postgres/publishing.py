"""Tables whose rows the server lets nobody delete, since a publication could not name them."""

from __future__ import annotations

from typing import LiteralString

from domicile.sites.postgres.connect import Connection, site_name
from domicile.sites.postgres.failures import site_errors
from domicile.sites.postgres.model import TableName

__all__ = ["unidentified_tables"]

# A publication names a table, or the root that it is a partition of (publish_via_partition_root).
_UNIDENTIFIED: LiteralString = """
SELECT DISTINCT rn.nspname, r.relname
FROM pg_class c
  JOIN pg_class r ON r.oid = coalesce(pg_partition_root(c.oid)::oid, c.oid)
  JOIN pg_namespace rn ON rn.oid = r.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND rn.nspname !~ '^pg_'
  AND CASE c.relreplident WHEN 'f' THEN false
    WHEN 'd' THEN NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
    WHEN 'i' THEN NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident)
    ELSE true END
  AND EXISTS (
    SELECT FROM pg_publication_tables t JOIN pg_publication p ON p.pubname = t.pubname
      JOIN pg_namespace n ON n.nspname = t.schemaname
      JOIN pg_class x ON x.relnamespace = n.oid AND x.relname = t.tablename
    WHERE (p.pubdelete OR p.pubupdate)
      AND (x.oid = c.oid OR x.oid IN (SELECT relid FROM pg_partition_ancestors(c.oid))))
ORDER BY 1, 2
"""


def unidentified_tables(connection: Connection) -> list[TableName]:
    """Published tables without a replica identity, partitioned ones by their root: the server
    refuses to update or delete their rows. Raises `SiteError`."""
    with site_errors(site_name(connection)):
        return [TableName(*row) for row in connection.execute(_UNIDENTIFIED)]
