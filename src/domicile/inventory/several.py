"""Which tables' rows go to each of several persons (``persons = "copy"``), and which can't. Pure.

A table that hangs on such a one by a single way follows it: what is attached to a message is whose
the message is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import pairwise
from typing import Protocol

from domicile.charter import Charter
from domicile.people import PersonPath, Undecided
from domicile.sites.postgres import TableName

__all__ = ["Several", "copied_to_each", "unfit_for_copies"]


class Several(Protocol):
    """What must be known of a table."""

    @property
    def paths(self) -> tuple[PersonPath, ...]:
        """The ways to its persons."""

    @property
    def keyed(self) -> bool:
        """Whether a key names its rows."""

    def keeps(self, columns: Sequence[str]) -> bool:
        """Whether an erasure leaves these columns as they are in rows that stay."""

    def names_one(self, columns: Sequence[str]) -> bool:
        """Whether no two rows have the same in these columns."""

    def never_null(self, columns: Sequence[str]) -> bool:
        """Whether every row holds something in each of these columns."""


def copied_to_each(
    charter: Charter, paths: Mapping[TableName, tuple[PersonPath, ...]]
) -> set[TableName]:
    """The tables whose rows go to each of several persons: by their rule, where they have several
    ways to a person or one that may lead to several; and what follows these."""
    rules = {TableName.parse(dataset.table): dataset.persons for dataset in charter.tables.values()}
    found = {
        name
        for name, ways in paths.items()
        if rules.get(name) == "copy"
        and (len(ways) > 1 or any(_soft_on_the_way(way, charter.people.key) for way in ways))
    }
    while (
        reached := {
            name
            for name, ways in paths.items()
            if rules.get(name, "owner") == "owner"
            and ways[0].hops
            and ways[0].hops[0].parent in found
        }
        - found
    ):
        found |= reached
    return found


def unfit_for_copies(
    tables: Mapping[TableName, Several],
    copied: AbstractSet[TableName],
    name: TableName,
    key: Sequence[str],
) -> Undecided | None:
    """Why a table's rows can't go to each of their persons: its rows can't be named, or the way
    to a person leads over what an erasure may take away, or to several. key: a person's."""
    if not tables[name].keyed:
        return Undecided(
            name,
            "its rows go to each of several persons, and it has neither primary nor unique key",
            "add a primary key, or have `any` or `owner` for its `persons`",
        )
    first = {path.hops[0] for path in tables[name].paths}
    (hop, *others) = first
    if not others and hop.parent in copied:
        if hop.foreign_key is None and not _leads_to_one(tables, tables[name].paths):
            return _several_persons(name, "these may be several persons', or nobody's")
        # Its rows are whose the rows there are: what stays there stays whole.
        unfit = unfit_for_copies(tables, copied, hop.parent, key)
        reason = f"its rows are whose those of {hop.parent} are: {unfit.reason}" if unfit else ""
        return unfit and replace(unfit, table=name, reason=reason)
    for path in tables[name].paths:
        if _soft_on_the_way(path, key):
            return _several_persons(name, "these may be several persons'")
        for before, after in pairwise(path.hops):
            if before.parent in tables and not tables[before.parent].keeps(after.columns):
                columns = ",".join(after.columns)
                return Undecided(
                    name,
                    f"its rows go to each of several persons, and one is named by {before.parent}."
                    f"{columns}, which a public projection drops",
                    f"make {columns} NOT NULL, or name it in `public`",
                )
    return None


def _soft_on_the_way(path: PersonPath, key: Sequence[str]) -> bool:
    """Whether a path leads over rows to which no foreign key leads: there may be several, of
    several persons, and an erasure may take them away. A person's key is one person's."""
    direct = path.hops and set(path.hops[-1].parent_columns) == set(key)
    return any(hop.foreign_key is None for hop in (path.hops[:-1] if direct else path.hops))


def _leads_to_one(tables: Mapping[TableName, Several], paths: Sequence[PersonPath]) -> bool:
    """Whether the one soft hop with which these paths begin leads to one row, which names somebody
    by each of the paths."""
    hop = paths[0].hops[0]
    return tables[hop.parent].names_one(hop.parent_columns) and all(
        before.parent in tables
        and not after.pointer
        and tables[before.parent].never_null(after.columns)
        for path in paths
        for before, after in pairwise(path.hops)
    )


def _several_persons(name: TableName, whose: str) -> Undecided:
    return Undecided(
        name,
        "its rows go to each of several persons, and one is named over rows of another"
        f" table that no foreign key leads to: {whose}",
        "name a foreign key or a person's key; or have `any` for its `persons`: others' share"
        " leaves the old site then",
    )
