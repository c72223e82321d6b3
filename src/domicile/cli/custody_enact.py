"""``domicile custody enact``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.custody_notes import read_notes
from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.errors import UsageError
from domicile.inventory.standing import collect
from domicile.ledger.proposals import read_proposal, signers_of

__all__ = ["enact"]


@click.command()
@click.argument("notes", type=click.Path(path_type=Path, dir_okay=False), nargs=-1, required=True)
@common_options
def enact(notes: tuple[Path, ...], charter: Path, as_json: bool) -> int:
    """Let the charter take effect, once enough custodians have signed its proposal. NOTES are what
    they signed, as they come: those of earlier calls are remembered."""
    with Session.open(Options(charter, as_json)) as session:
        evidence = session.reading_evidence
        standing = evidence.standing()
        if standing.custodians is None:
            raise UsageError(
                "no custodian must sign this charter",
                expected="[boundaries.NAME.custodians], here or in the charter in force",
                next_step="go on without: it is in force as it is",
            )
        note = collect(session.estate.records, read_notes(notes), standing.custodians)
        few = len(signers_of(note, standing.custodians)) < standing.custodians.charter
        if few and standing.is_proposed_by(read_proposal(note)):
            standing.require(session.estate.records)
        evidence.approve_charter(note, session.estate.boundary_name)
        said = evidence.standing().sentence()
        if as_json:
            emit_json({"charter": session.loaded.sha256, "standing": said})
        else:
            session.out.print(said)
    return Exit.WELL
