"""``domicile shred request``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.exits import Exit
from domicile.cli.session import Options, Session, common_options, emit_json
from domicile.cli.shred_persons import persons_option, read_persons
from domicile.erase.known import unknown_lines
from domicile.erase.shred import Requested, Shredder
from domicile.errors import UsageError
from domicile.people import bad_lines

__all__ = ["request"]


@click.command()
@common_options
@persons_option
@click.option(
    "--max-persons",
    type=click.IntRange(1),
    default=1_000,
    show_default=True,
    help="Refuse a list of more persons than this.",
)
def request(charter: Path, as_json: bool, source: str, max_persons: int) -> int:
    """Ask for persons' keys to be destroyed. The request waits for the charter's `shred_days`,
    and can be cancelled; `domicile shred run` carries it out."""
    with Session.open(Options(charter, as_json)) as session:
        persons = read_persons(session, source)
        if len(persons) > max_persons:
            raise UsageError(
                f"the list names {len(persons):,} persons, more than {max_persons:,}",
                expected="at most --max-persons",
                next_step=f"look at the list, then allow it with --max-persons {len(persons)}",
            )
        state = session.state
        if unknown := unknown_lines(session.estate, state, persons):
            expected = "members of the last scan, or persons of whom custody has keys"
            raise bad_lines(unknown, "name nobody who is known here", expected)
        asked = Shredder(session.estate, session.evidence, state).request(persons)
    if as_json:
        emit_json({name: getattr(asked, name) for name in Requested.__slots__})
    else:
        _print(session, asked)
    return Exit.WELL


def _print(session: Session, asked: Requested) -> None:
    if asked.waiting or asked.erased:
        session.out.print(
            f"{asked.waiting:,} are in an earlier request, {asked.erased:,} were erased before"
        )
    if asked.request is None:
        session.out.print("nobody is left to ask for")
        return
    session.out.print(f"request {asked.request}: the keys of {asked.persons:,} persons")
    session.out.print(
        f"`domicile shred cancel {asked.request}` takes it back, `domicile shred run` carries it"
        " out once it has waited",
        markup=False,
    )
