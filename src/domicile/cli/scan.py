"""``domicile scan``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from domicile.charter import country_name
from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json, workers_option
from domicile.scan import ScanSummary, run_scan

__all__ = ["print_scan", "scan"]


@click.command()
@common_options
@workers_option
def scan(charter: Path, as_json: bool, workers: int) -> int:
    """Find whose data lies where. Reads only."""
    with Session.open(Options(charter, as_json)) as session:
        summary = run_scan(session.estate, session.evidence, session.state, session.crew(workers))
    if as_json:
        emit_json(summary)
    else:
        print_scan(session, summary)
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
    _print_unexamined(session, summary)
    verdict = (
        "everything of the members is at home"
        if summary.home
        else f"not home: {summary.finding_rows:,} rows and {summary.finding_objects:,} objects of"
        f" members lie elsewhere, {summary.unexamined:,} items were not examined"
    )
    out.print(verdict, style="bold green" if summary.home else "bold")
    if summary.finding_rows or summary.finding_objects:
        out.print("next: domicile plan")


def _rows_table(summary: ScanSummary) -> Table:
    table = Table("site", "table", "rows", "members'", "reduced", "not examined", "path")
    for column in table.columns[2:6]:
        column.justify = "right"
    for count in summary.tables:
        if count.rows:
            table.add_row(
                count.site,
                _plain(count.table),
                f"{count.rows:,}" if count.rows >= 0 else "?",
                f"{count.members:,}",
                f"{count.reduced:,}",
                f"{count.unexamined:,}" if count.unexamined >= 0 else "all",
                _plain(count.path) or count.classification,
            )
    return table


def _objects_table(summary: ScanSummary) -> Table:
    table = Table("site", "dataset", "whose", "versions", "markers", "uploads", "bytes")
    for column in table.columns[3:]:
        column.justify = "right"
    for count in summary.objects:
        table.add_row(
            count.site,
            count.dataset or "-",
            count.state,
            f"{count.versions:,}",
            f"{count.markers:,}",
            f"{count.uploads:,}",
            f"{count.bytes:,}",
        )
    return table


def _print_unexamined(session: Session, summary: ScanSummary) -> None:
    for count in summary.tables:
        if count.unexamined:
            what = f"{count.unexamined:,} rows" if count.unexamined > 0 else "all rows"
            session.out.print(
                f"not examined: {what} of {count.table} at {count.site}: {count.reason}",
                style="yellow",
                markup=False,
            )
    for found in summary.objects:
        if found.state == "not examined":
            number = found.versions + found.markers + found.uploads
            session.out.print(
                f"not examined: {number:,} objects at {found.site}: {found.reason}",
                style="yellow",
                markup=False,
            )


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
