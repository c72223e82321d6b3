"""``domicile custody sign``."""

from __future__ import annotations

import time
from hashlib import sha256
from pathlib import Path

import click

from domicile.cli.custody_notes import about, read_notes, write_note
from domicile.cli.exits import Exit
from domicile.errors import UsageError
from domicile.ledger import FileSigner
from domicile.ledger.note import Note
from domicile.ledger.proposals import read_proposal
from domicile.ledger.signing import sign_note

__all__ = ["sign"]


@click.command()
@click.argument("proposal", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--key",
    "keys",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    multiple=True,
    help="A key of the custodian, made by `custody keygen`; with several, each signs.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The new file for the signed proposal.",
)
@click.option(
    "--text",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The charter or policy that was read; required where one is signed.",
)
def sign(proposal: Path, keys: tuple[Path, ...], out: Path, text: Path | None) -> int:
    """Sign PROPOSAL with a custodian's key. Needs neither ledger nor connection. Prints what is
    signed; a charter or a policy is compared with the text that the custodian has read."""
    (note,) = read_notes([proposal])
    proposed = read_proposal(note)
    if proposed.purpose in ("charter", "policy"):
        _compare(proposed.purpose, proposed.sha256, text)
    elif text is not None:
        raise UsageError(
            "the proposal is not about a text",
            expected="no --text",
            next_step="look what the proposal says, and whether it is the right one",
        )
    for line in about(proposed):
        click.echo(line)
    signed = sign_note(note.text, [FileSigner.load(key) for key in keys], int(time.time()))
    write_note(out, Note(note.text, (*note.signatures, *signed.signatures)))
    return Exit.WELL


def _compare(what: str, expected: str, text: Path | None) -> None:
    if text is not None and sha256(text.read_bytes()).hexdigest() == expected:
        return
    failed = f"no {what} was named" if text is None else f"{text} is not the {what} proposed"
    raise UsageError(
        failed,
        expected=f"--text with the {what} of SHA-256 {expected}",
        next_step="sign only what you have read",
    )
