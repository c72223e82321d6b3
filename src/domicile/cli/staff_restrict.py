"""``domicile staff restrict``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options
from domicile.cli.staff_status import put

__all__ = ["restrict"]


@click.command()
@click.argument("staff")
@common_options
def restrict(staff: str, charter: Path, as_json: bool) -> int:
    """Ban STAFF for now, a person or an application: their credentials, grants and requests end at
    once."""
    put(Options(charter, as_json), staff, "restricted")
    return Exit.WELL
