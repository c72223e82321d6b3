"""``domicile policy``: a command each in ``policy_<command>.py``."""

from __future__ import annotations

import click

from domicile.cli.commands import Commands

__all__ = ["POLICY_COMMANDS", "policy"]

POLICY_COMMANDS = {
    "show": "Print the policy in force, or the one that comes with Domicile.",
    "check": "Hold a text against the schema.",
    "test": "Ask a text the questions in files, and compare the answers.",
    "explain": "Say what would be decided, by what, and why.",
    "diff": "Say what a text would allow or forbid that was not so before.",
    "propose": "Write down what the custodians are to sign.",
    "enact": "Let a text take effect, with the custodians' signatures.",
}


@click.group(cls=Commands, package="domicile.cli.policy_", about=POLICY_COMMANDS)
def policy() -> None:
    """Who may what: Cedar policies, tested, explained, and in force only as the custodians signed
    them."""
