"""``domicile ledger``: a command each in ``ledger_<command>.py``."""

from __future__ import annotations

import click

from domicile.cli.commands import Commands

__all__ = ["LEDGER_COMMANDS", "ledger"]

LEDGER_COMMANDS = {
    "export": "Write one question's answer as a bundle that anybody can check offline.",
    "verify": "Recompute the tree, every file's digest, and the chain of evidence.",
    "publish": "Copy the log to where readers fetch it: a directory, or a site's bucket.",
    "search": "Find entries by kind, run, site, dataset, staff, pseudonym and time.",
    "witness": "Co-sign the checkpoints of others' logs.",
}


@click.group(cls=Commands, package="domicile.cli.ledger_", about=LEDGER_COMMANDS)
def ledger() -> None:
    """What happened, provably."""
