"""``domicile custody propose``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import click

from domicile.cli.custody_notes import about, proposal_options, write_note
from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.errors import EvidenceError, UsageError
from domicile.ledger import time_text
from domicile.ledger.note import Note
from domicile.ledger.proposals import (
    PURPOSES,
    Proposal,
    Purpose,
    fresh_nonce,
    proposal_note,
    read_proposal,
)

__all__ = ["propose"]


@click.command()
@click.argument("purpose", type=click.Choice([one for one in PURPOSES if one != "policy"]))
@common_options
@proposal_options
@click.option(
    "--version",
    "versions",
    type=click.IntRange(1),
    multiple=True,
    help="A version that it is about: of the boundary's key, for `split` of the root.",
)
@click.option("--root", default="", help="The root that is used, as the ledger names it.")
@click.option("--sha256", default="", help="Of what is to be shredded.")
@click.option(
    "--reason",
    type=click.Choice(["move", "verify", "open", "recover"]),
    help="Why keys are to be opened.",
)
def propose(
    purpose: Purpose,
    charter: Path,
    as_json: bool,
    out: Path,
    days: int,
    versions: tuple[int, ...],
    root: str,
    sha256: str,
    reason: Literal["move", "verify", "open", "recover"] | None,
) -> int:
    """Write down what the custodians are to sign: PURPOSE `charter`, that the charter takes effect;
    any other, an operation on the root of its boundary's keys. Once, and for DAYS."""
    until = datetime.now(UTC) + timedelta(days=days)
    with Session.open(Options(charter, as_json)) as session:
        boundary = session.estate.boundary_name
        if purpose == "charter":
            if versions or root or sha256 or reason:
                raise _unfit("a charter has no versions, root or reason", "--charter alone")
            proposal = session.reading_evidence.standing().propose(boundary, until)
        else:
            if not versions or not root:
                raise _unfit("an operation is about a root and versions", "--root and --version")
            proposal = Proposal(
                purpose=purpose,
                log=session.loaded.charter.ledger_origin,
                boundary=boundary,
                until=time_text(until),
                nonce=fresh_nonce(),
                root=root,
                versions=tuple(sorted(set(versions))),
                sha256=sha256,
                reason=reason or "",
            )
        write_note(out, _readable(proposal))
        if as_json:
            emit_json(proposal)
        else:
            for line in about(proposal):
                session.out.print(line, markup=False, soft_wrap=True)
            session.out.print(f"next: domicile custody sign {out} --key KEY --out SIGNED")
    return Exit.WELL


def _readable(proposal: Proposal) -> Note:
    """Its note, which whoever signs it can read."""
    note = proposal_note(proposal)
    try:
        read_proposal(note)
    except EvidenceError:
        raise _unfit("the proposal has a value that is none", "a SHA-256 in hex, a label") from None
    return note


def _unfit(failed: str, expected: str) -> UsageError:
    return UsageError(failed, expected=expected, next_step="see domicile custody propose --help")
