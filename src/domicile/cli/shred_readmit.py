"""``domicile shred readmit``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.cli.shred_persons import persons_option, read_persons
from domicile.erase.shred import Shredder

__all__ = ["readmit"]


@click.command()
@common_options
@persons_option
def readmit(charter: Path, as_json: bool, source: str) -> int:
    """Let erased persons have keys again: new ones, under a new pseudonym. What was sealed under
    the destroyed ones stays unreadable."""
    with Session.open(Options(charter, as_json)) as session:
        persons = read_persons(session, source)
        shredder = Shredder(session.estate, session.evidence, session.state)
        count = shredder.readmit(persons)
        if as_json:
            emit_json({"readmitted": count})
        else:
            session.out.print(f"{count:,} persons may have new keys")
    return Exit.WELL
