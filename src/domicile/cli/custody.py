"""``domicile custody``: a command each in ``custody_<command>.py``."""

from __future__ import annotations

import click

from domicile.cli.commands import Commands

__all__ = ["CUSTODY_COMMANDS", "custody"]

CUSTODY_COMMANDS = {
    "create": "Make the root of a boundary's keys, where the charter says that it lies.",
    "keygen": "Make a custodian's signing key.",
    "propose": "Write down what the custodians are to sign.",
    "sign": "Sign a proposal with a custodian's key.",
    "enact": "Let the charter take effect, once enough custodians have signed it.",
    "split": "Write a file root's keys down in shares, of which some recover them.",
    "recover": "Make a lost file root anew from shares.",
}


@click.group(cls=Commands, package="domicile.cli.custody_", about=CUSTODY_COMMANDS)
def custody() -> None:
    """The root of the custodian's keys, and what custodians sign."""
