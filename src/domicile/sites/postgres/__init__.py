"""The Postgres driver: log in, read the catalogue, copy and compare rows, rewrite tables."""

from __future__ import annotations

from domicile.sites.postgres.beside import Beside, copies_beside, in_our_schema
from domicile.sites.postgres.catalogue import read_database
from domicile.sites.postgres.connect import (
    Connection,
    PostgresSite,
    open_postgres_site,
    site_name,
)
from domicile.sites.postgres.copying import CopyResult, CopyStream, digest, pipe
from domicile.sites.postgres.dump import apply_sql, find_pg_restores, schema_sql, set_sequence
from domicile.sites.postgres.failures import site_errors
from domicile.sites.postgres.foreign import shown_elsewhere
from domicile.sites.postgres.grants import Grant, read_grants
from domicile.sites.postgres.large_objects import (
    LARGE_OBJECT_TABLE,
    bring_large_object,
    digest_large_object,
    forgotten_large_objects,
    large_objects_in,
    note_large_objects,
    readable_large_objects,
    referring_columns,
    remove_large_objects,
)
from domicile.sites.postgres.model import (
    Address,
    Column,
    Database,
    EventTrigger,
    ForeignKey,
    MaterialisedView,
    NotExamined,
    Sequence,
    Table,
    TableName,
    Trigger,
)
from domicile.sites.postgres.needs import lacking_at, schema_refusal
from domicile.sites.postgres.remains import held_back_by, remains
from domicile.sites.postgres.rewrite import checkpoint, rewrite_statistics, rewrite_table
from domicile.sites.postgres.selecting import (
    CopyFormat,
    column_list,
    copy_format,
    copy_from_statement,
    copy_to_statement,
    order_terms,
    ordered_as_text,
    row_digests,
    table_identifier,
    table_rows,
)
from domicile.sites.postgres.standby import Lineage, lineage, not_replayed, written_until
from domicile.sites.postgres.views import in_order_of_views, refresh_view, staleness

__all__ = [
    "LARGE_OBJECT_TABLE",
    "Address",
    "Beside",
    "Column",
    "Connection",
    "CopyFormat",
    "CopyResult",
    "CopyStream",
    "Database",
    "EventTrigger",
    "ForeignKey",
    "Grant",
    "Lineage",
    "MaterialisedView",
    "NotExamined",
    "PostgresSite",
    "Sequence",
    "Table",
    "TableName",
    "Trigger",
    "apply_sql",
    "bring_large_object",
    "checkpoint",
    "column_list",
    "copies_beside",
    "copy_format",
    "copy_from_statement",
    "copy_to_statement",
    "digest",
    "digest_large_object",
    "find_pg_restores",
    "forgotten_large_objects",
    "held_back_by",
    "in_order_of_views",
    "in_our_schema",
    "lacking_at",
    "large_objects_in",
    "lineage",
    "not_replayed",
    "note_large_objects",
    "open_postgres_site",
    "order_terms",
    "ordered_as_text",
    "pipe",
    "read_database",
    "read_grants",
    "readable_large_objects",
    "referring_columns",
    "refresh_view",
    "remains",
    "remove_large_objects",
    "rewrite_statistics",
    "rewrite_table",
    "row_digests",
    "schema_refusal",
    "schema_sql",
    "set_sequence",
    "shown_elsewhere",
    "site_errors",
    "site_name",
    "staleness",
    "table_identifier",
    "table_rows",
    "written_until",
]
