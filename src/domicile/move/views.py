"""Materialised views at home: their definitions came with the schema, their rows are made there."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from domicile.sites.postgres import Database, in_order_of_views, read_database, refresh_view

__all__ = ["fill_views"]


def fill_views(connection: psycopg.Connection, source: Database) -> Iterator[str]:
    """Fill home's views that are empty still and were not at the source, from home's rows; what
    went wrong, in words. The connection must be in autocommit mode."""
    for view in in_order_of_views(read_database(connection).views.values()):
        there = source.views.get(view.name)
        if view.populated or there is None or not there.populated:
            continue
        reason = refresh_view(connection, view)
        if reason:
            yield f"the materialised view {view.name} at home stays empty: {reason}"
