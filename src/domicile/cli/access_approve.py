"""``domicile access approve``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.access_answers import agree, signing_options
from domicile.cli.desk import token_option
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options

__all__ = ["approve"]


@click.command()
@click.argument("request")
@common_options
@token_option
@signing_options
def approve(
    request: str,
    charter: Path,
    as_json: bool,
    token_file: Path | None,
    key: Path | None,
    signed: Path | None,
) -> int:
    """Agree to REQUEST, as the holder of the token and of the key that the charter names: an
    approver of the custodian who is not in the line of who asks."""
    agree(Options(charter, as_json), token_file, request, "approved", key, signed)
    return Exit.WELL
