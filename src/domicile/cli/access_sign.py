"""``domicile access sign``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from domicile.cli.access_answers import about
from domicile.cli.custody_notes import read_signable, write_note
from domicile.cli.exits import Exit
from domicile.ledger import FileSigner
from domicile.ledger.signing import sign_note
from domicile.policy.agreements import read_agreement

__all__ = ["sign"]


@click.command()
@click.argument("agreement", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The approver's key, made by `custody keygen`.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The new file for what was signed.",
)
def sign(agreement: Path, key: Path, out: Path) -> int:
    """Sign AGREEMENT, which `access agreement` or the API wrote. Needs neither ledger nor
    connection. Prints what is signed."""
    note = read_signable(agreement)
    for line in about(read_agreement(note)):
        click.echo(line)
    write_note(out, sign_note(note.text, [FileSigner.load(key)], int(time.time())))
    return Exit.WELL
