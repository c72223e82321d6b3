"""``domicile access read``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from domicile.cli.custody_roots import approvals_option, ask_custodians
from domicile.cli.desk import at_the_desk, token_option
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options, emit_json
from domicile.move import run_open

__all__ = ["read"]


@click.command()
@click.argument("dataset")
@click.argument("key")
@click.argument("target", type=click.Path(path_type=Path, file_okay=False))
@common_options
@token_option
@approvals_option
@click.option("--purpose", required=True, help="What for.")
@click.option("--ticket", default="", help="For which ticket.")
def read(
    dataset: str,
    key: str,
    target: Path,
    charter: Path,
    as_json: bool,
    token_file: Path | None,
    approvals: tuple[Path, ...],
    purpose: str,
    ticket: str,
) -> int:
    """Write the object KEY of DATASET, at home, into the directory TARGET, as the holder of the
    token, if the policy allows. That it began is in the ledger before its first byte."""
    from domicile.policy.entries import AccessClosed
    from domicile.policy.questions import Wanted

    with at_the_desk(Options(charter, as_json)) as counter:
        desk, session = counter.desk, counter.session
        evidence = desk.evidence
        ask_custodians(session, evidence, approvals)
        caller = counter.caller(token_file)
        decision, opened = desk.open(caller, Wanted("read", dataset, purpose, ticket))
        items = size = 0
        ended: Literal["whole", "failed"] = "failed"
        try:
            done = run_open(
                session.estate, evidence, target, session.progress, datasets=(dataset,), key=key
            )
            items, size = done.items, done.bytes
            ended = "failed" if done.refused else "whole"
        finally:
            desk.close(opened, AccessClosed(desk.boundary, opened.access, items, size, ended))
        for _, _, error in done.refused:
            raise error
        if as_json:
            emit_json({"access": opened.access, "items": items, "bytes": size})
        else:
            counter.say(f"{opened.access}: {items} objects, {size:,} bytes; {decision.sentence}")
    return Exit.WELL if items else Exit.REMAINS
