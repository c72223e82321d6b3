"""``domicile policy show``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json

__all__ = ["show"]


@click.command()
@common_options
@click.option("--built-in", "ours", is_flag=True, help="The one that comes with Domicile.")
@click.option("--schema", is_flag=True, help="What policies can speak of.")
def show(charter: Path, as_json: bool, ours: bool, schema: bool) -> int:
    """Print the policy in force, as the ledger has it."""
    from domicile.policy.entries import PolicyWritten
    from domicile.policy.texts import built_in, schema_text

    if ours or schema:
        click.echo(schema_text() if schema else built_in(), nl=False)
        return Exit.WELL
    with Session.open(Options(charter, as_json)) as session:
        evidence = session.evidence
        sha256 = evidence.policy
        text = evidence.text(PolicyWritten, sha256) if sha256 else ""
        if as_json:
            emit_json({"sha256": sha256, "text": text})
        elif sha256:
            click.echo(text, nl=False)
        else:
            session.err.print("no policy is in force: nothing is allowed")
    return Exit.WELL if sha256 else Exit.REMAINS
