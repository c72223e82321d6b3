"""Whose rows lie in a database: counts per table, from reading alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import msgspec
import psycopg
from psycopg import sql

from domicile.inventory import DatabaseRules, TableRules
from domicile.people import End, Hop, PersonPath, belongs, names_somebody, orphaned, ownerless
from domicile.sites.postgres import (
    LARGE_OBJECT_TABLE,
    Beside,
    MaterialisedView,
    TableName,
    copies_beside,
    forgotten_large_objects,
    in_our_schema,
    site_errors,
    staleness,
    table_rows,
)

__all__ = ["SHOWN", "TableCount", "count_tables"]


SHOWN = "a foreign table: its rows are examined where they lie, at "
"""How the path of a foreign table begins whose rows another site of the charter has."""


class TableCount(msgspec.Struct, frozen=True):
    """One table on one site, in rows.

    members: members' protected rows; reduced: members' rows of which only the public projection is
    left; nobody: rows that name no person; unexamined: rows whose person or country is not known,
    or all of them where the table could not be attributed, for ``reason``. bytes_members is an
    estimate from the table's size. path is how rows lead to their person, in words. shared:
    members' rows that are somebody else's too, of whom each gets a copy: they stay (at home they
    are members' like any); behind: those of them that home doesn't hold as they are here.
    """

    site: str
    dataset: str
    table: str
    classification: str
    rows: int
    members: int
    reduced: int
    nobody: int
    unexamined: int
    bytes_members: int
    path: str
    reason: str
    shared: int = 0
    behind: int = 0


def count_tables(
    connection: psycopg.Connection,
    rules: DatabaseRules,
    site: str,
    *,
    at_home: bool,
    replicas: Collection[str] = (),
) -> list[TableCount]:
    """Count every table of a database; at home nothing counts as reduced. Relations that this
    version cannot examine are listed with unknown rows (-1) and the reason, and so are, away from
    home, copies beside the database of which its server tells, but those of ``replicas``: sites
    of their own, which connect under their names."""
    counts: list[TableCount] = []
    with site_errors(site):
        found = {
            name: _count_treated(connection, rules, table, name, site, at_home=at_home)
            for name, table in sorted(rules.tables.items())
        }
        counts += found.values()
        for _, view in sorted(rules.database.views.items()):
            counts.append(_count_view(connection, rules, view, found, site, at_home=at_home))
        counts += [
            TableCount(site, str(name), str(name), "protected", 0, 0, 0, 0, 0, 0, SHOWN + there, "")
            for name, there in sorted(rules.database.shown.items())
        ]
        for name, undecided in sorted(rules.undecided.items()):
            if name == LARGE_OBJECT_TABLE:
                counts += _count_large_objects(connection, rules, site)
                continue
            rows = _unattributed(connection, rules, name)
            reason = f"{undecided.reason}: {undecided.next_step}"
            counts.append(
                TableCount(
                    site, str(name), str(name), "protected", rows, 0, 0, 0, rows, 0, "", reason
                )
            )
        counts += [_not_in_reach(site, relation) for relation in in_our_schema(connection)]
        if not at_home:
            beside = copies_beside(connection)
            counts += [_not_in_reach(site, c) for c in beside if c.reader not in replicas]
        connection.rollback()
    return counts


def _count_large_objects(
    connection: psycopg.Connection, rules: DatabaseRules, site: str
) -> list[TableCount]:
    """Large objects that go with no row of an examined table, or that can't be read."""
    known = {n: t.large_objects for n, t in rules.tables.items() if t.large_objects}
    forgotten, unreadable = forgotten_large_objects(connection, known)
    reasons = []
    if forgotten:
        reasons.append(
            f"no column known for them refers to {forgotten:,}: name it (`large_objects` of its"
            " table), unlink them where no column does (vacuumlo), or attest them"
        )
    if unreadable:
        reasons.append(
            f"the site's user may not read {unreadable:,}: grant it the role that owns them"
        )
    name, rows = str(LARGE_OBJECT_TABLE), forgotten + unreadable
    reason = "large objects: " + "; ".join(reasons)
    count = TableCount(site, name, name, "protected", rows, 0, 0, 0, rows, 0, "", reason)
    return [count] if rows else []


def _unattributed(connection: psycopg.Connection, rules: DatabaseRules, name: TableName) -> int:
    """How many rows an undecided relation has, -1 where nobody can say."""
    why = rules.database.other_relations.get(name)
    if why is None:
        return _rows(connection, name)
    return 0 if why.empty else -1


def _not_in_reach(site: str, copy: Beside) -> TableCount:
    """A copy beside a database, or what nothing reads in it: a relation that can't be counted."""
    return TableCount(
        site, copy.name, copy.name, "protected", -1, 0, 0, 0, -1, 0, "", copy.sentence
    )


def _count_treated(
    connection: psycopg.Connection,
    rules: DatabaseRules,
    table: TableRules,
    name: TableName,
    site: str,
    *,
    at_home: bool,
) -> TableCount:
    path = " or ".join(str(path) for path in table.paths)
    if not table.protected:
        rows = _rows(connection, name)
        return TableCount(
            site, table.dataset, str(name), table.classification, rows, 0, 0, 0, 0, 0, path, ""
        )
    if at_home:
        table = replace(table, copies=False)
    row = connection.execute(_counting(rules, table)).fetchone()
    total, members, reduced, nobody, unexamined, shared, emptied = map(int, row or (0,) * 7)
    if at_home:
        members, reduced = members + reduced, 0
    return TableCount(
        site=site,
        dataset=table.dataset,
        table=str(name),
        classification=table.classification,
        rows=total,
        members=members,
        reduced=reduced,
        nobody=nobody,
        unexamined=unexamined,
        bytes_members=table.table.size_bytes * members // max(total, 1),
        path=path,
        reason=_reason(unexamined, emptied),
        shared=shared,
    )


def _reason(unexamined: int, emptied: int) -> str:
    """Why so many rows are not examined, some of them since they hang on emptied ones."""
    reasons = []
    if unexamined > emptied:
        reasons.append(
            "these rows name persons whom no site knows, or whose country nobody wrote down"
        )
    if emptied:
        reasons.append(
            f"the way from {emptied:,} ends at a row that names nobody and has nothing but its"
            " public projection left: they may be members', written since; delete them, or give"
            " it an owner"
        )
    return "; ".join(reasons)


def _count_view(
    connection: psycopg.Connection,
    rules: DatabaseRules,
    view: MaterialisedView,
    found: Mapping[TableName, TableCount],
    site: str,
    *,
    at_home: bool,
) -> TableCount:
    """A materialised view's rows name nobody, if it holds nothing but what its query gives now and
    that can be nothing of members'."""
    rows = _rows(connection, view.name) if view.populated else 0
    reason = ""
    if rows and not at_home:
        reason = _may_hold(rules, view, found) or staleness(connection, view)
    if reason:
        reason = f"a materialised view: {reason}; `erase` refreshes it"
    unexamined = rows if reason else 0
    return TableCount(
        site=site,
        dataset=str(view.name),
        table=str(view.name),
        classification="protected",
        rows=rows,
        members=0,
        reduced=0,
        nobody=rows - unexamined,
        unexamined=unexamined,
        bytes_members=0,
        path="a copy of " + ", ".join(map(str, sorted(view.tables))),
        reason=reason,
    )


def _may_hold(
    rules: DatabaseRules, view: MaterialisedView, found: Mapping[TableName, TableCount]
) -> str:
    """Which of a view's tables may have given it rows of members."""
    read = set(found) | set(rules.undecided) if view.opaque else view.tables
    unknown = [name for name in sorted(read) if name not in found or found[name].unexamined]
    members = [name for name in sorted(read) if name in found and found[name].members]
    if members:
        return f"it holds copies of rows of {', '.join(map(str, members))}"
    if unknown:
        return f"it may hold copies of {', '.join(map(str, unknown))}, which are not examined"
    return ""


def _counting(rules: DatabaseRules, table: TableRules) -> sql.Composed:
    """One pass; inner queries are fenced (OFFSET 0) so that a condition is computed once a row."""
    return sql.SQL(
        "SELECT count(*), count(*) FILTER (WHERE domicile_member AND NOT domicile_reduced),"
        " count(*) FILTER (WHERE domicile_member AND domicile_reduced),"
        " count(*) FILTER (WHERE NOT domicile_known AND NOT domicile_unknown AND domicile_nobody),"
        " count(*) FILTER (WHERE NOT domicile_known AND domicile_unknown),"
        " count(*) FILTER (WHERE domicile_shared),"
        " count(*) FILTER (WHERE NOT domicile_known AND domicile_emptied) FROM ("
        "SELECT domicile_member, domicile_shared, domicile_nobody, domicile_emptied,"
        " domicile_unknown OR domicile_emptied AS domicile_unknown,"
        " domicile_member OR domicile_shared AS domicile_known,"
        " CASE WHEN domicile_member THEN {reduced} ELSE false END AS domicile_reduced FROM ("
        "SELECT t.*, coalesce({member}, false) AS domicile_member, {shared} AS domicile_shared,"
        " (coalesce({unknown}, false) OR {orphaned}) AS domicile_unknown,"
        " {nobody} AS domicile_nobody, {emptied} AS domicile_emptied"
        " FROM {table} AS t OFFSET 0) AS t OFFSET 0) AS s"
    ).format(
        reduced=table.reduced("t"),
        member=table.belong(rules.key, "t"),
        shared=table.shared(rules.key, "t"),
        unknown=_unknown(table, rules.key),
        orphaned=orphaned(table.paths, rules.key, "t"),
        nobody=_nobody(rules, table.paths),
        emptied=_emptied(rules, table),
        table=table_rows(table.table.name),
    )


def _unknown(table: TableRules, key: tuple[str, ...]) -> sql.Composable:
    """Whether a row that is neither a member's nor shared names somebody of whom nobody knows
    enough. One that names a member does, if each of its persons gets a copy."""
    unknown = belongs(table.paths, key, "t", table.lists.unknown)
    if not table.copies:
        return unknown
    return sql.SQL("({} IS TRUE OR {} IS TRUE)").format(
        unknown, belongs(table.paths, key, "t", table.lists.members)
    )


def _nobody(rules: DatabaseRules, paths: Sequence[PersonPath]) -> sql.Composable:
    """Whether a row names nobody: neither by itself nor by the row to which it leads."""
    return sql.SQL("({})").format(
        sql.SQL(" AND ").join(
            sql.SQL("(NOT {} OR {})").format(
                names_somebody(path.hops[0], "t"), ownerless(path, "t", _null(rules))
            )
            if path.hops
            else sql.SQL("false")
            for path in paths
        )
    )


def _null(rules: DatabaseRules) -> End:
    """Rows that can name nobody."""

    def end(name: TableName, hop: Hop, _alias: str) -> sql.Composable | None:
        table = rules.database.tables[name]
        never = not hop.pointer and all(table.column(part).not_null for part in hop.columns)
        return None if never else sql.SQL("true")

    return end


def _emptied(rules: DatabaseRules, table: TableRules) -> sql.Composable:
    """Whether a row in which something is protected leads to one that names nobody, as an erasure
    leaves members' rows: nobody can say any more whose it is."""
    reduced = _reduced(rules)
    ways = (ownerless(path, "t", reduced) for path in table.paths)
    return sql.SQL("(({}) AND NOT {})").format(sql.SQL(" OR ").join(ways), table.empty("t"))


def _reduced(rules: DatabaseRules) -> End:
    """Rows of which only the public projection may be left, without whom they name."""

    def end(name: TableName, hop: Hop, alias: str) -> sql.Composable | None:
        table = rules.tables.get(name)
        if table is None or table.keeps(hop.columns):
            return None
        return sql.SQL("({})").format(table.projection.at_placeholders(alias))

    return end


def _rows(connection: psycopg.Connection, name: TableName) -> int:
    query = sql.SQL("SELECT count(*) FROM {}").format(table_rows(name))
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
