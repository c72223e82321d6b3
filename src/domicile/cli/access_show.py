"""``domicile access show``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.desk import at_the_desk
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options, emit_json

__all__ = ["show"]


@click.command()
@click.argument("request")
@common_options
def show(request: str, charter: Path, as_json: bool) -> int:
    """Show REQUEST: what is asked, by whom, why, who agreed, and what was used of it."""
    with at_the_desk(Options(charter, as_json), acts=False) as counter:
        told = counter.desk.describe(request)
        if as_json:
            emit_json(told)
        else:
            for name, value in told.items():
                counter.say(f"{name.replace('_', ' ')}: {value}")
    return Exit.WELL
