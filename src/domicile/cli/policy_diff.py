"""``domicile policy diff``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.desk import at_the_desk
from domicile.cli.exits import Exit
from domicile.cli.policy_texts import read_policy
from domicile.cli.session import Options, common_options, emit_json

__all__ = ["diff"]

_SHOWN = 50


@click.command()
@click.argument("text", type=click.Path(path_type=Path, dir_okay=False))
@common_options
def diff(text: Path, charter: Path, as_json: bool) -> int:
    """Ask the policies in TEXT every question that the ledger has, and say which would be answered
    otherwise than by the policy in force."""
    from domicile.policy.decisions import Engine
    from domicile.policy.differences import differences

    with at_the_desk(Options(charter, as_json), acts=False) as counter:
        asked, found = differences(
            counter.desk.recorded(), counter.desk.engine, Engine(read_policy(text))
        )
        if as_json:
            emit_json({"asked": asked, "different": found})
            return Exit.REMAINS if found else Exit.WELL
        for one in found[:_SHOWN]:
            word = "would be allowed" if one.allowed else "would be denied"
            counter.say(
                f"{word}: {one.asked.staff} ({one.asked.employed_by}, "
                f"{one.asked.country or 'unknown'}) {one.asked.action} {one.asked.dataset} for"
                f" {one.asked.purpose}, {one.times:,} times; by {', '.join(one.policies)}",
                "yellow",
            )
        counter.say(f"{asked:,} questions, {len(found):,} answered otherwise")
    return Exit.REMAINS if found else Exit.WELL
