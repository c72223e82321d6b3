"""``domicile staff end``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options
from domicile.cli.staff_status import put

__all__ = ["end"]


@click.command()
@click.argument("staff")
@common_options
def end(staff: str, charter: Path, as_json: bool) -> int:
    """End STAFF for good: with them everything that they hold. A new login takes a new id."""
    put(Options(charter, as_json), staff, "ended")
    return Exit.WELL
