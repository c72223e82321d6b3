"""``domicile shred``: a command each in ``shred_<command>.py``."""

from __future__ import annotations

import click

from domicile.cli.commands import Commands

__all__ = ["SHRED_COMMANDS", "shred"]

SHRED_COMMANDS = {
    "request": "Ask for persons' keys to be destroyed, after a time to think again.",
    "cancel": "Take a request back before it is carried out.",
    "run": "Carry out what has waited long enough, and go on with what was begun.",
    "status": "Say how far every request is.",
    "readmit": "Let erased persons have new keys again.",
}


@click.group(cls=Commands, package="domicile.cli.shred_", about=SHRED_COMMANDS)
def shred() -> None:
    """Erase persons by destroying their keys."""
