"""``domicile scan``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from domicile.charter import country_name
from domicile.cli.exits import Exit
from domicile.cli.recheck import print_alarms
from domicile.cli.session import (
    Options,
    Session,
    cluster_option,
    common_options,
    emit_json,
    workers_option,
)
from domicile.erase.recheck import record_drift
from domicile.scan import SHOWN, ObjectCount, ScanSummary, TableCount, run_scan

__all__ = ["print_scan", "scan"]


@click.command()
@common_options
@workers_option
@cluster_option
def scan(charter: Path, as_json: bool, workers: int, cluster: str | None) -> int:
    """Find whose data lies where. Reads only."""
    with Session.open(Options(charter, as_json)) as session:
        evidence = session.reading_evidence
        if said := evidence.standing().warning():
            session.err.print(f"warning: {said}", style="yellow", markup=False)
        state, crew = session.state, session.crew(workers, cluster)
        summary = run_scan(session.estate, evidence, state, crew)
        alarms = record_drift(session.estate, evidence, state, summary)
    if as_json:
        emit_json(summary)
    else:
        print_scan(session, summary)
        print_alarms(session, alarms)
    return Exit.WELL if summary.home else Exit.REMAINS


def print_scan(session: Session, summary: ScanSummary) -> None:
    """A scan as a person reads it."""
    out = session.out
    countries = ", ".join(country_name(code) for code in session.estate.boundary.members)
    out.print(
        f"{summary.persons:,} people, {summary.members:,} of them members"
        f" of {summary.boundary} ({countries})"
    )
    out.print(_rows_table(summary))
    if summary.objects:
        out.print(_objects_table(summary))
    for count in summary.archives:
        out.print(
            f"archives of {count.dataset} at {count.site}: {count.holding:,} of"
            f" {count.archives:,} hold rows of members ({count.members:,} of {count.rows:,} rows)",
            markup=False,
        )
    _print_shared(session, summary)
    _print_unexamined(session, summary)
    verdict = (
        "everything of the members is at home"
        if summary.home
        else f"not home: {summary.finding_rows:,} rows and {summary.finding_objects:,} objects of"
        f" members lie elsewhere, {summary.unexamined:,} items were not examined"
    )
    out.print(verdict, style="bold green" if summary.home else "bold")
    if summary.spellings:
        names = sorted(summary.spellings, key=lambda name: (-summary.spellings[name], name))
        more = f" and {len(names) - 6} more" if len(names) > 6 else ""
        out.print(
            f"{sum(summary.spellings.values()):,} people have a country that is no two-letter code"
            f" ({', '.join(names[:6])}{more}): name these in [people] spellings",
            style="yellow",
            markup=False,
        )
    if summary.finding_rows or summary.finding_objects or summary.behind:
        out.print("next: domicile plan")


def _rows_table(summary: ScanSummary) -> Table:
    """A line a table, a column a database: members' rows of all rows."""
    sites = list(dict.fromkeys(count.site for count in summary.tables))
    table = Table("table and path to its person", *sites, title="members' rows, of all rows")
    for column in table.columns[1:]:
        column.justify = "right"
    cells = {(count.table, count.site): count for count in summary.tables}
    for name in sorted({count.table for count in summary.tables if count.rows}):
        path = next((cells[name, site].path for site in sites if (name, site) in cells), "")
        counts = [cells.get((name, site)) for site in sites]
        table.add_row(escape(path or name), *(_rows_cell(count) for count in counts))
    return table


def _rows_cell(count: TableCount | None) -> str:
    if count is None or not count.rows:
        return ""
    if count.unexamined < 0 or count.unexamined == count.rows:
        return "not examined"
    if count.classification != "protected":
        return f"{count.classification}, {count.rows:,}"
    reduced = f"\n{count.reduced:,} reduced" if count.reduced else ""
    shared = f"\n{count.shared:,} shared" if count.shared else ""
    return f"{count.members:,} of {count.rows:,}{reduced}{shared}"


def _objects_table(summary: ScanSummary) -> Table:
    """A line a dataset, a column a store: members' versions, markers and uploads."""
    sites = list(dict.fromkeys(count.site for count in summary.objects))
    table = Table("objects", *sites, title="members' versions, of all")
    for column in table.columns[1:]:
        column.justify = "right"
    for name in sorted({count.dataset for count in summary.objects}):
        mine = [count for count in summary.objects if count.dataset == name]
        cells = [_objects_cell([c for c in mine if c.site == site]) for site in sites]
        table.add_row(name or "(no dataset)", *cells)
    return table


def _objects_cell(counts: list[ObjectCount]) -> str:
    if not counts:
        return ""
    total = sum(count.versions for count in counts)
    states = {count.state for count in counts}
    if states <= {"public", "excepted", "not examined"}:
        return f"{'/'.join(sorted(states))}, {total:,}"
    members = [count for count in counts if count.state == "member"]
    extra = [
        f"{number:,} {what}"
        for what, number in (
            ("markers", sum(count.markers for count in members)),
            ("uploads", sum(count.uploads for count in members)),
        )
        if number
    ]
    line = f"{sum(count.versions for count in members):,} of {total:,}"
    return "\n".join([line, *extra])


def _print_shared(session: Session, summary: ScanSummary) -> None:
    for count in summary.tables:
        if count.shared:
            session.out.print(
                f"shared: {count.shared:,} rows of {count.table} at {count.site} are others' too"
                ' and stay there (`persons = "copy"`)',
                markup=False,
            )
        if count.behind:
            session.out.print(
                f"not home: {count.behind:,} of them are not at home as they are there",
                style="bold",
                markup=False,
            )


def _print_unexamined(session: Session, summary: ScanSummary) -> None:
    for site in summary.sites:
        if site.kind == "offline":
            session.out.print(
                f"not examined: {site.name} ({site.about}): no driver reaches it",
                style="yellow",
                markup=False,
            )
    for count in summary.tables:
        if count.unexamined:
            what = f"{count.unexamined:,} rows" if count.unexamined > 0 else "all rows"
            session.out.print(
                f"not examined: {what} of {count.table} at {count.site}: {count.reason}",
                style="yellow",
                markup=False,
            )
        if count.path.startswith(SHOWN):
            session.out.print(f"{count.table} at {count.site}: {count.path}", markup=False)
    for found in summary.objects:
        if found.state == "not examined":
            number = found.versions + found.markers + found.uploads
            session.out.print(
                f"not examined: {number:,} objects at {found.site}: {found.reason}",
                style="yellow",
                markup=False,
            )
