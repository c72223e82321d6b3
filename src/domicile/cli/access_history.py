"""``domicile access history``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from domicile.cli.desk import Counter, at_the_desk
from domicile.cli.exits import Exit
from domicile.cli.moments import Moment
from domicile.cli.session import Options, common_options, emit_json
from domicile.cli.shred_persons import read_persons
from domicile.errors import UsageError

if TYPE_CHECKING:
    from domicile.policy.could import Could
    from domicile.policy.history import Happening

__all__ = ["history"]


@click.command()
@common_options
@click.option("--dataset", help="Of this dataset.")
@click.option("--staff", help="Of this staff member.")
@click.option("--person-from", metavar="FILE", help="Of the person in this file.")
@click.option("--grant", help="Of this grant.")
@click.option("--since", type=Moment(ends=False), help="From then on.")
@click.option("--until", type=Moment(ends=True), help="Up to then.")
@click.option(
    "--at", type=Moment(ends=False), help="With --dataset: also who could at this time, and why."
)
def history(
    charter: Path,
    as_json: bool,
    dataset: str | None,
    staff: str | None,
    person_from: str | None,
    grant: str | None,
    since: str | None,
    until: str | None,
    at: str | None,
) -> int:
    """Say who did, and under which grant: every access, allowed or denied, and every change of a
    grant, as the ledger has them. With --at, also who could: by the grants that were live then, and
    by the policy that was in force, asked of all staff as if from inside, for the purposes of
    roles."""
    from domicile.policy.history import Sought, told

    if at is not None and dataset is None:
        raise UsageError(
            "who could is told of one dataset at a time",
            expected="--dataset with --at",
            next_step="name the dataset",
        )

    with at_the_desk(Options(charter, as_json), acts=False) as counter:
        sought = Sought(
            dataset, staff, _person(counter, person_from), grant, since or "", until or "9999"
        )
        lines = list(told(counter.desk.events(), sought))
        if at is not None and dataset is not None:
            _tell_could(counter, lines, counter.desk.could(at, dataset, staff), at)
        elif as_json:
            emit_json(lines)
        else:
            _tell(counter, lines)
    return Exit.WELL


def _tell(counter: Counter, lines: Sequence[Happening]) -> None:
    for line in lines:
        counter.say(f"{line.time}  {line.staff:<12}  {line.sentence}")
    if not lines:
        counter.say("nothing")


def _tell_could(
    counter: Counter, lines: Sequence[Happening], could: Sequence[Could], time: str
) -> None:
    if counter.session.options.as_json:
        emit_json({"at": time, "could": could, "did": lines})
        return
    counter.say(f"could, at {time}:")
    for one in could:
        counter.say(f"  {one.staff:<12}  {one.sentence}")
    if not could:
        counter.say("  nobody")
    counter.say("did:")
    _tell(counter, lines)


def _person(counter: Counter, source: str | None) -> str | None:
    if source is None:
        return None
    from domicile.custody.pseudonyms import Pseudonyms

    persons = list(read_persons(counter.session, source))
    known = Pseudonyms(counter.state).known(persons)
    return known.get(persons[0], "nobody") if persons else "nobody"
