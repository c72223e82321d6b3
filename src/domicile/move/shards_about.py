"""Which shards are about a dataset, as the plans of the runs say."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from domicile.charter import Charter, narrowed, routes_of
from domicile.inventory import Run, dataset_name, read_batches
from domicile.move.plan import RowShard
from domicile.move.planning import load_plan
from domicile.sites.postgres import TableName

__all__ = ["names_of_tables", "shards_about"]


def names_of_tables(charter: Charter, datasets: Collection[str]) -> tuple[str, ...]:
    """What the tables of these datasets are called in the records."""
    known = (charter.tables[name] for name in datasets if name in charter.tables)
    return tuple(sorted({str(TableName.parse(dataset.table)) for dataset in known}))


def shards_about(records: Path, charter: Charter, datasets: Collection[str]) -> tuple[str, ...]:
    """``RUN/SHARD`` for every planned shard that holds something of these datasets, each named as
    the charter or as the database calls it. Raises EvidenceError where a shard's file is damaged.
    """
    found: list[str] = []
    for path in sorted((records / "runs").glob("*/plan.json")):
        run = Run(records, path.parent.name)
        found += (f"{run.id}/{shard}" for shard in _of_run(run, charter, datasets))
    return tuple(found)


def _of_run(run: Run, charter: Charter, datasets: Collection[str]) -> Iterator[str]:
    plan = load_plan(run)
    for shard in plan.rows:
        table = TableName(shard.schema, shard.table)
        if not {str(table), dataset_name(_about(charter, shard), table)}.isdisjoint(datasets):
            yield shard.id
    for part in plan.objects:
        rows = read_batches(run.shard(part.id), ["dataset"])
        if any(row["dataset"] in datasets for row in rows):
            yield part.id


def _about(charter: Charter, shard: RowShard) -> Charter:
    """The charter as far as it is about a shard's database."""
    route = next((route for route in routes_of(charter) if shard.source in route.sites), None)
    return narrowed(charter, route) if route else charter
