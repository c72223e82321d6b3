"""A scan: freeze the register, then read every site and count. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

import domicile
from domicile.charter import PostgresSiteConfig
from domicile.errors import DomicileError
from domicile.inventory import (
    Crew,
    Estate,
    Evidence,
    Job,
    Progress,
    Run,
    digest_under,
    new_run_id,
    run_all,
    workplace,
    write_bytes,
    write_parquet,
)
from domicile.people import PeopleFrozen, RegisterBuilder, read_people, schema_for
from domicile.scan.archives import ArchiveCount
from domicile.scan.behind import compared_with_home
from domicile.scan.entries import ScanFinished, ScanStarted
from domicile.scan.keys import index_keys
from domicile.scan.names import check_names
from domicile.scan.objects import ObjectCount, scan_objects
from domicile.scan.summary import ScanSummary, SiteInfo
from domicile.scan.tables import TableCount, count_tables
from domicile.sites.postgres import Database, TableName, read_database, site_errors

if TYPE_CHECKING:
    from domicile.state import State  # slow to import, and no worker has use for it

__all__ = ["read_scan", "run_scan"]

_Counts = tuple[list[TableCount], list[ObjectCount], list[ArchiveCount]]


def run_scan(estate: Estate, evidence: Evidence, state: State, crew: Crew) -> ScanSummary:
    """Scan every site of the charter into a new run and record it.

    Raises SiteError where a site could not be read: a scan that saw only part is no scan.
    """
    started = datetime.now(UTC)
    run = Run(estate.records, new_run_id(started))
    estate.check(write=False)
    write_bytes(run.charter, estate.loaded.text.encode())
    state.start_run(run.id, started, estate.loaded.sha256)
    evidence.record(
        ScanStarted(
            run=run.id,
            boundary=estate.boundary_name,
            tool=f"domicile {domicile.__version__}",
            files=(digest_under(run.charter, estate.records),),
        )
    )
    frozen, spellings = _freeze_people(estate, run, crew.progress)
    evidence.record(frozen)
    index_keys(estate, run)
    job = estate.job(run.id)
    counts = _read_sites(estate, crew, job)
    summary = _summary(estate, started, frozen, spellings, counts)
    write_bytes(run.scan, msgspec.json.format(msgspec.json.encode(summary)))
    evidence.record(_finished(estate, run, summary))
    state.scanned(run.id, datetime.now(UTC))
    return summary


def read_scan(run: Run) -> ScanSummary:
    """A finished scan's summary."""
    return msgspec.json.decode(run.scan.read_bytes(), type=ScanSummary)


def _freeze_people(
    estate: Estate, run: Run, progress: Progress
) -> tuple[PeopleFrozen, dict[str, int]]:
    people = estate.charter.people
    progress.stage("members", items=len(estate.postgres_names))
    builder = RegisterBuilder(run.people_index, people, estate.boundary.members)
    databases = {site: _database(estate, site) for site in estate.postgres_names}
    check_names(estate.charter, databases)
    key_types: tuple[str, ...] = ()
    for site, database in databases.items():
        if estate.holds_people(site, database):
            table = database.tables[TableName.parse(people.table)]
            key_types = key_types or tuple(table.column(name).base_type for name in people.key)
            with site_errors(site), estate.database(site).connect(read_only=True) as connection:
                builder.add(read_people(connection, people, database))
        progress.advance()
    tables, counts = builder.finish()
    write_parquet(run.people, schema_for(key_types), tables)
    frozen = PeopleFrozen(
        run=run.id,
        boundary=estate.boundary_name,
        persons=counts.persons,
        members=counts.members,
        unknown=counts.unknown,
        files=(digest_under(run.people, estate.records),),
    )
    return frozen, dict(counts.spellings)


def _database(estate: Estate, site: str) -> Database:
    with site_errors(site), estate.database(site).connect(read_only=True) as connection:
        return read_database(connection)


def _read_sites(estate: Estate, crew: Crew, job: Job) -> _Counts:
    sites = [*estate.postgres_names, *estate.object_names]
    crew.progress.stage("scan", items=len(sites))
    tables: list[TableCount] = []
    objects: list[ObjectCount] = []
    archives: list[ArchiveCount] = []
    failures: list[DomicileError] = []
    for outcome in run_all(crew, _read_site, ((job, site) for site in sites)):
        if outcome.error is not None:
            failures.append(outcome.error)
        elif outcome.result is not None:
            tables += outcome.result[0]
            objects += outcome.result[1]
            archives += outcome.result[2]
        crew.progress.advance()
    if failures:
        raise failures[0]
    rank = {site: number for number, site in enumerate(sites)}
    tables.sort(key=lambda count: (rank[count.site], count.table))
    objects.sort(key=lambda count: (rank[count.site], count.dataset, count.state))
    archives.sort(key=lambda count: (rank[count.site], count.dataset))
    return tables, objects, archives


def _read_site(task: tuple[Job, str]) -> _Counts:
    job, site = task
    here = workplace(job)
    if isinstance(here.estate.charter.sites[site], PostgresSiteConfig):
        connection, rules = here.session(site, read_only=True)
        at_home, replicas = here.estate.is_home(site), here.estate.replicas
        counts = count_tables(connection, rules, site, at_home=at_home, replicas=replicas)
        return compared_with_home(here, counts, site, (connection, rules)), [], []
    return [], *scan_objects(here.estate, here.estate.objects(site), here.run)


def _summary(
    estate: Estate,
    started: datetime,
    frozen: PeopleFrozen,
    spellings: dict[str, int],
    counts: _Counts,
) -> ScanSummary:
    return ScanSummary(
        run=frozen.run,
        boundary=estate.boundary_name,
        charter_sha256=estate.loaded.sha256,
        started=started.isoformat(timespec="seconds"),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        sites=tuple(_sites(estate)),
        persons=frozen.persons,
        members=frozen.members,
        unknown_persons=frozen.unknown,
        spellings=spellings,
        tables=tuple(counts[0]),
        objects=tuple(counts[1]),
        archives=tuple(counts[2]),
    )


def _sites(estate: Estate) -> Iterator[SiteInfo]:
    for name in [*estate.postgres_names, *estate.object_names]:
        site = estate.charter.sites[name]
        yield SiteInfo(
            name, site.kind, site.country, site.provider, site.role, estate.is_home(name)
        )
    for name, place in estate.charter.offline.items():
        yield SiteInfo(
            name, "offline", place.country, place.provider, "offline", home=False, about=place.about
        )


def _finished(estate: Estate, run: Run, summary: ScanSummary) -> ScanFinished:
    paths = [run.scan, *sorted(run.directory.glob("found/*.parquet"))]
    return ScanFinished(
        run=run.id,
        boundary=estate.boundary_name,
        sites=tuple(site.name for site in summary.sites if site.kind != "offline"),
        finding_rows=summary.finding_rows,
        finding_objects=summary.finding_objects,
        unexamined=summary.unexamined,
        complete=not summary.unexamined,
        files=tuple(digest_under(path, estate.records) for path in paths),
    )
