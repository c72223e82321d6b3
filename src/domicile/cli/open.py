"""``domicile open``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape

from domicile.cli.custody_roots import approvals_option, ask_custodians
from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.move import Opened, run_open

__all__ = ["open"]

_SHOWN = 20


@click.command()
@click.argument("target", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--dataset", "datasets", multiple=True, metavar="NAME", help="Only this one; may be repeated."
)
@click.option("--versions", is_flag=True, help="Older versions, too: NAME@VERSION.")
@approvals_option
@common_options
def open(  # noqa: A001 - the command's name
    target: Path,
    datasets: tuple[str, ...],
    versions: bool,
    approvals: tuple[Path, ...],
    charter: Path,
    as_json: bool,
) -> int:
    """Write home's objects into the directory TARGET as plain files.

    Needs the root of the boundary's keys where home lies sealed. What is not what was proven at
    home is refused. TARGET then holds personal data in plain: its owner alone can read it.
    """
    with Session.open(Options(charter, as_json)) as session:
        evidence = session.evidence
        ask_custodians(session, evidence, approvals)
        done = run_open(
            session.estate,
            evidence,
            target,
            session.progress,
            datasets=datasets,
            versions=versions,
        )
    return _finish(session, target, done)


def _finish(session: Session, target: Path, done: Opened) -> int:
    if session.options.as_json:
        refused = [{"key": k, "version": v, "error": str(e)} for k, v, e in done.refused]
        emit_json(
            {"target": str(target), "items": done.items, "bytes": done.bytes, "refused": refused}
        )
    else:
        for key, version, error in done.refused[:_SHOWN]:
            session.out.print(
                f"refused: {escape(repr(key))} {escape(version)}: {escape(str(error))}",
                style="bold red",
                soft_wrap=True,
            )
        if len(done.refused) > _SHOWN:
            session.out.print(f"and {len(done.refused) - _SHOWN:,} more: see --json")
        session.out.print(
            f"open: {done.items:,} objects ({done.bytes:,} bytes) in {target}", soft_wrap=True
        )
    return max((error.exit_code for *_, error in done.refused), default=Exit.WELL)
