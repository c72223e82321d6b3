"""Rows with several persons, of which each gets a copy: whose alone they are, and which are shared.

Pure SQL building. The row is
- *alone* the members', if it names a member and nobody else: it leaves the old site;
- *shared*, if it names a member and somebody who is known and no member, and nobody who isn't
  known: home gets a copy, the old site keeps it;
- neither, if it names no member; or a member and somebody whom nobody knows, or whose country
  nobody wrote down: it is not examined.

Whether a row is the members' alone is told from the row, the way to its persons, and the member
list: the same at every site, whoever lies in its people table.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from domicile.people.hops import Hop
from domicile.people.members import Lists, belongs, orphaned
from domicile.people.paths import PersonPath
from domicile.people.values import held_values, names_somebody, parent_rows, parent_values

__all__ = ["alone", "names_person", "shared"]

_LISTS = Lists()


def alone(
    paths: Sequence[PersonPath], key: Sequence[str], alias: str, lists: Lists = _LISTS
) -> sql.Composable:
    """Whether the row ``alias`` is the members' alone; never null."""
    nobody_else = [
        sql.SQL("({} IS NOT TRUE OR {} IS TRUE)").format(
            names_person(path, alias), belongs([path], key, alias, lists.members)
        )
        for path in paths
    ]
    return _all([_is_true(belongs(paths, key, alias, lists.members)), *nobody_else])


def shared(
    paths: Sequence[PersonPath], key: Sequence[str], alias: str, lists: Lists = _LISTS
) -> sql.Composable:
    """Whether the row ``alias`` is a member's and somebody's who is none; never null."""
    others = [
        sql.SQL("({} IS TRUE AND {} IS NOT TRUE)").format(
            names_person(path, alias), belongs([path], key, alias, lists.members)
        )
        for path in paths
    ]
    known = [
        sql.SQL("({} IS NOT TRUE OR {} IS TRUE OR ({} IS NOT TRUE AND {} IS NOT TRUE))").format(
            names_person(path, alias),
            belongs([path], key, alias, lists.members),
            orphaned([path], key, alias),
            belongs([path], key, alias, lists.unknown),
        )
        for path in paths
    ]
    somebody = sql.SQL("({})").format(sql.SQL(" OR ").join(others))
    return _all([_is_true(belongs(paths, key, alias, lists.members)), somebody, *known])


def names_person(path: PersonPath, alias: str) -> sql.Composable:
    """Whether the row ``alias`` names a person along a path, known or not. Foreign keys are
    followed to where the person is named; what a reference without one names counts, whether it
    is there or not."""
    if not path.hops:
        return sql.SQL("true")
    soft = (number for number, hop in enumerate(path.hops) if hop.foreign_key is None)
    return _named(path.hops[: next(soft, len(path.hops) - 1) + 1], alias)


def _named(hops: Sequence[Hop], alias: str) -> sql.Composable:
    """Whether the columns of the last of these hops hold something."""
    hop, rest = hops[0], hops[1:]
    if not rest:
        return names_somebody(hop, alias)
    inner = f"n{len(rest)}"
    return sql.SQL("({}) IN (SELECT {} FROM {} AS {} WHERE {})").format(
        _listed(held_values(hop, alias)),
        _listed(parent_values(hop, inner)),
        parent_rows(hop),
        sql.Identifier(inner),
        _named(rest, inner),
    )


def _listed(values: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL(", ").join(values)


def _is_true(condition: sql.Composable) -> sql.Composable:
    return sql.SQL("({}) IS TRUE").format(condition)


def _all(conditions: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL("({})").format(sql.SQL(" AND ").join(conditions))
