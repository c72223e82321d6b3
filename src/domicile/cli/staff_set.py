"""``domicile staff set``."""

from __future__ import annotations

from pathlib import Path

import click

from domicile.cli.desk import at_the_desk
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options, emit_json
from domicile.policy.staff import ROLES

__all__ = ["set"]


@click.command()
@click.argument("staff")
@common_options
@click.option(
    "--kind",
    type=click.Choice(["person", "service", "application"]),
    default="person",
    show_default=True,
    help="What it is.",
)
@click.option("--team", required=True, help="Their team.")
@click.option(
    "--employer",
    type=click.Choice(["company", "custodian", "other"]),
    required=True,
    help="Whose they are: the charter's company, the boundary's custodian, or another's.",
)
@click.option("--country", required=True, help="Where they live or run (ISO 3166-1 alpha-2).")
@click.option("--manager", default="", help="The staff member to whom they really report.")
@click.option("--human", default="", help="Who is behind the login, if they have several.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    help="A purpose that is their work; may be repeated.",
)
def set(  # noqa: A001 - the command's name
    staff: str,
    charter: Path,
    as_json: bool,
    **fields: object,
) -> int:
    """Add the staff member of this id, or change one. STAFF is an id that the employer gives, never
    a name or an address."""
    from domicile.policy.lists import member_of, record_staff

    with at_the_desk(Options(charter, as_json)) as counter:
        member = member_of({"id": staff, **fields})
        record_staff(counter.desk, [member])
        if as_json:
            emit_json(member)
        else:
            counter.say(f"{member.id}: {member.team}, {member.employer}, {member.country}")
    return Exit.WELL
