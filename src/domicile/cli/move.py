"""``domicile move``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.session import Options, Session, common_options, workers_option
from domicile.cli.steps import finish_step
from domicile.move import read_plan, run_move

__all__ = ["move"]


@click.command()
@common_options
@workers_option
def move(charter: Path, as_json: bool, workers: int) -> int:
    """Bring home what the plan says. Run it again to go on after a fault."""
    with Session.open(Options(charter, as_json)) as session:
        plan = read_plan(session.estate, session.state)
        done = run_move(session.estate, session.evidence, plan, session.crew(workers))
    return finish_step(session, "move", plan.run, done, next_step="domicile verify")
