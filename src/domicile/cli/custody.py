"""``domicile custody``: a command each in ``custody_<command>.py``."""

from __future__ import annotations

import click

from domicile.cli.commands import Commands

__all__ = ["CUSTODY_COMMANDS", "custody"]

CUSTODY_COMMANDS = {
    "create": "Make the root of a boundary's keys, where the charter says that it lies.",
}


@click.group(cls=Commands, package="domicile.cli.custody_", about=CUSTODY_COMMANDS)
def custody() -> None:
    """The custodian's keys."""
