"""``domicile access revoke``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli import access_answers
from domicile.cli.desk import token_option
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options

__all__ = ["revoke"]


@click.command()
@click.argument("grant")
@common_options
@token_option
@click.option("--operator", is_flag=True, help="By whoever runs the records, without a token.")
def revoke(
    grant: str, charter: Path, as_json: bool, token_file: Path | None, operator: bool
) -> int:
    """End GRANT at once: its holder, an approver of the custodian, or whoever runs the records."""
    access_answers.revoke(Options(charter, as_json), token_file, grant, operator=operator)
    return Exit.WELL
