"""``domicile shred run``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from domicile.cli.custody_roots import approvals_option, ask_custodians
from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.custody.shreds import Shred
from domicile.erase.shred import Shredder, ShredReport
from domicile.errors import UsageError

__all__ = ["run"]


@click.command()
@common_options
@approvals_option
@click.option("--confirm", metavar="BOUNDARY", help="Confirm by the boundary's name.")
def run(charter: Path, as_json: bool, approvals: tuple[Path, ...], confirm: str | None) -> int:
    """Destroy the keys of every request that has waited long enough, and certify. What was begun
    goes on; what stays pending with the keeper of the root, or because somebody reads the state
    database, is said and goes on when this is run again."""
    with Session.open(Options(charter, as_json)) as session:
        evidence = session.evidence
        ask_custodians(session, evidence, approvals)
        shredder = Shredder(session.estate, evidence, session.state, session.progress)
        _confirm(session, shredder.due(), confirm)
        report = shredder.run()
        if as_json:
            emit_json({"done": report.done, "pending": report.pending, "not_due": report.not_due})
        else:
            _print(session, report)
    return Exit.REMAINS if report.pending or report.not_due else Exit.WELL


def _confirm(session: Session, due: Sequence[Shred], confirmed: str | None) -> None:
    """What is begun was confirmed before."""
    fresh = [shred for shred in due if shred.is_due]
    name = session.estate.boundary_name
    if not fresh or confirmed == name:
        return
    if confirmed is not None or not session.err.is_terminal or session.options.as_json:
        raise UsageError(
            "destroying keys was not confirmed; nothing was destroyed",
            expected=f"the boundary's name, {name}",
            next_step=f"confirm with --confirm {name}",
        )
    persons = sum(shred.persons for shred in fresh)
    answer = click.prompt(
        f"The keys of {persons:,} persons will be destroyed for good. Type {name} to go on",
        err=True,
    )
    _confirm(session, due, answer)


def _print(session: Session, report: ShredReport) -> None:
    for request, certificate in report.done.items():
        session.out.print(f"{request} is done", markup=False)
        path = session.estate.records / certificate
        session.out.print(f"certificate: {path}", markup=False, soft_wrap=True)
    for reason in report.pending:
        session.out.print(f"pending: {reason}", markup=False, style="yellow", soft_wrap=True)
    if report.not_due:
        session.out.print(f"{report.not_due:,} requests wait; see `domicile shred status`")
    if not (report.done or report.pending or report.not_due):
        session.out.print("nothing to do")
