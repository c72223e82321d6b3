"""``domicile policy propose``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from domicile.cli.custody_notes import about, proposal_options, write_note
from domicile.cli.exits import Exit
from domicile.cli.policy_texts import read_policy, require_signers
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.ledger import time_text
from domicile.ledger.proposals import Proposal, fresh_nonce, proposal_note

__all__ = ["propose"]


@click.command()
@click.argument("text", type=click.Path(path_type=Path, dir_okay=False))
@common_options
@proposal_options
def propose(text: Path, charter: Path, as_json: bool, out: Path, days: int) -> int:
    """Write down that the policies in TEXT take effect, for the custodians to sign."""
    read = read_policy(text)
    with Session.open(Options(charter, as_json)) as session:
        standing = session.evidence.standing()
        require_signers(standing)
        proposal = Proposal(
            purpose="policy",
            log=session.loaded.charter.ledger_origin,
            boundary=session.estate.boundary_name,
            until=time_text(datetime.now(UTC) + timedelta(days=days)),
            nonce=fresh_nonce(),
            sha256=read.sha256,
            before=standing.read.policy,
        )
        write_note(out, proposal_note(proposal))
        if as_json:
            emit_json(proposal)
        else:
            for line in about(proposal):
                session.out.print(line, markup=False, soft_wrap=True)
            session.out.print(
                f"next: domicile custody sign {out} --text {text} --key KEY --out SIGNED",
                markup=False,
                soft_wrap=True,
            )
    return Exit.WELL
