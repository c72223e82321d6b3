"""``domicile access history``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.desk import Counter, at_the_desk
from domicile.cli.exits import Exit
from domicile.cli.moments import Moment
from domicile.cli.session import Options, common_options, emit_json
from domicile.cli.shred_persons import read_persons

__all__ = ["history"]


@click.command()
@common_options
@click.option("--dataset", help="Of this dataset.")
@click.option("--staff", help="Of this staff member.")
@click.option("--person-from", metavar="FILE", help="Of the person in this file.")
@click.option("--grant", help="Of this grant.")
@click.option("--since", type=Moment(ends=False), help="From then on.")
@click.option("--until", type=Moment(ends=True), help="Up to then.")
def history(
    charter: Path,
    as_json: bool,
    dataset: str | None,
    staff: str | None,
    person_from: str | None,
    grant: str | None,
    since: str | None,
    until: str | None,
) -> int:
    """Say who could, who did, and under which grant: every access, allowed or denied, and every
    change of a grant, as the ledger has them."""
    from domicile.policy.history import Sought, told

    with at_the_desk(Options(charter, as_json)) as counter:
        sought = Sought(
            dataset, staff, _person(counter, person_from), grant, since or "", until or "9999"
        )
        lines = list(told(counter.desk.events(), sought))
        if as_json:
            emit_json(lines)
        else:
            for line in lines:
                counter.say(f"{line.time}  {line.staff:<12}  {line.sentence}")
            if not lines:
                counter.say("nothing")
    return Exit.WELL


def _person(counter: Counter, source: str | None) -> str | None:
    if source is None:
        return None
    from domicile.custody.pseudonyms import Pseudonyms

    persons = list(read_persons(counter.session, source))
    known = Pseudonyms(counter.state).known(persons)
    return known.get(persons[0], "nobody") if persons else "nobody"
