"""Where members' rows come from that lie again in a database that was erased.

Rows came back where a shard's digest is again the one with which it was proven before the erasure,
or, of a shard of which a part came back, where home holds them as they are there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from domicile.erase.past import Past
from domicile.inventory import Estate, Run, TableRules, Workplace, listed_session, read_batches
from domicile.ledger import Entry
from domicile.move import Plan, RowShard, ahead_of_home, recorded_plan, recorded_proofs
from domicile.people import belongs
from domicile.sites.postgres import TableName, site_errors, table_rows

__all__ = ["RowOrigins", "returned_rows", "rows_of"]


@dataclass(frozen=True, slots=True)
class RowOrigins:
    """Of one table's rows, in the order in which each counts once. Pure."""

    shredded: int
    newcomers: int
    returned: int
    written: int

    @classmethod
    def of(cls, rows: int, erased: int, newcomers: int, returned: int) -> RowOrigins:
        """Split so many rows; what nothing explains was written since, or changed. Erased persons'
        rows may be among those that came back: they count once."""
        of_erased = min(erased, rows)
        of_newcomers = min(newcomers, rows - of_erased)
        back = min(max(returned - of_erased, 0), rows - of_erased - of_newcomers)
        return cls(of_erased, of_newcomers, back, rows - of_erased - of_newcomers - back)


def rows_of(
    estate: Estate, run: Run, persons: Collection[Sequence[str]], site: str, tables: Iterable[str]
) -> dict[str, int]:
    """How many members' rows of these tables, by the register of ``run``, are these persons' at a
    site: of rows that a scan would find."""
    if not persons:
        return {}
    found: dict[str, int] = {}
    with listed_session(estate, run, site, persons) as (connection, rules), site_errors(site):
        for name in tables:
            table = rules.tables.get(TableName.parse(name))
            if table is not None:
                row = connection.execute(_counting(table, rules.key)).fetchone()
                found[name] = int(row[0]) if row else 0
    return found


def _counting(table: TableRules, key: tuple[str, ...]) -> sql.Composed:
    name = table.table.name
    return sql.SQL("SELECT count(*) FROM {} AS t WHERE {} AND {} AND {} IS NOT TRUE").format(
        table_rows(name),
        belongs(table.paths, key, "t", table.lists.listed),
        table.belong(key, "t"),
        table.reduced("t"),
    )


def returned_rows(
    estate: Estate, past: Past, entries: Sequence[Entry], tables: Mapping[str, int]
) -> dict[str, int]:
    """How many rows of these tables came back. Of several runs that erased of a table here, the one
    that explains most counts. Raises SiteError."""
    found: Counter[str] = Counter()
    for run in past.runs:
        plan = recorded_plan(Run(estate.records, run), entries)
        if past.site not in plan.databases:
            continue
        here = Workplace(estate.job(run))
        try:
            for table, rows in _returned(here, plan, past, tables).items():
                found[table] = max(found[table], rows)
        finally:
            here.close()
    return dict(found)


def _returned(here: Workplace, plan: Plan, past: Past, tables: Mapping[str, int]) -> Counter[str]:
    erased = {body.shard for body in past.erasures if body.run == plan.run}
    found: Counter[str] = Counter()
    for shard in plan.rows_at(past.site):
        table = str(TableName(shard.schema, shard.table))
        if shard.erasable and shard.id in erased and table in tables:
            found[table] += _came_back(here, plan, past, shard)
    return found


def _came_back(here: Workplace, plan: Plan, past: Past, shard: RowShard) -> int:
    there, ahead = ahead_of_home(here, plan, shard, past.site)
    if there.rows and there.sha256 in _proven(here.run, past, shard):
        return there.rows
    return there.rows - ahead


def _proven(run: Run, past: Past, shard: RowShard) -> set[str]:
    """The digests with which a shard's rows were proven here."""
    bodies = [body for body in past.erasures if (body.run, body.shard) == (run.id, shard.id)]
    paths = (
        path
        for body in bodies
        for path in recorded_proofs(run.records, past.proofs[body.verified_sha256])
    )
    return {
        str(proof["sha256"])
        for path in paths
        for proof in read_batches(path)
        if proof["site"] == past.site and proof["state"] == "verified"
    }
