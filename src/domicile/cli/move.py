"""``domicile move``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.custody_roots import approvals_option, ask_custodians
from domicile.cli.session import Options, Session, cluster_option, common_options, workers_option
from domicile.cli.steps import finish_step
from domicile.move import read_plan, run_move

__all__ = ["move"]


@click.command()
@common_options
@workers_option
@cluster_option
@approvals_option
def move(
    charter: Path, as_json: bool, workers: int, cluster: str | None, approvals: tuple[Path, ...]
) -> int:
    """Bring home what the plan says. Run it again to go on after a fault."""
    with Session.open(Options(charter, as_json)) as session:
        plan = read_plan(session.estate, session.state)
        evidence = session.evidence
        ask_custodians(session, evidence, approvals)
        done = run_move(session.estate, evidence, plan, session.crew(workers, cluster))
    return finish_step(session, "move", plan.run, done, next_step="domicile verify")
