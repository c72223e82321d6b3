"""``domicile access review``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.access_answers import agree, signing_options
from domicile.cli.desk import token_option
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options

__all__ = ["review"]


@click.command()
@click.argument("grant")
@common_options
@token_option
@signing_options
def review(
    grant: str,
    charter: Path,
    as_json: bool,
    token_file: Path | None,
    key: Path | None,
    signed: Path | None,
) -> int:
    """Say that GRANT was looked at, as an approver of the custodian, who signs it: glass that was
    broken, or a standing grant, which then lasts on."""
    agree(Options(charter, as_json), token_file, grant, "reviewed", key, signed)
    return Exit.WELL
