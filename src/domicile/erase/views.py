"""Which materialised views an erasure must refresh."""

from __future__ import annotations

from collections.abc import Collection

import psycopg

from domicile.sites.postgres import (
    Database,
    MaterialisedView,
    TableName,
    in_order_of_views,
    staleness,
)

__all__ = ["views_to_refresh"]


def views_to_refresh(
    connection: psycopg.Connection, database: Database, touched: Collection[TableName]
) -> list[MaterialisedView]:
    """Views that may hold what was erased, each after those that it reads: all that read a table in
    ``touched``, and those that hold anything but what their query gives now. A view that was never
    filled holds nothing and stays so."""
    chosen: list[MaterialisedView] = []
    for view in in_order_of_views(database.views.values()):
        if not view.populated:
            continue
        before = {other.name for other in chosen}
        reads = view.tables & set(touched) or view.views & before or (view.opaque and touched)
        if reads or staleness(connection, view):
            chosen.append(view)
    return chosen
