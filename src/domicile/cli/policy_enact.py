"""``domicile policy enact``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.custody_notes import read_notes
from domicile.cli.exits import Exit
from domicile.cli.policy_texts import read_policy, require_signers
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.errors import UsageError
from domicile.inventory.standing import collect
from domicile.ledger import split_text
from domicile.ledger.proposals import read_proposal

__all__ = ["enact"]


@click.command()
@click.argument("text", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("notes", type=click.Path(path_type=Path, dir_okay=False), nargs=-1, required=True)
@common_options
def enact(text: Path, notes: tuple[Path, ...], charter: Path, as_json: bool) -> int:
    """Let the policies in TEXT take effect, once enough custodians have signed their proposal.
    NOTES are what they signed. Where they don't hold, the policy before stays."""
    from domicile.policy.entries import PolicyApproved, PolicyWritten

    read, signed = read_policy(text), read_notes(notes)
    if read_proposal(signed[0]).sha256 != read.sha256:
        raise UsageError(
            f"{text} is not the policy that was proposed",
            expected=f"the text of SHA-256 {read_proposal(signed[0]).sha256}",
            next_step="name the text that the custodians signed",
        )
    with Session.open(Options(charter, as_json)) as session:
        evidence = session.evidence
        custodians = require_signers(evidence.standing())
        note = collect(session.estate.records, signed, custodians)
        digest, parts = split_text(read.text)
        written = [
            PolicyWritten(sha256=digest, part=number, parts=len(parts), text=part)
            for number, part in enumerate(parts)
        ]
        approved = PolicyApproved(session.estate.boundary_name, note.encode().decode(), digest)
        evidence.put_policy(written, approved)
        if as_json:
            emit_json({"sha256": digest, "policies": len(read.rules)})
        else:
            session.out.print(f"{len(read.rules)} policies are in force", soft_wrap=True)
    return Exit.WELL
