"""``domicile media missing``."""

from __future__ import annotations

import click

from domicile.cli.media_acts import Act, Told, act_options, state_act

__all__ = ["missing"]


@click.command()
@act_options
@click.option("--from", "giver", required=True, help="Who should have it, as the last act says.")
def missing(told: Told, giver: str) -> int:
    """Record that the medium of this SERIAL number is not where it should be.

    Without --signature the text that the attester must sign is printed, and nothing is recorded.
    """
    act = Act("missing", from_holder=giver, to_holder=giver)
    return state_act(told, act)
