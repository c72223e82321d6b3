"""``domicile access review``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.access_answers import change
from domicile.cli.desk import token_option
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options

__all__ = ["review"]


@click.command()
@click.argument("grant")
@common_options
@token_option
def review(grant: str, charter: Path, as_json: bool, token_file: Path | None) -> int:
    """Say that GRANT was looked at, as an approver of the custodian: glass that was broken, or a
    standing grant, which then lasts on."""
    change(Options(charter, as_json), token_file, grant, "reviewed")
    return Exit.WELL
