"""``domicile staff load``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.desk import at_the_desk
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options, emit_json

__all__ = ["load"]


@click.command()
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False))
@common_options
@click.option("--whole", is_flag=True, help="Who is not in it has left: end them.")
def load(source: Path, charter: Path, as_json: bool, whole: bool) -> int:
    """Take staff from a list, CSV or JSON, as `docs/policy.md` describes it. Nobody is taken unless
    everybody can be."""
    from domicile.policy.lists import changes, read_list, record_staff

    members = read_list(source)
    with at_the_desk(Options(charter, as_json)) as counter:
        changed = changes(counter.desk.standing, members, whole=whole)
        record_staff(counter.desk, changed)
        if as_json:
            emit_json({"read": len(members), "changed": len(changed)})
        else:
            counter.say(f"{len(members):,} staff read, {len(changed):,} of them new or changed")
    return Exit.WELL
