"""Which tables' rows go to each of several persons (``persons = "copy"``), and which can't. Pure.

A table that hangs on such a one by a single way follows it: what is attached to a message is whose
the message is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
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


def copied_to_each(
    charter: Charter, paths: Mapping[TableName, tuple[PersonPath, ...]]
) -> set[TableName]:
    """The tables with several ways to a person whose rows go to each."""
    rules = {TableName.parse(dataset.table): dataset.persons for dataset in charter.tables.values()}
    several = {name: ways for name, ways in paths.items() if len(ways) > 1}
    found = {name for name in several if rules.get(name) == "copy"}
    while (
        reached := {
            name
            for name, ways in several.items()
            if rules.get(name, "owner") == "owner" and ways[0].hops[0].parent in found
        }
        - found
    ):
        found |= reached
    return found


def unfit_for_copies(
    tables: Mapping[TableName, Several], copied: AbstractSet[TableName], name: TableName
) -> Undecided | None:
    """Why a table's rows can't go to each of their persons: its rows can't be named, or the way
    to a person leads over what an erasure may take away."""
    if not tables[name].keyed:
        return Undecided(
            name,
            "its rows go to each of several persons, and it has neither primary nor unique key",
            "add a primary key, or have `any` or `owner` for its `persons`",
        )
    first = {path.hops[0] for path in tables[name].paths}
    parent = next(iter(first)).parent
    if len(first) == 1 and parent in copied:
        # Its rows are whose the rows there are: what stays there stays whole.
        return unfit_for_copies(tables, copied, parent)
    for path in tables[name].paths:
        if any(hop.foreign_key is None for hop in path.hops[:-1]):
            return Undecided(
                name,
                "its rows go to each of several persons, and one is named over rows of another"
                " table that no foreign key leads to: these may be several persons'",
                "have `any` for its `persons`, or name columns that lead to one person",
            )
        for before, hop in pairwise(path.hops):
            if before.parent in tables and not tables[before.parent].keeps(hop.columns):
                columns = ",".join(hop.columns)
                return Undecided(
                    name,
                    f"its rows go to each of several persons, and one is named by {before.parent}."
                    f"{columns}, which a public projection drops",
                    f"make {columns} NOT NULL, or name it in `public`",
                )
    return None
