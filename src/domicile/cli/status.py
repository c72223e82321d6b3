"""``domicile status``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click
from rich.markup import escape
from rich.table import Table

from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.report import Status, load_status, look_lines, shred_lines, status_rows
from domicile.report.figures import shown

__all__ = ["exit_of", "print_status", "status"]

_FIGURES = {"reduced", "shared", "held", "attested", "not examined"}


@click.command()
@common_options
def status(charter: Path, as_json: bool) -> int:
    """Say where the members' data lies, from the records alone."""
    with Session.open(Options(charter, as_json)) as session:
        found = load_status(session.estate)
    if as_json:
        emit_json(found.to_json())
    else:
        print_status(session, found)
    return exit_of(found)


def exit_of(found: Status) -> Exit:
    """How a command ends that shows this: broken evidence before anything else."""
    if not found.ledger.sound:
        return Exit.EVIDENCE
    return Exit.WELL if found.verdict.word == "home" else Exit.REMAINS


def print_status(session: Session, found: Status) -> None:
    """The before-and-after table and the verdict."""
    rows = status_rows(found)
    table = Table(title=rows.title)
    widest = max((len(row[0]) for row in rows.rows if row[1]), default=4)
    table.add_column("site", min_width=widest, overflow="fold")
    for name in rows.header[2:]:
        figures = name in {*_FIGURES, "before", "after", "now"}
        justify: Literal["left", "right"] = "right" if figures else "left"
        wraps = name == "not examined"
        table.add_column(name, justify=justify, no_wrap=not wraps, max_width=8 if wraps else None)
    for site, where, *cells in rows.rows:
        place = f"{escape(site)}\n[dim]{escape(where)}[/dim]" if where else escape(site)
        table.add_row(place, *(escape(cell) for cell in cells))
    session.out.print(table)
    home = found.verdict.word == "home"
    session.out.print(f"verdict: {found.verdict.word}", style="bold green" if home else "bold")
    for reason in found.verdict.reasons:
        session.out.print(f"  {escape(shown(reason))}")
    for line in shred_lines(found):
        session.out.print(escape(line))
    for alarm in found.alarms:
        for line in alarm.origins:
            session.out.print(f"  {alarm.site}: {escape(shown(f'{alarm.dataset}: {line}'))}")
    for line in look_lines(found):
        session.out.print(escape(line))
    session.out.print(escape(found.charter_standing))
