"""``domicile custody create``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json

__all__ = ["create"]


@click.command()
@common_options
def create(charter: Path, as_json: bool) -> int:
    """Make the root of the boundary's keys, where [boundaries.NAME.keys] says that it lies.

    Never over one that is there. Back it up before anything is sealed: without it, nothing under
    it opens, for nobody.
    """
    with Session.open(Options(charter, as_json)) as session:
        root = session.estate.create_root()
    if as_json:
        emit_json({"root": root.label, "weaknesses": list(root.weaknesses())})
    else:
        session.out.print(f"made the root key {root.label}", markup=False)
        for weakness in root.weaknesses():
            session.out.print(f"know: {weakness}", markup=False, soft_wrap=True)
        session.out.print("next: back it up, apart from home and the records (docs/custody.md)")
    return Exit.WELL
