"""``domicile policy test``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.exits import Exit
from domicile.cli.policy_texts import read_policy

__all__ = ["test"]


@click.command()
@click.argument("text", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("cases", type=click.Path(path_type=Path, dir_okay=False), nargs=-1, required=True)
def test(text: Path, cases: tuple[Path, ...]) -> int:
    """Ask the policies in TEXT the questions of the files CASES (TOML, see docs/policy.md), and
    compare the answers. Needs neither charter nor connection."""
    from domicile.policy.cases import read_cases, wrong_with
    from domicile.policy.decisions import Engine

    engine, failed, asked = Engine(read_policy(text)), 0, 0
    for path in cases:
        for case in read_cases(path):
            asked += 1
            wrong = wrong_with(case, engine)
            failed += bool(wrong)
            click.echo(f"{'FAILED' if wrong else 'ok':<7} {case.name}{wrong and ': ' + wrong}")
    unused = sorted({rule.id for rule in engine.text.rules.values()} - engine.decided)
    click.echo(f"{asked} cases, {failed} failed")
    if unused:
        click.echo(f"decided nothing here: {', '.join(unused)}")
    return Exit.REMAINS if failed else Exit.WELL
