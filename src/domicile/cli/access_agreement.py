"""``domicile access agreement``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.access_answers import write_agreement
from domicile.cli.desk import token_option
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options

__all__ = ["agreement"]


@click.command()
@click.argument("request")
@common_options
@token_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The new file for what is to be signed.",
)
def agreement(
    request: str, charter: Path, as_json: bool, token_file: Path | None, out: Path
) -> int:
    """Write what the holder of the token, an approver, would sign of REQUEST now: for `access sign`
    where their key is. Nothing is recorded."""
    write_agreement(Options(charter, as_json), token_file, request, out)
    return Exit.WELL
