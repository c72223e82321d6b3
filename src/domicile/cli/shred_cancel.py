"""``domicile shred cancel``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.erase.shred import Shredder

__all__ = ["cancel"]


@click.command()
@common_options
@click.argument("request")
def cancel(charter: Path, as_json: bool, request: str) -> int:
    """Take a request back, for everybody in it. Nothing was destroyed yet."""
    with Session.open(Options(charter, as_json)) as session:
        Shredder(session.estate, session.evidence, session.state).cancel(request)
        if as_json:
            emit_json({"cancelled": request})
        else:
            session.out.print(f"request {request} is cancelled", markup=False)
    return Exit.WELL
