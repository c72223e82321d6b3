"""What is compared on a hop, as SQL: the values that a row holds, and those to which it leads.

Each side's values are expressions of its own columns alone, so that the server can hash them.
Texts are compared by their bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from domicile.people.hops import Hop
from domicile.people.settings import in_settings
from domicile.sites.postgres import table_identifier, table_rows

__all__ = ["held_values", "key_values", "names_somebody", "parent_rows", "parent_values"]

_UNREADABLE = r"\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})"
"""Escapes that type json keeps and no text can hold, or only in pairs. Looked at through another
character, which no pointer names."""


def held_values(hop: Hop, alias: str) -> list[sql.Composable]:
    """What the row ``alias`` holds. Null for a JSON value that is neither a string nor a whole
    number."""
    if hop.pointer:
        return [_json_text(hop, alias)]
    return [
        sql.SQL('{}::text COLLATE "C"').format(sql.Identifier(alias, name))
        if as_text
        else sql.Identifier(alias, name)
        for name, as_text in zip(hop.columns, _flags(hop), strict=True)
    ]


def parent_values(hop: Hop, alias: str) -> list[sql.Composable]:
    """What the row ``alias`` of the hop's parent must hold to be led to."""
    return key_values(hop, hop.parent_columns, alias)


def parent_rows(hop: Hop, *, heirs: bool = False) -> sql.Composable:
    """The rows of the hop's parent, as a query names them; with those of tables that inherit from
    it (``heirs``)."""
    if hop.in_settings:
        key = dict(zip(hop.parent_columns, hop.in_settings, strict=True))
        return in_settings(hop.parent.name, key)
    return table_identifier(hop.parent) if heirs else table_rows(hop.parent)


def key_values(hop: Hop, names: Sequence[str], alias: str) -> list[sql.Composable]:
    """The same of any table with columns called as some of the parent's, in this order."""
    flags = dict(zip(hop.parent_columns, _flags(hop), strict=True))
    return [
        sql.SQL("{}::text" if flags[name] else "{}").format(sql.Identifier(alias, name))
        for name in names
    ]


def names_somebody(hop: Hop, alias: str) -> sql.Composable:
    """Whether the row ``alias`` says who: no column is null. In JSON nobody is named where the
    value is null or absent; where something else lies on the way to it, somebody may be."""
    if hop.pointer:
        return _json_says(hop, alias)
    return sql.SQL("({})").format(
        sql.SQL(" AND ").join(
            sql.SQL("{} IS NOT NULL").format(sql.Identifier(alias, column))
            for column in hop.columns
        )
    )


def _flags(hop: Hop) -> tuple[bool, ...]:
    return hop.as_text or (False,) * len(hop.columns)


def _json_text(hop: Hop, alias: str) -> sql.Composable:
    return sql.SQL(
        "(CASE {kind} WHEN 'string' THEN {text} WHEN 'number' THEN"
        " CASE WHEN {text} ~ '^-?[0-9]+$' THEN {text} END END COLLATE \"C\")"
    ).format(
        kind=_kind(hop, alias, hop.pointer),
        text=sql.SQL("({} #>> {})").format(_document(hop, alias), _path(hop.pointer)),
    )


def _json_says(hop: Hop, alias: str) -> sql.Composable:
    astray = [
        sql.SQL("coalesce({} = ANY({}), false)").format(
            _kind(hop, alias, hop.pointer[:length]), _kinds(hop.pointer[length])
        )
        for length in range(len(hop.pointer))
    ]
    there = sql.SQL("coalesce({}, 'null') <> 'null'").format(_kind(hop, alias, hop.pointer))
    return sql.SQL("({})").format(sql.SQL(" OR ").join([there, *astray]))


def _kinds(name: str) -> sql.Composable:
    """Kinds of values in which there can be nothing of this name."""
    kinds = ["string", "number", "boolean"]
    return sql.SQL("{}::text[]").format(
        sql.Literal(kinds if name.isascii() and name.isdigit() else [*kinds, "array"])
    )


def _kind(hop: Hop, alias: str, pointer: Sequence[str]) -> sql.Composable:
    function = sql.SQL("json_typeof" if hop.json else "jsonb_typeof")
    return sql.SQL("{}({} #> {})").format(function, _document(hop, alias), _path(pointer))


def _path(pointer: Sequence[str]) -> sql.Composable:
    return sql.SQL("{}::text[]").format(sql.Literal(list(pointer)))


def _document(hop: Hop, alias: str) -> sql.Composable:
    column = sql.Identifier(alias, hop.columns[0])
    if not hop.json:
        return sql.SQL("{}::jsonb").format(column)  # from any domain
    return sql.SQL(
        "(CASE WHEN {0}::text ~ {1} THEN regexp_replace({0}::text, {1}, {2}, 'g')::json"
        " ELSE {0}::json END)"
    ).format(column, sql.Literal(_UNREADABLE), sql.Literal(r"\\uffff"))
