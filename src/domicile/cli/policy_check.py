"""``domicile policy check``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.exits import Exit
from domicile.cli.policy_texts import read_policy

__all__ = ["check"]


@click.command()
@click.argument("text", type=click.Path(path_type=Path, dir_okay=False))
def check(text: Path) -> int:
    """Hold the policies in TEXT against the schema, and look at their names, sentences and
    obligations. Needs neither charter nor connection."""
    found = read_policy(text)
    permits = sum(rule.effect == "permit" for rule in found.rules.values())
    click.echo(f"sound: {permits} permit, {len(found.rules) - permits} forbid")
    click.echo(f"SHA-256: {found.sha256}")
    return Exit.WELL
