"""``domicile access``: a command each in ``access_<command>.py``."""

from __future__ import annotations

import click

from domicile.cli.commands import Commands

__all__ = ["ACCESS_COMMANDS", "access"]

ACCESS_COMMANDS = {
    "request": "Ask for access.",
    "list": "Show requests and grants.",
    "show": "Show one, with what became of it.",
    "approve": "Agree to a request, as an approver of the custodian.",
    "agreement": "Write what an approver would sign of a request.",
    "sign": "Sign that, with an approver's key, on whatever machine.",
    "deny": "Refuse a request.",
    "ask": "Ask back about a request.",
    "inform": "Answer a question about one's own request.",
    "withdraw": "Take back one's own request.",
    "revoke": "End a grant at once.",
    "review": "Say that broken glass, or a standing grant, was looked at.",
    "read": "Read an object at home, as the policy allows.",
    "history": "Who could, who did, under which grant.",
}


@click.group(cls=Commands, package="domicile.cli.access_", about=ACCESS_COMMANDS)
def access() -> None:
    """Ask for access, answer, use it, end it. All of it is in the ledger before it takes effect."""
