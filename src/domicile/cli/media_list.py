"""``domicile media list``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape

from domicile.cli.exits import Exit
from domicile.cli.media_acts import entries_of
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.report.figures import shown
from domicile.report.media import read_media

__all__ = ["list"]


@click.command("list")
@common_options
def list(charter: Path, as_json: bool) -> int:  # noqa: A001 - commands have their modules' names
    """Show the register. Exit code 1 where one is missing, or an act about one does not count."""
    with Session.open(Options(charter, as_json)) as session:
        estate = session.estate
        views = read_media(estate.records, estate.charter, entries_of(session))
    if as_json:
        emit_json({"media": views})
    for view in () if as_json else views:
        who = f" of {view.holder}" if view.state == "in custody" else f", {view.holder}"
        how = f", {view.method}" if view.method else ""
        where = view.place or "place not told"
        line = f"{view.serial} ({view.medium}, {where}): {view.state}{who}{how}, {view.day}"
        session.out.print(escape(shown(line)), soft_wrap=True)
        for problem in view.problems:
            session.out.print(escape(shown(f"  does not count: {problem}")), style="bold red")
    bad = any(view.problems or view.state == "missing" for view in views)
    return Exit.REMAINS if bad else Exit.WELL
