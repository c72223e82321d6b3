"""``domicile verify``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.custody_roots import approvals_option, ask_custodians
from domicile.cli.session import Options, Session, cluster_option, common_options, workers_option
from domicile.cli.steps import finish_step
from domicile.move import read_plan, run_verify

__all__ = ["verify"]


@click.command()
@common_options
@workers_option
@cluster_option
@approvals_option
def verify(
    charter: Path, as_json: bool, workers: int, cluster: str | None, approvals: tuple[Path, ...]
) -> int:
    """Read back both sides and compare. What the move recorded is not believed."""
    with Session.open(Options(charter, as_json)) as session:
        plan = read_plan(session.estate, session.state)
        evidence = session.evidence
        ask_custodians(session, evidence, approvals)
        done = run_verify(session.estate, evidence, plan, session.crew(workers, cluster))
    return finish_step(session, "verify", plan.run, done, next_step="domicile erase --site SITE")
