"""Columns of the inventory's object files. Public: anyone reads them with DuckDB or Polars."""

from __future__ import annotations

import pyarrow as pa

__all__ = ["FOUND"]

FOUND = pa.schema(
    [
        pa.field("site", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # version, marker or upload
        pa.field("key", pa.string(), nullable=False),
        pa.field("version_id", pa.string(), nullable=False),  # or the upload's id
        pa.field("is_latest", pa.bool_(), nullable=False),
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("etag", pa.string(), nullable=False),
        pa.field("modified", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("person", pa.string(), nullable=False),  # one of them, a member if any is
        pa.field("shared", pa.bool_(), nullable=False),  # it has several
        pa.field("state", pa.string(), nullable=False),  # member or not examined
        pa.field("reason", pa.string(), nullable=False),
    ]
)
"""One version, marker or upload. Within a site's file, in key order, newest version first."""
