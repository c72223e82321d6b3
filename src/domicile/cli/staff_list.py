"""``domicile staff list``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from domicile.cli.desk import at_the_desk
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options, emit_json

__all__ = ["list"]


@click.command()
@common_options
@click.option("--all", "everybody", is_flag=True, help="Those who ended, too.")
def list(charter: Path, as_json: bool, everybody: bool) -> int:  # noqa: A001 - the command's name
    """Show the staff: whose they are, to whom they report, and which credentials are good."""
    from domicile.policy.desk import now_text
    from domicile.policy.grants import status

    with at_the_desk(Options(charter, as_json), acts=False) as counter:
        standing, now = counter.desk.standing, now_text()
        shown = [one for one in standing.staff.values() if everybody or one.status != "ended"]
        if as_json:
            emit_json(shown)
            return Exit.WELL
        table = Table(box=None, pad_edge=False)
        for heading in (
            "staff",
            "kind",
            "team",
            "employer",
            "country",
            "reports to",
            "roles",
            "status",
            "credentials",
            "grants",
        ):
            table.add_column(heading)
        good = [
            c.issued.staff
            for c in standing.credentials.values()
            if not c.ended and now < c.issued.until
        ]
        for one in sorted(shown, key=lambda each: each.id):
            grants = sum(status(held, now) == "active" for held in standing.of(one.id))
            words = (
                one.id,
                one.kind,
                one.team,
                one.employer,
                one.country,
                one.manager,
                ", ".join(one.roles),
                one.status,
                str(good.count(one.id)),
                str(grants),
            )
            table.add_row(*map(escape, words))
        counter.session.out.print(table)
    return Exit.WELL
