"""``domicile access list``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from domicile.cli.desk import at_the_desk
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options, emit_json

__all__ = ["list"]

_LIVE = ("open", "question", "scheduled", "active", "exhausted")


@click.command()
@common_options
@click.option("--all", "everything", is_flag=True, help="What is over, too.")
def list(charter: Path, as_json: bool, everything: bool) -> int:  # noqa: A001 - the command's name
    """Show requests that wait for an answer, and grants that hold."""
    from domicile.policy.desk import now_text
    from domicile.policy.grants import status

    with at_the_desk(Options(charter, as_json), acts=False) as counter:
        standing, now = counter.desk.standing, now_text()
        shown = [
            held
            for held in standing.requests.values()
            if everything or held.owes_review or status(held, now) in _LIVE
        ]
        if as_json:
            emit_json([counter.desk.describe(held.id) for held in shown])
            return Exit.WELL
        table = Table(box=None, pad_edge=False)
        for heading in ("request", "staff", "actions", "datasets", "purpose", "until", "status"):
            table.add_column(heading)
        for held in shown:
            made = held.made
            owes = ", to be reviewed" if held.owes_review else ""
            words = (
                held.id,
                made.staff,
                ", ".join(made.actions),
                ", ".join(made.datasets),
                made.purpose,
                held.until,
                f"{status(held, now)}{owes}",
            )
            table.add_row(*map(escape, words))
        counter.session.out.print(table)
    return Exit.WELL
