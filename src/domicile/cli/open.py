"""``domicile open``."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import click
from rich.markup import escape

from domicile.cli.custody_roots import approvals_option, ask_custodians
from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.errors import PlanError, UsageError
from domicile.inventory import Workplace
from domicile.move import HomeOpened, Opened, open_home

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
        _check(session, datasets)
        estate, evidence = session.estate, session.evidence
        ask_custodians(session, evidence, approvals)
        job = estate.job("")
        if estate.seals:
            job = replace(job, keys=estate.authorise_keys("open", evidence.record))
        with closing(Workplace(job)) as here:
            home = here.home_objects({})
            done = open_home(
                home,
                estate.records,
                target,
                session.progress,
                datasets=datasets,
                versions=versions,
            )
        evidence.record(
            HomeOpened(
                boundary=estate.boundary_name,
                site=home.name,
                datasets=datasets,
                items=done.items,
                bytes=done.bytes,
                refused=len(done.refused),
            )
        )
    return _finish(session, target, done)


def _check(session: Session, datasets: tuple[str, ...]) -> None:
    if session.estate.home_objects is None:
        raise PlanError(
            "no object store is home",
            expected="a site of kind `objects` in the boundary's `home`",
            next_step="add it to the charter",
        )
    for name in datasets:
        if name not in session.estate.charter.objects:
            raise UsageError(
                f"the charter has no dataset {name!r} of objects",
                expected=", ".join(session.estate.charter.objects) or "one that it names",
                next_step="name one of them",
            )


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
