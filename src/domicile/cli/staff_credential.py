"""``domicile staff credential``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from domicile.cli.desk import at_the_desk
from domicile.cli.exits import Exit
from domicile.cli.session import Options, common_options, emit_json

__all__ = ["credential"]


@click.command()
@click.argument("staff")
@common_options
@click.option(
    "--days", type=click.IntRange(1, 366), default=90, show_default=True, help="Its life."
)
@click.option("--second-factor", is_flag=True, help="It was handed over against a second factor.")
def credential(staff: str, charter: Path, as_json: bool, days: int, second_factor: bool) -> int:
    """Give STAFF a token. It is printed once, and nobody can show it again."""
    from domicile.policy.credentials import issue_token

    with at_the_desk(Options(charter, as_json)) as counter:
        until = datetime.now(UTC) + timedelta(days=days)
        name, token = issue_token(
            counter.desk, counter.state, staff, until, by="", second_factor=second_factor
        )
        if as_json:
            emit_json({"credential": name, "staff": staff, "token": token})
        else:
            counter.session.err.print(f"credential {name} of {staff}, {days} days; its token:")
            click.echo(token)
    return Exit.WELL
