"""``domicile ledger verify``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.inventory import ledger_directory, quorum
from domicile.ledger import published_keys, verify_log
from domicile.ledger.keys import Verifier

__all__ = ["verify"]


@click.command()
@common_options
@click.option("--key", "keys", multiple=True, help="A public key of the log (default: log.vkey).")
@click.option(
    "--witness",
    "witness_keys",
    multiple=True,
    help="A public key of a witness that must have co-signed (default: as the charter says).",
)
def verify(
    charter: Path, as_json: bool, keys: tuple[str, ...], witness_keys: tuple[str, ...]
) -> int:
    """Recompute the tree, every file's digest, and the chain of evidence."""
    with Session.open(Options(charter, as_json)) as session:
        directory = ledger_directory(session.estate.records)
        trusted = list(keys) or published_keys(directory)
        asked = quorum(session.estate.charter)
        witnesses = [Verifier.parse(key) for key in witness_keys]
        found = verify_log(
            directory,
            trusted,
            session.estate.records,
            witnesses=witnesses or [key for known in asked.witnesses for key in known.keys],
            cosignatures_needed=len({key.name for key in witnesses}) or asked.needed,
        )
    if as_json:
        emit_json(found)
    else:
        session.out.print(
            f"ledger {found.origin}: {found.size:,} entries, root {found.root},"
            f" {found.files_checked:,} files checked",
            markup=False,
            soft_wrap=True,
        )
        for problem in found.problems:
            session.out.print(f"broken: {problem}", style="bold red", markup=False)
        for notice in found.notices:
            session.out.print(f"notice: {notice}", style="yellow", markup=False)
        if found.sound:
            session.out.print("every entry, digest and chain of evidence holds", style="green")
    return Exit.WELL if found.sound else Exit.EVIDENCE
