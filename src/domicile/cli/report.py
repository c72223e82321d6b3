"""``domicile report``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.cli.status import exit_of
from domicile.inventory import write_bytes
from domicile.report import load_status, render_report

__all__ = ["report"]


@click.command()
@common_options
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write it.  [default: report.html beside the records]",
)
def report(charter: Path, as_json: bool, output: Path | None) -> int:
    """Write one HTML file that shows all of it, offline."""
    with Session.open(Options(charter, as_json)) as session:
        found = load_status(session.estate)
        path = output or session.estate.records / "report.html"
        write_bytes(path, render_report(found).encode())
    if as_json:
        emit_json({"report": str(path), "verdict": found.verdict.word})
    else:
        session.out.print(f"{found.verdict.word}: {path}", markup=False, soft_wrap=True)
    return exit_of(found)
