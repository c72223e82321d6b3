"""``domicile plan``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Table

from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.errors import PlanError
from domicile.inventory import Run
from domicile.move import Plan, make_plan

if TYPE_CHECKING:
    from domicile.state import State  # slow to import, and no worker has use for it

__all__ = ["latest_scan", "plan", "print_plan"]


@click.command()
@common_options
def plan(charter: Path, as_json: bool) -> int:
    """Show what would move and be erased, and write it down."""
    with Session.open(Options(charter, as_json)) as session:
        state = session.state
        run = latest_scan(session, state)
        made = make_plan(session.estate, session.evidence, state, run, session.progress)
    if as_json:
        emit_json(made)
    else:
        print_plan(session, made)
    return Exit.REMAINS if made.blockers else Exit.WELL


def latest_scan(session: Session, state: State) -> Run:
    """The latest finished scan. Raises PlanError where there is none under this charter."""
    for record in state.runs():
        if record.scanned_at is None:
            continue
        if record.charter_sha256 != session.loaded.sha256:
            raise PlanError(
                "the charter changed since the last scan",
                expected="a scan under this charter",
                next_step="run `domicile scan`",
            )
        return Run(session.estate.records, record.id)
    raise PlanError(
        "nothing was scanned yet", expected="a finished scan", next_step="run `domicile scan`"
    )


def print_plan(session: Session, made: Plan) -> None:
    """A plan as a person reads it."""
    out = session.out
    if made.empty:
        out.print("nothing to move and nothing to erase", style="bold")
    _print_rows(session, made)
    if made.objects:
        keys = sum(shard.keys for shard in made.objects)
        versions = sum(shard.versions for shard in made.objects)
        markers = sum(shard.markers for shard in made.objects)
        uploads = sum(shard.uploads for shard in made.objects)
        size = sum(shard.bytes for shard in made.objects)
        out.print(
            f"objects: {keys:,} keys to {made.home_objects}: {versions:,} versions ({size:,} bytes"
            f" on all sites), {markers:,} delete markers; {uploads:,} unfinished uploads are"
            " erased, never completed"
        )
    _print_effects(session, made)
    for held in made.held:
        out.print(
            f"versions held at {held.site}: {held.versions:,} ({held.reason}); erase leaves them"
            f" {f'until {held.until}' if held.until else 'until it is lifted'}",
            style="yellow",
            markup=False,
        )
    if made.unexamined:
        out.print(f"{made.unexamined:,} items were not examined and stay where they are")
    if made.shared_rows:
        out.print(
            f"{made.shared_rows:,} rows are others' too: they are copied home, and stay"
            ' (`persons = "copy"`)',
            markup=False,
        )
    for blocker in made.blockers:
        out.print(f"blocked: {escape(blocker)}", style="bold red")
    if not made.blockers and not made.empty:
        out.print("next: domicile move")


def _print_rows(session: Session, made: Plan) -> None:
    for route in made.routes if len(made.routes) > 1 else ():
        if route.source and route.home:
            session.out.print(f"rows of {route.source} go to {route.home}")
    if made.tables:
        session.out.print(_tables(made))


def _print_effects(session: Session, made: Plan) -> None:
    for removed in dict.fromkeys(
        (entry.table, entry.removed) for entry in made.tables if entry.reduced or entry.projected
    ):
        if removed[1]:
            session.out.print(
                f"a projection of {escape(removed[0])} loses {escape(', '.join(removed[1]))}"
            )
    if made.effects:
        session.out.print(
            "what the databases do by themselves when members' rows are deleted (rows of others are"
            " not reached: what they refer to is reduced instead):"
        )
    for effect in made.effects:
        session.out.print(f"{effect.kind} at {effect.site}: {escape(effect.what)}", style="dim")
    for warning in made.warnings:
        session.out.print(f"warning: {escape(warning)}", style="yellow")


def _tables(made: Plan) -> Table:
    columns = ["site", "table", "goes home", "deleted", "reduced", "arrives as projection"]
    if made.shared_rows:
        columns.append("stays, others' too")
    table = Table(*columns)
    table.columns[1].overflow = "fold"
    for column in table.columns[2:]:
        column.justify = "right"
    for entry in sorted(made.tables, key=lambda entry: entry.site not in made.databases):
        numbers = [entry.copied, entry.deleted, entry.reduced, entry.projected]
        numbers += [entry.shared] if made.shared_rows else []
        table.add_row(
            entry.site,
            escape(entry.table),
            *(f"{number:,}" if number else "" for number in numbers),
        )
    return table
