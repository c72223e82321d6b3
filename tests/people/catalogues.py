"""Charters and catalogues written in a line a table, for tests that need no server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from domicile.charter import (
    Boundary,
    Charter,
    Company,
    ObjectDataset,
    ObjectSiteConfig,
    People,
    PostgresSiteConfig,
    TableDataset,
)
from domicile.people import Hop, PersonPath
from domicile.sites.postgres import Column, Database, ForeignKey, Table, TableName


def column(name: str, *, not_null: bool = False) -> Column:
    return Column(
        name,
        "bigint",
        "bigint",
        "pg_catalog.int8",
        "N",
        not_null,
        has_default=False,
        generated=False,
        identity="",
        max_length=None,
        binary_safe=True,
    )


def table(
    name: str,
    *columns: Column | str,
    key: tuple[str, ...] = ("id",),
    unique: tuple[tuple[str, ...], ...] = (),
) -> Table:
    """A table; columns given by name are nullable numbers, the key's come first and are not."""
    made = [column(part, not_null=True) for part in key]
    made += [part if isinstance(part, Column) else column(part) for part in columns]
    return Table(TableName.parse(name), tuple(made), key, unique, 0, 0)


def refers(child: str, parent: str, *, name: str = "") -> ForeignKey:
    """``refers("videos(owner_id)", "users(id)")``."""
    from_table, columns = _read(child)
    to_table, parent_columns = _read(parent)
    return ForeignKey(
        name or f"{child}->{parent}",
        from_table,
        columns,
        to_table,
        parent_columns,
        "no action",
        "no action",
        deferrable=False,
        indexed=True,
    )


def _read(text: str) -> tuple[TableName, tuple[str, ...]]:
    name, _, columns = text.removesuffix(")").partition("(")
    return TableName.parse(name), tuple(columns.split(","))


def database(tables: Iterable[Table | str], keys: Iterable[ForeignKey] = ()) -> Database:
    """A catalogue. Tables given by name have a number ``id`` and the columns that keys use."""
    keys = tuple(keys)
    made = {}
    for entry in tables:
        one = entry if isinstance(entry, Table) else _implied(entry, keys)
        made[one.name] = one
    return Database(
        180004,
        in_recovery=False,
        tables=made,
        foreign_keys=keys,
        triggers=(),
        sequences=(),
        views={},
        other_relations={},
    )


def _implied(name: str, keys: tuple[ForeignKey, ...]) -> Table:
    used = [key.columns for key in keys if str(key.child) == name]
    used += [key.parent_columns for key in keys if str(key.parent) == name]
    names = dict.fromkeys(part for columns in used for part in columns if part != "id")
    return table(name, *names)


def charter(
    tables: Mapping[str, TableDataset] | None = None,
    *,
    objects: Mapping[str, ObjectDataset] | None = None,
    people: People | None = None,
) -> Charter:
    """A charter of one boundary, the United States, with an old and a home site of each kind."""
    sites: dict[str, PostgresSiteConfig | ObjectSiteConfig] = {}
    for name, provider in (("old", "Reel"), ("home", "Oracle")):
        sites[f"{name}_db"] = PostgresSiteConfig(
            kind="postgres", country="US", provider=provider, url=f"postgresql://{name}/reel"
        )
        sites[f"{name}_media"] = ObjectSiteConfig(
            kind="objects", country="US", provider=provider, url=f"file:{name}"
        )
    return Charter(
        company=Company(name="Reel"),
        boundaries={
            "us": Boundary(
                members=("US", "PR"),
                custodian="US Data Security",
                provider="Oracle",
                home=("home_db", "home_media"),
            )
        },
        people=people or People(table="users", key=("id",), country="country"),
        sites=sites,
        tables=dict(tables or {}),
        objects=dict(objects or {}),
    )


def path(start: str, *hops: ForeignKey | tuple[str, str]) -> PersonPath:
    """The path through these keys; a pair of texts is a soft reference."""
    return PersonPath(TableName.parse(start), tuple(_hop(hop) for hop in hops))


def _hop(hop: ForeignKey | tuple[str, str]) -> Hop:
    if isinstance(hop, ForeignKey):
        return Hop(hop.columns, hop.parent, hop.parent_columns, hop.name)
    parent, parent_columns = _read(hop[1])
    return Hop(tuple(hop[0].split(",")), parent, parent_columns, None)
