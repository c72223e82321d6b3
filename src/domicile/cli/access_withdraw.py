"""``domicile access withdraw``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.access_answers import give
from domicile.cli.desk import token_option
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options

__all__ = ["withdraw"]


@click.command()
@click.argument("request")
@common_options
@token_option
def withdraw(request: str, charter: Path, as_json: bool, token_file: Path | None) -> int:
    """Take back REQUEST, which is yours."""
    give(Options(charter, as_json), token_file, request, "withdrawn", "")
    return Exit.WELL
