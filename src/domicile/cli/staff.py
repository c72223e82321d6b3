"""``domicile staff``: a command each in ``staff_<command>.py``."""

from __future__ import annotations

import click

from domicile.cli.commands import Commands

__all__ = ["STAFF_COMMANDS", "staff"]

STAFF_COMMANDS = {
    "set": "Add a staff member, or change one.",
    "load": "Take staff from a list, CSV or JSON.",
    "list": "Show the staff, their lines and what they hold.",
    "restrict": "Ban one for now: what they hold ends at once.",
    "end": "End one for good.",
    "credential": "Give one a token, which is shown once.",
    "revoke": "End a credential at once.",
}


@click.group(cls=Commands, package="domicile.cli.staff_", about=STAFF_COMMANDS)
def staff() -> None:
    """Who may ask: persons, services and applications, whom they work for, and to whom they
    report. Every change is in the ledger before it takes effect."""
