"""``domicile access deny``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.access_answers import give
from domicile.cli.desk import token_option
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options

__all__ = ["deny"]


@click.command()
@click.argument("request")
@common_options
@token_option
@click.option("--words", required=True, help="What is asked or said. Names no person.")
def deny(request: str, charter: Path, as_json: bool, token_file: Path | None, words: str) -> int:
    """Refuse REQUEST, as an approver of the custodian."""
    give(Options(charter, as_json), token_file, request, "denied", words)
    return Exit.WELL
