"""Materialised views: whether one holds anything but what its query gives now, and refreshing it.

A view that holds nothing else is as good as its tables: what is erased there isn't in it. REFRESH
writes it anew into a new file, indexes too.
"""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg import sql

from domicile.errors import SiteError
from domicile.sites.postgres.connect import Connection, site_name
from domicile.sites.postgres.failures import site_errors, site_failure
from domicile.sites.postgres.model import MaterialisedView
from domicile.sites.postgres.rewrite import PATIENCE_S, analyze_table, patience
from domicile.sites.postgres.selecting import table_identifier

__all__ = ["in_order_of_views", "refresh_view", "staleness"]


def in_order_of_views(views: Iterable[MaterialisedView]) -> list[MaterialisedView]:
    """Every view after those that it reads."""
    return sorted(views, key=lambda view: (len(view.views), view.name))


def staleness(connection: Connection, view: MaterialisedView) -> str:
    """Why a view may hold rows that its query doesn't give now; empty where it holds no others.
    Asked within the caller's transaction."""
    query = sql.SQL(
        "SELECT EXISTS (SELECT ROW(held.*)::text FROM {} AS held EXCEPT ALL"
        " SELECT ROW(given.*)::text FROM ({}) AS given)"
    ).format(table_identifier(view.name), sql.SQL(view.definition))
    try:
        with connection.transaction():
            row = connection.execute(query).fetchone()
    except psycopg.Error as error:
        if connection.closed or isinstance(error, psycopg.errors.QueryCanceled):
            raise
        failure = site_failure(site_name(connection), error)
        return f"its query could not be run by the site's user ({failure.failed})"
    if row is None or row[0]:
        return "it holds rows that its query does not give now"
    return ""


def refresh_view(connection: Connection, view: MaterialisedView) -> str:
    """Write a view anew from what its tables hold now, and its statistics. The connection must be
    in autocommit mode. Returns the reason where the server refuses, else nothing."""
    try:
        with site_errors(site_name(connection)), patience(connection, PATIENCE_S):
            connection.execute(
                sql.SQL("REFRESH MATERIALIZED VIEW {}").format(table_identifier(view.name))
            )
            analyze_table(connection, view.name)
    except SiteError as error:
        if connection.closed:
            raise
        return str(error)
    return ""
