"""Lists of persons in a session's settings, for servers that make no tables: standbys. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

__all__ = ["in_settings", "setting_name"]


def setting_name(listed: str, place: int) -> str:
    """The setting that holds one column of a list's keys, as an array in text."""
    return f"domicile.{listed}_{place}"


def in_settings(listed: str, key: Mapping[str, str]) -> sql.Composed:
    """A list's persons as a query of their keys. key: its columns, with their SQL types."""
    columns = [sql.Identifier(f"part_{place}") for place in range(len(key))]
    return sql.SQL("(SELECT {} FROM ROWS FROM ({}) AS listed ({}))").format(
        sql.SQL(", ").join(
            sql.SQL("CAST({} AS {}) AS {}").format(column, sql.SQL(kind), sql.Identifier(name))
            for column, (name, kind) in zip(columns, key.items(), strict=True)
        ),
        sql.SQL(", ").join(
            sql.SQL("pg_catalog.unnest(CAST(pg_catalog.current_setting({}) AS text[]))").format(
                sql.Literal(setting_name(listed, place))
            )
            for place in range(len(key))
        ),
        sql.SQL(", ").join(columns),
    )
