"""``domicile media destroy``."""

from __future__ import annotations

import click

from domicile.cli.media_acts import Act, Told, act_options, state_act
from domicile.scan.media import METHODS

__all__ = ["destroy"]


@click.command()
@act_options
@click.option("--from", "giver", required=True, help="Who had it, as the last act says.")
@click.option("--by", "destroyer", required=True, help="Who destroyed it: an office or firm.")
@click.option("--where", default="", help="Where.  [default: where it was registered]")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    required=True,
    help="As NIST SP 800-88 Rev. 2 calls it.",
)
def destroy(told: Told, giver: str, destroyer: str, where: str, method: str) -> int:
    """Record that the medium of this SERIAL number was destroyed.

    Without --signature the text that the attester must sign is printed, and nothing is recorded.
    """
    act = Act(
        "destroyed",
        from_holder=giver,
        to_holder=destroyer,
        where=where,
        method=method,
    )
    return state_act(told, act)
