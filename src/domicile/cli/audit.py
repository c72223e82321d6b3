"""``domicile audit``: a command each in ``audit_<command>.py``."""

from __future__ import annotations

import click

from domicile.cli.commands import Commands

__all__ = ["AUDIT_COMMANDS", "audit"]

AUDIT_COMMANDS = {
    "run": "Read shards again that the checkpoint's hash chooses, and sign what was seen.",
    "verify": "Check who signed such a statement, and what it says.",
}


@click.group(cls=Commands, package="domicile.cli.audit_", about=AUDIT_COMMANDS)
def audit() -> None:
    """Read the company's work again, as an outsider with credentials of one's own."""
